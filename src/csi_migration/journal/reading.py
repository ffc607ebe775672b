"""From a journal's bytes to its records: what a crash left is mended, damage is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.record import (
    NO_CHECKSUM,
    SCHEMA,
    BadLine,
    Created,
    Record,
    WholeLineDamaged,
    check,
    decode,
    heading,
)

_GET_HELP = (
    "Change nothing in the cluster by hand. Keep a copy of the working directory; "
    "the backup files in it can be restored with kubectl as its README says."
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a journal's file holds.

    Attributes:
        created: record 0.
        records: all whole records, from record 0 on.
        length: how many bytes they take; what follows is a write cut short.
        checksum: what the next record is chained to.
        dropped: how many bytes follow `length`.
    """

    created: Created
    records: tuple[Record, ...]
    length: int
    checksum: str
    dropped: int


def read(data: bytes) -> Reading:
    """Read a journal.

    A last line that ends early, or with zeros in it, is a write cut short before fsync
    could return: nobody acted on it, so it is left out. Anything else that is wrong is
    damage: of a last line that is all there, what it announced may have been done.

    Raises:
        JournalUnreadable: damaged, or written by another version of the tool.
    """
    bodies = tuple(_checked(data))
    if not bodies:
        raise _damaged(0, "it is not there")
    records = _decoded(tuple(body for body, _, _ in bodies))
    first, *others = records
    if not isinstance(first, Created) or any(isinstance(other, Created) for other in others):
        raise _damaged(0, "only the first record may begin a migration")
    _, length, checksum = bodies[-1]
    return Reading(first, records, length, checksum, len(data) - length)


def _checked(data: bytes) -> Iterator[tuple[bytes, int, str]]:
    """Yield each whole record's JSON, where its line ends, and its checksum."""
    start, checksum, number = 0, NO_CHECKSUM, 0
    while start < len(data):
        end = data.find(b"\n", start)
        try:
            body, checksum = check(data[start : end if end >= 0 else len(data)], checksum)
        except BadLine as error:
            is_cut_short = _is_cut_short(data[start:], error)
            if number == 0 or not is_cut_short:
                raise _damaged(number, str(error)) from error
            return
        if end < 0:
            return
        start, number = end + 1, number + 1
        yield body, start, checksum


def _is_cut_short(rest: bytes, error: BadLine) -> bool:
    """File systems fill with zeros what they had no time to write; one may be a flipped bit."""
    is_last = rest.find(b"\n") in (-1, len(rest) - 1)
    ends_early = not rest.endswith(b"\n")
    return is_last and not isinstance(error, WholeLineDamaged) and (ends_early or b"\0\0" in rest)


def _decoded(bodies: tuple[bytes, ...]) -> tuple[Record, ...]:
    writer = ""
    records: list[Record] = []
    for number, body in enumerate(bodies):
        try:
            head = heading(body)
            writer = head.writer or writer
            if head.schema != SCHEMA:
                raise _of_another_version(f"It has schema {head.schema}.", writer)
            record = decode(body)
        except msgspec.ValidationError as error:
            raise _of_another_version(f"Record {number}: {error}", writer) from error
        if record.seq != number:
            raise _damaged(number, f"it says that it is record {record.seq}")
        records.append(record)
    return tuple(records)


def _damaged(number: int, why: str) -> JournalUnreadable:
    return JournalUnreadable(
        f"The journal is damaged at record {number}: {why}.",
        state="Nothing was changed by this run.",
        resolution=_GET_HELP,
    )


def _of_another_version(details: str, writer: str) -> JournalUnreadable:
    version = f"version {writer}" if writer else "another version"
    return JournalUnreadable(
        f"The journal was written by {version} of the tool, and this version cannot read it.",
        details=details,
        state="Nothing was changed by this run.",
        resolution=f"Use {version} of the tool, or a newer one.",
    )

"""What became of the bytes: the records on each disk against those acknowledged.

A record is one line, `<seq> <node> <pod-uid> <volume> <epoch-ms> <crc32>`. The
numbers start at 1 on each disk, and each checksum covers the one before it, so
that a disk's records form a chain. The ledger holds a copy of every record
whose write was acknowledged.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Record:
    """One line on a disk; `volume` is the PersistentVolume it was written through."""

    number: int
    node: str
    pod_uid: str
    volume: str
    milliseconds: int
    checksum: str

    @classmethod
    def parse(cls, line: str) -> Record:
        """Raises ValueError when the line is no record."""
        number, node, pod_uid, volume, milliseconds, checksum = line.split(" ")
        return cls(int(number), node, pod_uid, volume, int(milliseconds), checksum)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one disk's records say.

    Attributes:
        records: readable records on the disk.
        lost: numbers that are missing on the disk, or were acknowledged with
            another content than the disk has.
        duplicates: numbers that are there more than once.
        corrupt: lines that are no record, or break the chain.
        returns: times that a pod wrote again after another had taken over.
        by_volume: records by PersistentVolume, in the order of their writing.
        crossings: times that a record of one volume follows, in an unbroken
            chain, the last record of another.
    """

    records: int
    lost: int
    duplicates: int
    corrupt: int
    returns: int
    by_volume: dict[str, int]
    crossings: int


def checksum(previous: str, text: str) -> str:
    """Of a record's text, chained to the checksum of the record before (or '')."""
    return f"{zlib.crc32(f'{previous} {text}'.encode()):08x}"


def judge(disk: Sequence[str], ledger: Iterable[str]) -> Judgement:
    """Compare the lines on a disk with the acknowledged ones."""
    links = _chain(disk)
    records = [link.record for link in links if link.record]
    numbers = Counter(record.number for record in records)
    return Judgement(
        records=len(records),
        lost=len(_lost(disk, ledger, set(numbers))),
        duplicates=sum(count - 1 for count in numbers.values()),
        corrupt=sum(not link.whole for link in links),
        returns=_returns([record.pod_uid for record in records]),
        by_volume=dict(Counter(record.volume for record in records)),
        crossings=_crossings(links),
    )


def destroyed(calls: Iterable[str]) -> list[str]:
    """Datastore paths whose bytes a call to vCenter removed, from its audit log."""
    # Nearly all destroy nothing, and say so in the end; parsing them all takes long.
    telling = (json.loads(line) for line in calls if not line.endswith('"destroyed":[]}'))
    return [path for call in telling for path in call.get("destroyed") or []]


@dataclass(frozen=True, slots=True)
class _Link:
    """A line; `whole` when it is a record that follows from the line before it."""

    record: Record | None
    whole: bool


def _chain(lines: Iterable[str]) -> list[_Link]:
    links, previous = [], ""
    for line in lines:
        links.append(_link(previous, line))
        _, _, previous = line.rpartition(" ")
    return links


# Who waits for the next record reads the same disk again and again.
@lru_cache(maxsize=100_000)
def _link(previous: str, line: str) -> _Link:
    """Of the checksum of the line before it, and a line."""
    text, _, found = line.rpartition(" ")
    record = _record(line)
    return _Link(record, record is not None and found == checksum(previous, text))


def _record(line: str) -> Record | None:
    try:
        return Record.parse(line)
    except ValueError:
        return None


def _lost(disk: Iterable[str], ledger: Iterable[str], there: set[int]) -> set[int]:
    missing = set(range(1, max(there, default=0) + 1)) - there
    return missing | {Record.parse(line).number for line in set(ledger) - set(disk)}


def _returns(writers: Sequence[str]) -> int:
    left: set[str] = set()
    count = 0
    for before, after in pairwise(writers):
        if before != after:
            left.add(before)
            count += after in left
    return count


def _crossings(links: Sequence[_Link]) -> int:
    return sum(
        second.whole and first.record.volume != second.record.volume
        for first, second in pairwise(links)
        if first.record and second.record
    )

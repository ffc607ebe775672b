"""The second backup's form: one archive that `tar xJ` opens, cut into chunks.

Tar and xz, so that a person without the tool can open it; and of many alike objects
xz makes a third less than zlib (`docs/decisions/0008-a-second-backup-in-configmaps.md`).
"""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.record import Identity

SCHEMA = 1

CHUNK_BYTES = 512 * 1024
"""A ConfigMap holds 1 MiB (kubernetes: validation.MaxSecretSize). In base64, which
is how it travels, a chunk takes two thirds of that."""

# No backup may bear this name: the working directory refuses what begins with a dot.
_HEADING = ".migration.json"
_MODE = 0o600
# The usual search for repetitions takes five times as long, for the same size: twenty
# seconds and more for thousands of replicas, in which nobody renews the Lease.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "mf": lzma.MF_HC4, "nice_len": 32}]
# Far more than any set needs: what unpacks to more was not packed here.
_LARGEST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """All that a working directory needs to be made again.

    Attributes:
        identity: which migration it is.
        arguments: what the run that began it was told; no secrets.
        files: the saved backup files by name (`backup/pods/web-0.json`).
    """

    identity: Identity
    arguments: dict[str, Any]
    files: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part `number`, from 0, of `count`, of the archive with this SHA-256 in hex."""

    number: int
    count: int
    sha256: str
    data: bytes


class _Heading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identity: Identity
    arguments: dict[str, Any]


class _Schema(msgspec.Struct, frozen=True):
    schema: int


def pack(content: Content) -> bytes:
    """The archive; the same content makes the same bytes with the same liblzma.

    Raises:
        ValueError: a file's name is none that an archive can carry.
    """
    files = {_HEADING: _heading(content)} | content.files
    archive = lzma.compress(_tar(files), filters=_FILTERS)
    # A backup that was never opened is none.
    if unpack(archive).files != content.files:
        raise ValueError("the files do not come out of the archive as they went in")
    return archive


def unpack(archive: bytes) -> Content:
    """What `pack` was given.

    Raises:
        JournalUnreadable: it is damaged, or of another version of the tool.
    """
    try:
        files = dict(_members(_decompressed(archive)))
        heading = files.pop(_HEADING)
        schema = msgspec.json.decode(heading, type=_Schema).schema
    except (lzma.LZMAError, tarfile.TarError, KeyError, ValueError) as error:
        raise _damaged(f"it cannot be unpacked ({error})") from error
    if schema != SCHEMA:
        raise _of_another_version(f"It has schema {schema}.")
    return _content(heading, files)


def split(archive: bytes, size: int = CHUNK_BYTES) -> tuple[Chunk, ...]:
    """The archive's chunks of at most `size` bytes, in order."""
    digest = hashlib.sha256(archive).hexdigest()
    parts = [archive[start : start + size] for start in range(0, len(archive), size)]
    return tuple(Chunk(i, len(parts), digest, part) for i, part in enumerate(parts))


def join(chunks: Iterable[Chunk]) -> bytes:
    """The archive of these chunks, in whichever order they come.

    Raises:
        JournalUnreadable: one is missing, there twice, of another archive or damaged.
    """
    ordered = sorted(chunks, key=lambda chunk: chunk.number)
    if len({(chunk.count, chunk.sha256) for chunk in ordered}) != 1:
        raise _damaged("its parts do not belong together")
    _require_each_once([chunk.number for chunk in ordered], ordered[0].count)
    archive = b"".join(chunk.data for chunk in ordered)
    if hashlib.sha256(archive).hexdigest() != ordered[0].sha256:
        raise _damaged(f"its SHA-256 is not {ordered[0].sha256}")
    return archive


def _require_each_once(numbers: list[int], count: int) -> None:
    missing = [number for number in range(count) if number not in numbers]
    if missing:
        listed = ", ".join(map(str, missing))
        raise _damaged(f"of its parts 0 to {count - 1}, {listed} cannot be found")
    if len(numbers) != count:
        wrong = [n for n, times in Counter(numbers).items() if times > 1 or n not in range(count)]
        raise _damaged(f"part {wrong[0]} is one too many")


def _heading(content: Content) -> bytes:
    heading = {
        "schema": SCHEMA,
        "identity": content.identity,
        "arguments": content.arguments,
    }
    return msgspec.json.encode(heading, order="deterministic")


def _content(heading: bytes, files: dict[str, bytes]) -> Content:
    fields: dict[str, Any] = msgspec.json.decode(heading)
    del fields["schema"]
    try:
        known = msgspec.convert(fields, _Heading)
    except msgspec.ValidationError as error:
        raise _of_another_version(str(error)) from error
    return Content(known.identity, known.arguments, files)


def _tar(files: dict[str, bytes]) -> bytes:
    """Without owner and time, which would make each archive another one."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            member.mode = _MODE
            tar.addfile(member, io.BytesIO(files[name]))
    return written.getvalue()


def _members(tar: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as opened:
        for member in opened:
            data = opened.extractfile(member) if member.isreg() else None
            if data is None:
                raise _damaged(f"{member.name} in it is no file")
            yield member.name, data.read()


def _decompressed(archive: bytes) -> bytes:
    decompressor = lzma.LZMADecompressor(format=lzma.FORMAT_XZ)
    data = decompressor.decompress(archive, max_length=_LARGEST_BYTES)
    if not decompressor.eof:
        raise lzma.LZMAError("it is cut short, or too large")
    return data


def _damaged(why: str) -> JournalUnreadable:
    return JournalUnreadable(f"The second backup is damaged: {why}.")


def _of_another_version(details: str) -> JournalUnreadable:
    return JournalUnreadable(
        "The second backup was written by another version of the tool, "
        "and this version cannot read it.",
        details=details,
        resolution="Use that version of the tool, or a newer one.",
    )

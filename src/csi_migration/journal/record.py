"""The journal's records and their form on disk: one JSON object a line, chained by checksum.

A line is the record's JSON with the member `crc` added at its end: the CRC-32
(IEEE, eight hex digits) over the previous line's `crc` and the JSON before the
addition. So a line proves itself and everything before it.
"""

from __future__ import annotations

import re
import zlib
from typing import Annotated, Any

import msgspec

from csi_migration.model.errors import ExitCode

SCHEMA = 1
NO_CHECKSUM = ""
"""What the first line is chained to."""

_CHECKSUM = re.compile(rb',"crc":"([0-9a-f]{8})"}')
_Time = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class _Strict(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Nothing unknown is read past: what is not understood must not be acted upon."""


class Identity(_Strict, frozen=True, kw_only=True):
    """Which migration a working directory belongs to.

    Attributes:
        namespace: the StatefulSet's.
        statefulset: its name.
        statefulset_uid: its uid when it was backed up.
        cluster: the API server's URL.
        cluster_uid: uid of the namespace kube-system, which outlives URLs.
        tool_version: the version that made the directory.
    """

    namespace: str
    statefulset: str
    statefulset_uid: str
    cluster: str
    cluster_uid: str
    tool_version: str


class ObjectRef(_Strict, frozen=True, kw_only=True):
    """The object that a step writes to.

    `uid` and `resource_version` are empty for one that is yet to be created;
    `namespace` is for one without.
    """

    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Entry(_Strict, frozen=True, kw_only=True, tag_field="type"):
    """What every record has: its number, counted from 0, and its time in UTC."""

    seq: int
    time: _Time


class Created(Entry, frozen=True, kw_only=True, tag="created"):
    """Record 0, and only that."""

    schema: int
    identity: Identity


class RunStarted(Entry, frozen=True, kw_only=True, tag="run-started"):
    """A process took up the migration. `arguments` hold no secrets."""

    tool_version: str
    arguments: dict[str, Any]


class Saved(Entry, frozen=True, kw_only=True, tag="saved"):
    """A backup file is on disk, durably."""

    file: str
    sha256: str


class Intent(Entry, frozen=True, kw_only=True, tag="intent"):
    """A write is about to be sent. `replica` is empty for one of the whole run."""

    step: str
    replica: str
    action: str
    object: ObjectRef
    parameters: dict[str, Any]


class Done(Entry, frozen=True, kw_only=True, tag="done"):
    """The effect of the write announced by record `intent` was seen."""

    intent: int
    result: dict[str, Any]


class Failed(Entry, frozen=True, kw_only=True, tag="failed"):
    """The write announced by record `intent` is known not to have happened."""

    intent: int
    error: str


class Note(Entry, frozen=True, kw_only=True, tag="note"):
    """Something that helps whoever reads the journal later."""

    text: str


class RunEnded(Entry, frozen=True, kw_only=True, tag="run-ended"):
    """The process ended by itself. `state` says how things stand, in words."""

    exit_code: int
    state: str


Record = Created | RunStarted | Saved | Intent | Done | Failed | Note | RunEnded


def reached_its_goal(record: Record) -> bool:
    """Whether it tells of a run's end that was a success."""
    return isinstance(record, RunEnded) and record.exit_code == ExitCode.DONE


class Heading(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """As much of any record, of whatever version, as tells who wrote it."""

    type: str
    schema: int = SCHEMA
    identity: dict[str, Any] = {}
    tool_version: str = ""

    @property
    def writer(self) -> str:
        """The tool's version, empty when this record does not tell."""
        return self.tool_version or str(self.identity.get("toolVersion", ""))


class BadLine(ValueError):
    """The line is not what was written."""


class WholeLineDamaged(BadLine):
    """A whole record, but not alone on its line: no write that was cut short does that."""


_encoder = msgspec.json.Encoder()
_records: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_headings = msgspec.json.Decoder(Heading)


def encode(record: Record, previous: str) -> tuple[bytes, str]:
    """Return the record's line, chained to the checksum `previous`, and its own checksum."""
    body = _encoder.encode(record)
    checksum = _checksum(previous, body)
    return body[:-1] + f',"crc":"{checksum}"}}\n'.encode(), checksum


def check(line: bytes, previous: str) -> tuple[bytes, str]:
    """Return the JSON in a line (without its line feed) and its checksum.

    Raises:
        BadLine: the line is damaged, or does not follow on `previous`.
    """
    for end in _CHECKSUM.finditer(line):
        body = line[: end.start()] + b"}"
        if end[1].decode() == _checksum(previous, body):
            break
    else:
        raise BadLine("its checksum is wrong")
    if end.end() != len(line):
        raise WholeLineDamaged("something stands where the line should end")
    return body, end[1].decode()


def decode(body: bytes) -> Record:
    """Read a record strictly.

    Raises:
        msgspec.ValidationError: of an unknown type, or with unknown members.
    """
    return _records.decode(body)


def heading(body: bytes) -> Heading:
    """Read what a record of any version tells about its writer.

    Raises:
        msgspec.ValidationError: it tells nothing.
    """
    return _headings.decode(body)


def _checksum(previous: str, body: bytes) -> str:
    return f"{zlib.crc32(previous.encode() + body):08x}"

"""A small journal that the tests of the journal share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from csi_migration.journal.journal import Journal
from csi_migration.journal.record import Identity, ObjectRef

IDENTITY = Identity(
    namespace="shop",
    statefulset="web",
    statefulset_uid="uid-1",
    cluster="https://127.0.0.1:6443",
    cluster_uid="uid-0",
    tool_version="0.1.0",
)
POD = ObjectRef(kind="Pod", name="web-1", namespace="shop", uid="uid-7", resource_version="12")


class Clock:
    """A millisecond passes with each look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 20, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def written(path: Path) -> bytes:
    """A small journal with a record of every type, an open intent and odd characters."""
    journal = Journal.create(path, IDENTITY, Clock())
    journal.run_started(tool_version="0.1.0", arguments={"window": "replica"})
    journal.saved("pods/web-1.json", "0" * 64)
    first = journal.intent(step="delete-pod/web-1", action="delete", object=POD, replica="web-1")
    journal.done(first, {"uid": "uid-7", "crc": "12345678"})
    second = journal.intent(step="x", action="create", object=POD, parameters={"a": [1, None]})
    journal.failed(second, 'refused: "no\n"')
    journal.note("Grüße ▸")
    journal.intent(step="y", action="create", object=POD)
    journal.run_ended(exit_code=5, state="web-1 is away")
    journal.close()
    return path.read_bytes()

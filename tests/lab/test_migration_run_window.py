"""`--window run`: the StatefulSet is away from the first swap to the last.

On disks that are no First Class Disks yet, since the driver could not register them.
"""

from __future__ import annotations

from tests.lab.every_migration import EveryMigration
from tests.lab.migration import Migration
from tests.lab.witness import ADDED, DELETED


class TestRunWindow(
    EveryMigration,
    window="run",
    namespace="run-window",
    name="db",
    first_ordinal=7,
    origin="by-path",
    reclaim_policy="Retain",
    pod_management="Parallel",
):
    def test_opens_one_window_for_the_whole_run(self, migration: Migration) -> None:
        changes = migration.witness.of("StatefulSet", "db", ADDED, DELETED)
        assert [one.type for one in changes] == [DELETED, ADDED]

    def test_the_set_is_away_throughout(self, migration: Migration) -> None:
        away, back = (migration.moment("StatefulSet", "db", t) for t in (DELETED, ADDED))
        first, last = migration.swapped_first[0], migration.swapped_first[-1]
        assert away < migration.moment("Pod", first, DELETED)
        assert migration.moment("Pod", last, ADDED) < back

    def test_the_ordinals_begin_where_they_began(self, migration: Migration) -> None:
        assert sorted(migration.after["Pod"]) == ["db-7", "db-8", "db-9"]
        assert migration.after["StatefulSet"]["db"]["spec"]["ordinals"] == {"start": 7}

    def test_registers_each_disk_once_and_protects_it_itself(self, migration: Migration) -> None:
        """CNS may protect a disk too, but only later, when the disk has two names already."""
        registered = [call["summary"]["name"] for call in migration.calls("RegisterDisk")]
        assert registered == [f"sts-run-window-data-{pod}" for pod in migration.swapped_first]
        flags = [call["summary"] for call in migration.calls("SetVStorageObjectControlFlags")]
        protected = [one["id"] for one in flags if one["controlFlags"] == ["keepAfterDeleteVm"]]
        disks = migration.disks()
        assert protected == [disks[f"data-{pod}"].config.id.id for pod in migration.swapped_first]

"""Sets of other sizes, in another cluster, on disks of other origins."""

from __future__ import annotations

from tests.lab.every_migration import EveryMigration
from tests.lab.migration import Migration


class TestOneReplicaInTheAdminCluster(
    EveryMigration, where="admin", namespace="in-admin", replicas=1, window="run"
):
    """Without --cluster-name the set runs where --kubeconfig points."""

    def test_asks_the_user_cluster_for_nothing(self, migration: Migration) -> None:
        user = migration.trial.lab.cluster("user")
        assert user.find("Namespace", migration.workload.namespace) is None


class TestFiveReplicasOfDynamicVolumes(
    EveryMigration,
    namespace="dynamic",
    replicas=5,
    origin="dynamic",
    pod_management="Parallel",
    max_unavailable=None,
):
    """The driver made these disks itself, for claims of the in-tree class."""

    def test_leaves_the_disks_where_the_driver_made_them(self, migration: Migration) -> None:
        paths = [disk.config.backing.filePath for disk in migration.disks().values()]
        assert {path.rpartition("/")[0] for path in paths} == {"[vsanDatastore] fcd"}

    def test_registers_no_disk(self, migration: Migration) -> None:
        assert migration.calls("RegisterDisk") == []

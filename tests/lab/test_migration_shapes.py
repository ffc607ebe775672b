"""Sets of other sizes, in another cluster, on disks of other origins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.manifests import Workload
from tests.lab.every_migration import EveryMigration
from tests.lab.labkit import Lab, Trial
from tests.lab.migration import Migration, migrate


class TestOneReplicaInTheAdminCluster(
    EveryMigration, where="admin", namespace="in-admin", replicas=1, window="run"
):
    """Without --cluster-name the set runs where --kubeconfig points."""

    def test_asks_the_user_cluster_for_nothing(self, migration: Migration) -> None:
        user = migration.trial.lab.cluster("user")
        assert user.find("Namespace", migration.workload.namespace) is None


NOTE = {"shop.example/note": "a<b> & \u00e9", "shop.example/empty": ""}
OWN = {"metadata": {"annotations": NOTE, "labels": {"shop.example/team": "orders"}}}


class TestClaimsAndVolumesWithWhatPeopleWroteOnThem(
    EveryMigration, namespace="written-on", replicas=1
):
    @pytest.fixture(scope="class")
    @classmethod
    def migration(cls, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migration]:
        directory = tmp_path_factory.mktemp("written-on") / "work"
        with Trial(lab, Workload(**cls._setting), "user", directory) as trial:
            write_on(trial)
            yield migrate(trial)

    def test_carries_it_over(self, migration: Migration) -> None:
        claim = migration.after["PersistentVolumeClaim"]["data-web-0"]
        volume = migration.after.volume_of("data-web-0")
        for item in (claim, volume):
            for field, written in OWN["metadata"].items():
                assert item["metadata"][field].items() >= written.items()
        assert volume["spec"]["mountOptions"] == ["noatime", "discard"]


def write_on(trial: Trial) -> None:
    (volume,) = trial.volumes().values()
    options = {"spec": {"mountOptions": ["noatime", "discard"]}}
    trial.cluster.patch("PersistentVolume", volume["metadata"]["name"], OWN | options)
    trial.cluster.patch("PersistentVolumeClaim", "data-web-0", OWN, trial.workload.namespace)


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

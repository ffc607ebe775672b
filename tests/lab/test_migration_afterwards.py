"""A migrated set lives on: it grows, its volumes grow, its pods are replaced.

On WaitForFirstConsumer classes and a datastore whose name has a space and parentheses.
"""

from __future__ import annotations

from lab.client import Object
from lab.waiting import until
from tests.lab.every_migration import EveryMigration
from tests.lab.migration import Migration

DATASTORE, FOLDER = "LUN 7 (fast)", "kubevols/team a"
CLAIM = "PersistentVolumeClaim"


class TestAfterwards(
    EveryMigration,
    namespace="afterwards",
    replicas=2,
    datastore=DATASTORE,
    folder=FOLDER,
    storage_class="standard-wffc",
):
    """The tests of this class change the set, so they come after those of all migrations."""

    def test_the_disks_stay_on_their_datastore(self, migration: Migration) -> None:
        paths = [disk.config.backing.filePath for disk in migration.disks().values()]
        assert {path.rpartition("/")[0] for path in paths} == {f"[{DATASTORE}] {FOLDER}"}

    def test_a_migrated_claim_can_be_expanded(self, migration: Migration) -> None:
        trial, name, namespace = migration.trial, "data-web-1", migration.workload.namespace
        wanted = {"spec": {"resources": {"requests": {"storage": "96Mi"}}}}
        trial.cluster.patch(CLAIM, name, wanted, namespace)

        def expanded() -> bool:
            claim = trial.cluster.get(CLAIM, name, namespace)
            return bool(claim["status"]["capacity"] == {"storage": "96Mi"})

        until("the claim's new capacity", expanded)
        assert migration.disks()[name].config.capacityInMB == 96

    def test_a_scale_up_gets_a_csi_volume(self, migration: Migration) -> None:
        migration.trial.scaled(3)
        claim = migration.trial.cluster.get(CLAIM, "data-web-2", migration.workload.namespace)
        assert claim["spec"]["storageClassName"] == "standard-rwo-wffc"
        volume = migration.trial.volumes()["data-web-2"]
        assert volume["spec"]["csi"]["driver"] == "csi.vsphere.vmware.com"

    def test_a_rolling_restart_replaces_every_pod(self, migration: Migration) -> None:
        trial, namespace = migration.trial, migration.workload.namespace
        before = _uids(trial.pods())
        stamp = {"kubectl.kubernetes.io/restartedAt": "2030-01-01T00:00:00Z"}
        restart = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
        trial.cluster.patch("StatefulSet", migration.workload.name, restart, namespace)

        def restarted() -> bool:
            return trial.ready() and not _uids(trial.pods()) & before

        until("all pods replaced and Ready", restarted, seconds=180)
        assert len(trial.pods()) == 3

    def test_no_record_was_lost_by_all_this(self, migration: Migration) -> None:
        migration.trial.assert_migrated()


def _uids(pods: dict[str, Object]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods.values()}

"""What holds after every migration, whatever the set looked like."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from lab.client import Object
from lab.manifests import Workload
from tests.lab.labkit import Lab
from tests.lab.migration import Migration, migrated
from tests.lab.witness import ADDED, DELETED, THERE

CLASSES = {"standard": "standard-rwo", "standard-wffc": "standard-rwo-wffc"}
KUBERNETES = "kubernetes.io/"
TOPOLOGY = re.compile(r"(topology|failure-domain\.beta)\.kubernetes\.io/(zone|region)")


class EveryMigration:
    """The tests that all migrations share.

    A subclass names its migration in its keywords, which are those of `migrated`.
    """

    _setting: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **setting: Any) -> None:
        cls._setting = setting

    @pytest.fixture(scope="class")
    @classmethod
    def migration(cls, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migration]:
        with migrated(lab, tmp_path_factory.mktemp("migration"), **cls._setting) as done:
            yield done

    def test_keeps_every_record_and_every_disk(self, migration: Migration) -> None:
        migration.trial.assert_migrated()

    def test_puts_every_claim_on_a_csi_volume_of_its_disk(self, migration: Migration) -> None:
        disks = migration.disks()
        for claim in migration.workload.claim_names:
            before, after = (w.volume_of(claim) for w in (migration.before, migration.after))
            _assert_moved(before, after)
            backing = disks[claim].config.backing.filePath
            assert backing == before["spec"]["vsphereVolume"]["volumePath"]
            bound = migration.after["PersistentVolumeClaim"][claim]
            assert after["spec"]["claimRef"]["uid"] == bound["metadata"]["uid"]

    def test_carries_over_what_people_wrote_on_the_volumes(self, migration: Migration) -> None:
        for claim in migration.workload.claim_names:
            old, new = (w.volume_of(claim) for w in (migration.before, migration.after))
            assert _own_annotations(new) == _own_annotations(old)
            assert _own_labels(new) == _own_labels(old)
            assert new["spec"].get("mountOptions") == old["spec"].get("mountOptions")
            assert ("nodeAffinity" in new["spec"]) == _is_bound_to_a_zone(old)

    def test_makes_every_disk_outlive_its_vm(self, migration: Migration) -> None:
        assert all(disk.config.keepAfterDeleteVm for disk in migration.disks().values())

    def test_gives_back_the_reclaim_policies(self, migration: Migration) -> None:
        policies = {
            volume["spec"]["persistentVolumeReclaimPolicy"]
            for volume in migration.after["PersistentVolume"].values()
        }
        assert policies == {migration.workload.reclaim_policy}

    def test_makes_the_claims_again_as_they_were(self, migration: Migration) -> None:
        for name, old in migration.before["PersistentVolumeClaim"].items():
            new = migration.after["PersistentVolumeClaim"][name]
            assert new["metadata"]["labels"] == old["metadata"]["labels"]
            assert _own_annotations(new) == _own_annotations(old)
            changed = {"storageClassName": _csi_class(migration.workload)}
            changed["volumeName"] = new["spec"]["volumeName"]
            assert new["spec"] == old["spec"] | changed

    def test_changes_nothing_of_the_set_but_its_storage_class(self, migration: Migration) -> None:
        name = migration.workload.name
        wanted = copy.deepcopy(migration.before["StatefulSet"][name]["spec"])
        for template in wanted["volumeClaimTemplates"]:
            template["spec"]["storageClassName"] = _csi_class(migration.workload)
        after = migration.after["StatefulSet"][name]
        assert after["spec"] == wanted
        before = migration.before["StatefulSet"][name]
        for field in ("labels", "annotations"):
            assert after["metadata"].get(field) == before["metadata"].get(field)

    def test_makes_the_pods_that_the_controller_would_have_made(self, migration: Migration) -> None:
        for name, old in migration.before["Pod"].items():
            new = migration.after["Pod"][name]
            assert new["metadata"]["labels"] == old["metadata"]["labels"]
            assert _own_annotations(new) == _own_annotations(old)
            assert _as_created(new) == _as_created(old)

    def test_keeps_the_controller_revisions(self, migration: Migration) -> None:
        before, after = (
            {(name, one["metadata"]["uid"], one["revision"]) for name, one in found.items()}
            for found in (w["ControllerRevision"] for w in (migration.before, migration.after))
        )
        assert after == before
        status = migration.after["StatefulSet"][migration.workload.name]["status"]
        current = {status["currentRevision"], status["updateRevision"]}
        assert current == set(migration.before["ControllerRevision"])

    def test_the_set_owns_all_that_it_owned(self, migration: Migration) -> None:
        owner = migration.after["StatefulSet"][migration.workload.name]["metadata"]["uid"]
        for kind in ("Pod", "ControllerRevision"):
            for item in migration.after[kind].values():
                assert [one["uid"] for one in item["metadata"]["ownerReferences"]] == [owner]

    def test_swaps_each_replica_once_from_the_highest_ordinal_down(
        self, migration: Migration
    ) -> None:
        pods = migration.swapped_first
        for change in (DELETED, ADDED):
            moments = [migration.moment("Pod", pod, change) for pod in pods]
            assert moments == sorted(moments)
        for done, going in pairwise(pods):
            assert migration.moment("Pod", done, ADDED) < migration.moment("Pod", going, DELETED)

    def test_restarts_no_container(self, migration: Migration) -> None:
        for pod in migration.after["Pod"].values():
            assert {one["restartCount"] for one in pod["status"]["containerStatuses"]} == {0}

    def test_takes_no_more_replicas_away_at_a_time_than_asked_for(
        self, migration: Migration
    ) -> None:
        pods = set(migration.workload.pod_names)
        samples = migration.trial.observer.samples
        assert [one for one in samples if len(pods - one.ready) > 1] == []
        if len(pods) > 2:
            assert migration.trial.quorum_lost() == 0

    def test_leaves_the_disruption_budget_alone(self, migration: Migration) -> None:
        before, after = (
            [
                (one["metadata"]["uid"], one["metadata"]["generation"], one["spec"])
                for one in world["PodDisruptionBudget"].values()
            ]
            for world in (migration.before, migration.after)
        )
        assert after == before

    def test_sees_each_disk_detached_before_it_touches_its_claim(
        self, migration: Migration
    ) -> None:
        for claim in migration.workload.claim_names:
            seen = migration.attachments(claim)
            assert [one.type for one in seen["old"]] == [THERE, DELETED]
            assert [one.type for one in seen["new"]] == [ADDED]
            detached = seen["old"][-1].revision
            assert detached < migration.farewell("PersistentVolumeClaim", claim)
            assert detached < seen["new"][0].revision

    def test_removes_the_old_volume_before_it_makes_the_new_one(self, migration: Migration) -> None:
        for claim in migration.workload.claim_names:
            old = migration.before.volume_of(claim)["metadata"]["name"]
            new = migration.after.volume_of(claim)["metadata"]["name"]
            gone = migration.moment("PersistentVolume", old, DELETED)
            assert gone < migration.moment("PersistentVolume", new, ADDED)

    def test_holds_a_lease_while_it_works_and_gives_it_back(self, migration: Migration) -> None:
        name = f"csi-migration-{migration.workload.name}"
        taken, returned = (migration.moment("Lease", name, t) for t in (ADDED, DELETED))
        first, last = migration.swapped_first[0], migration.swapped_first[-1]
        assert taken < migration.moment("Pod", first, DELETED)
        assert migration.moment("Pod", last, ADDED) < returned
        assert migration.after["Lease"] == {}

    def test_leaves_nothing_behind(self, migration: Migration) -> None:
        for kind, before in migration.before.by_kind.items():
            if kind not in ("PersistentVolume", "VolumeAttachment"):
                assert migration.after.names(kind) == set(before)
            else:
                assert len(migration.after[kind]) == len(before)
        for items in migration.after.by_kind.values():
            for item in items.values():
                marks = json.dumps([_metadata(item, "annotations"), _metadata(item, "labels")])
                assert "csi-migration" not in marks

    def test_leaves_no_record_of_the_old_volumes_with_the_driver(
        self, migration: Migration
    ) -> None:
        paths = {
            volume["spec"]["vsphereVolume"]["volumePath"]
            for volume in migration.before["PersistentVolume"].values()
        }
        records = migration.trial.cluster.list("CnsVSphereVolumeMigration")
        assert [one for one in records if one["spec"]["volumepath"] in paths] == []


def _csi_class(workload: Workload) -> str:
    return CLASSES[workload.storage_class]


def _metadata(item: Object, field: str) -> dict[str, str]:
    return item["metadata"].get(field) or {}


def _own_annotations(item: Object) -> dict[str, str]:
    """Those of people; what Kubernetes notes of an object is about that very object."""
    found = _metadata(item, "annotations")
    return {key: value for key, value in found.items() if KUBERNETES not in key}


def _own_labels(volume: Object) -> dict[str, str]:
    """Those that are not made a nodeAffinity."""
    found = _metadata(volume, "labels")
    return {key: value for key, value in found.items() if not TOPOLOGY.fullmatch(key)}


def _is_bound_to_a_zone(volume: Object) -> bool:
    """By an affinity, or by labels alone, as before there was any."""
    return "nodeAffinity" in volume["spec"] or _own_labels(volume) != _metadata(volume, "labels")


def _assert_moved(before: Object, after: Object) -> None:
    old, new = before["spec"], after["spec"]
    assert after["metadata"]["name"] != before["metadata"]["name"]
    assert new["csi"]["driver"] == "csi.vsphere.vmware.com"
    assert new["csi"]["fsType"] == old["vsphereVolume"]["fsType"]
    for field in ("capacity", "accessModes", "volumeMode"):
        assert new[field] == old[field]


def _as_created(pod: Object) -> Object:
    """The spec without what differs from pod to pod: the node, the end of the token
    volume's name, and the order of the volumes, which the controller takes from a map.
    """
    text = re.sub(r"kube-api-access-\w+", "kube-api-access", json.dumps(pod["spec"]))
    spec: Object = json.loads(text)
    spec.pop("nodeName")
    spec["volumes"].sort(key=lambda volume: volume["name"])
    return spec

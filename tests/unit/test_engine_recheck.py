"""What is looked at again before a replica leaves, and what is not listed for it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.engine.recheck import Recheck
from csi_migration.engine.run import Options, Run
from csi_migration.kube import AlreadyExists, Forbidden, Resource, resources
from csi_migration.model.disk import DiskPath
from csi_migration.model.plan import ReplicaPlan
from csi_migration.model.snapshot import Snapshot
from csi_migration.vsphere.errors import DatastoreNotFound
from csi_migration.vsphere.inventory import Attachment, Hardware, NodeMachine
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster, Raw
from tests.unit.surroundings import features

FOUND = snapshots.look(1)
OPTIONS = Options(intree_class="standard", csi_class="standard-rwo")
PATH = "[ds] kubevols/disk-1.vmdk"


class Cluster(MemoryCluster):
    """Lists as well, and tries objects; `answers` are errors by plural."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[str] = []
        self.tried: list[str] = []
        self.answers: dict[str, Exception] = {}
        self.knows_roles = True

    def allowed(self, *_: object) -> bool:
        return self.knows_roles

    def list(self, resource: Resource, _namespace: str | None = None, **_: object) -> list[Raw]:
        self.listed.append(resource.plural)
        return [item for (plural, _), item in self.objects.items() if plural == resource.plural]

    def create(
        self,
        resource: Resource,
        body: Raw,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Raw:
        assert dry_run, f"{resource.plural} {namespace} was to be made"
        self.tried.append(resource.plural)
        if error := self.answers.get(resource.plural):
            raise error
        return body


class Disks:
    """One disk, on the VM of its node."""

    def hardware(self) -> Hardware:
        device = Attachment(
            "vm-1", PATH, "sharingNone", "persistent", "", (), "", "fcd-1", True, vm_id="vm-7"
        )
        return Hardware((device,), (), {"42ab": NodeMachine("vm-7", "vm-1", "vmx-19")})

    def datastore_of(self, _: object) -> Any:
        raise DatastoreNotFound("its state is not what is looked at here")

    def locate_all(self, paths: Any) -> dict[DiskPath, Any]:
        return dict.fromkeys(paths, FOUND.file)

    def find(self, *_: object) -> Any:
        return FOUND.disk

    def seeing_uuids(self, _: object) -> frozenset[str]:
        return frozenset()


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    record = {"volumepath": PATH, "volumeid": "fcd-1"}
    for resource, item in (
        (resources.STATEFULSETS, snapshots.statefulset()),
        (resources.PODS, snapshots.pod(1)),
        (resources.CLAIMS, snapshots.claim(1)),
        (resources.VOLUMES, snapshots.volume(1)),
        (resources.NAMESPACES, {"metadata": snapshots.metadata("shop")}),
        (resources.NODES, snapshots.node("node-1", providerID="vsphere://42AB")),
        (resources.CSI_NODES, snapshots.csi_node("node-1")),
        (resources.CSI_DRIVERS, snapshots.csi_driver()),
        (resources.VOLUME_ATTACHMENTS, snapshots.attachment("pvc-1")),
        (resources.VOLUME_MIGRATIONS, {"metadata": {"name": "fcd-1"}, "spec": record}),
        *((resources.STORAGE_CLASSES, one) for one in snapshots.healthy().classes.values()),
    ):
        made.put(resource, item)
    return made


def of(replicas: int) -> Snapshot:
    found, ordinals = snapshots.healthy(), range(replicas)
    return replace(
        found,
        statefulset=snapshots.changed(found.statefulset, "spec/replicas", replicas),
        pods={o: snapshots.pod(o) for o in ordinals},
        claims={f"data-web-{o}": snapshots.claim(o) for o in ordinals},
        volumes={f"pvc-{o}": snapshots.volume(o) for o in ordinals},
        disks={f"data-web-{o}": snapshots.look(o) for o in ordinals},
    )


def objections(cluster: Cluster, replicas: int = 2) -> list[str]:
    """Against web-1, of a set of so many."""
    eyes, replica = eyes_on(cluster, replicas)
    return list(eyes.objections(replica))


def eyes_on(cluster: Cluster, replicas: int = 2) -> tuple[Recheck, ReplicaPlan]:
    plan = plan_of(of(replicas))
    session = SimpleNamespace(about=SimpleNamespace(api_version="8.0.3.0"))
    systems = SimpleNamespace(client=cluster, disks=Disks(), session=session)
    run = cast(Run, SimpleNamespace(systems=systems, plan=plan, options=OPTIONS))
    return Recheck(run), next(r for r in plan.replicas if r.ordinal == 1)


def test_the_records_of_the_cluster_are_not_listed(cluster: Cluster) -> None:
    assert objections(cluster) == []
    assert "cnsvspherevolumemigrations" not in cluster.listed


def test_what_a_server_that_had_just_begun_refused_is_asked_for_again(cluster: Cluster) -> None:
    snapshot = {"metadata": snapshots.metadata("s1"), "status": {"readyToUse": False}}
    source = {"persistentVolumeClaimName": "data-web-1"}
    cluster.put(resources.VOLUME_SNAPSHOTS, snapshot | {"spec": {"source": source}})
    cluster.knows_roles = False
    eyes, replica = eyes_on(cluster)
    assert list(eyes.objections(replica)) == []
    cluster.knows_roles = True
    assert "volume-snapshots" in " ".join(eyes.objections(replica))


def test_an_error_of_an_attachment_to_another_node_is_seen(cluster: Cluster) -> None:
    other = snapshots.attachment("pvc-1") | {"status": {"detachError": {"message": "stuck"}}}
    other["metadata"]["name"] = "csi-of-another-node"
    other["spec"]["nodeName"] = "node-2"
    cluster.put(resources.VOLUME_ATTACHMENTS, other)
    assert "stuck" in " ".join(objections(cluster))


def test_a_record_that_names_another_disk_keeps_the_replica_here(cluster: Cluster) -> None:
    wrong = {"volumepath": PATH, "volumeid": "fcd-9"}
    cluster.put(resources.VOLUME_MIGRATIONS, {"metadata": {"name": "fcd-1"}, "spec": wrong})
    assert "[disks-catalog]" in " ".join(objections(cluster))


def test_a_driver_that_came_to_keep_volumes_keeps_the_replica_here(cluster: Cluster) -> None:
    (states,) = features("true").values()
    cluster.put(resources.CONFIG_MAPS, states)
    assert "[driver-lets-go]" in " ".join(objections(cluster))


def test_going_back_too_a_replica_needs_a_driver_that_lets_go(cluster: Cluster) -> None:
    """Nothing else that preflight looks at matters there."""
    eyes, _ = eyes_on(cluster)
    del cluster.objects["nodes", "node-1"]
    assert list(eyes.objections_to_going_back()) == []
    (states,) = features("true").values()
    cluster.put(resources.CONFIG_MAPS, states)
    found = list(eyes.objections_to_going_back())
    assert found
    assert all("[driver-lets-go]" in each for each in found)


@pytest.mark.parametrize("replicas", [2, 60])
def test_each_replica_is_tried_before_it_leaves(cluster: Cluster, replicas: int) -> None:
    assert objections(cluster, replicas=replicas) == []
    assert sorted(cluster.tried) == ["persistentvolumeclaims", "persistentvolumes", "pods"]
    cluster.answers["pods"] = Forbidden("no", status=403, details="not on Fridays")
    (objection,) = objections(cluster, replicas=replicas)
    assert "not on Fridays" in objection
    assert "[dry-runs]" in objection


def test_a_volume_that_an_interrupted_swap_made_is_no_objection(cluster: Cluster) -> None:
    cluster.answers["persistentvolumes"] = AlreadyExists("it is there", status=409)
    assert objections(cluster, replicas=60) == []


def test_what_was_fine_ahead_is_not_looked_at_again_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    eyes, replica = eyes_on(cluster)
    eyes.look_ahead(replica)
    cluster.listed.clear()
    now += 4.9
    assert list(eyes.objections(replica)) == []
    assert cluster.listed == []
    now += 0.2
    assert list(eyes.objections(replica)) == []
    assert resources.VOLUME_ATTACHMENTS.plural in cluster.listed


def test_what_was_not_fine_ahead_is_looked_at_again(cluster: Cluster) -> None:
    eyes, replica = eyes_on(cluster)
    record = cluster.objects[resources.VOLUME_MIGRATIONS.plural, "fcd-1"]
    wrong = {"volumepath": PATH, "volumeid": "fcd-9"}
    cluster.put(resources.VOLUME_MIGRATIONS, {"metadata": {"name": "fcd-1"}, "spec": wrong})
    eyes.look_ahead(replica)
    assert "[disks-catalog]" in " ".join(eyes.objections(replica))
    cluster.put(resources.VOLUME_MIGRATIONS, record)
    assert list(eyes.objections(replica)) == []


def test_a_pod_that_was_not_there_ahead_is_looked_at_when_it_is(cluster: Cluster) -> None:
    eyes, replica = eyes_on(cluster)
    pod = cluster.objects.pop((resources.PODS.plural, "web-1"))
    eyes.look_ahead(replica)
    cluster.put(resources.PODS, pod)
    cluster.listed.clear()
    assert list(eyes.objections(replica)) == []
    assert cluster.listed

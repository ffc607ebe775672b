"""What the real API server makes of the owners that are given back.

The set is taken away and created again here as a run does it, but without a swap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from csi_migration.decide.manifests import new_statefulset
from csi_migration.decide.ownership import MARKER, entries_of
from csi_migration.engine.ownership import give_back_ownership
from csi_migration.kube import Client, Conflict, resources
from csi_migration.kube.kubeconfig import load
from csi_migration.model.objects import Raw, is_made_by_tool, uid_of
from lab import manifests, workload
from lab.client import Cluster, _path
from lab.manifests import Workload
from lab.waiting import until
from tests.lab.kubectlkit import (
    Gitops,
    Kubectl,
    Owner,
    needs_kubectl,
    on_class,
    scaled,
    spelled_out,
)
from tests.lab.labkit import Lab

CSI_CLASS = "standard-rwo"
# Go and Python differ in how they write some of these unless they are told.
NOTE = 'a<b>&c "d" \\ \u2028 \u00e9 \U0001f40b \t'


@dataclass
class Scene:
    """One StatefulSet, its owner, and the tool's client with the tool's rights."""

    cluster: Cluster
    owner: Owner
    client: Client
    workload: Workload
    manifest: Raw = field(init=False)

    def __post_init__(self) -> None:
        self.manifest = spelled_out(manifests.statefulset(self.workload))
        self.manifest["metadata"]["annotations"] = {"note": NOTE}

    @property
    def csi_manifest(self) -> Raw:
        return on_class(self.manifest, CSI_CLASS)

    def live(self) -> Raw:
        return self.cluster.get("StatefulSet", self.workload.name, self.workload.namespace)

    def applied(self) -> Raw:
        """The set as its owner brings it to life."""
        said = self.owner.apply(self.manifest)
        assert said.success, said.text
        return self.settled()

    def write(self, patch: Raw, manager: str, subresource: str = "") -> None:
        """As `kubectl scale`, `label` and `annotate` do under a name of their own."""
        path = _path("StatefulSet", self.workload.namespace, self.workload.name, subresource)
        query = {"fieldManager": manager}
        kind = "application/merge-patch+json"
        self.cluster._call("PATCH", path, body=patch, query=query, content_type=kind)

    def settled(self) -> Raw:
        """The set once its controller has nothing more to write."""
        until("the set's status", lambda: _is_settled(self.live()))
        return self.live()

    def made_again(self) -> tuple[Raw, Raw]:
        """The set before it was taken away, and the one that the tool created."""
        name, namespace = self.workload.name, self.workload.namespace
        before = self.client.get(resources.STATEFULSETS, name, namespace)
        self.client.delete(
            resources.STATEFULSETS, name, namespace, uid=uid_of(before), propagation="Orphan"
        )
        until("the set away", lambda: not self.client.find(resources.STATEFULSETS, name, namespace))
        manifest = new_statefulset(before, CSI_CLASS)
        return before, self.client.create(resources.STATEFULSETS, manifest, namespace)

    def given_back(self, *, marked: bool) -> tuple[Raw, Raw]:
        """The set before, and the new one once it is settled."""
        before, made = self.made_again()
        self.give_back(before, made, marked=marked)
        return before, self.settled()

    def give_back(self, before: Raw, made: Raw, *, marked: bool) -> None:
        namespace = self.workload.namespace
        give_back_ownership(self.client, namespace, before, uid_of(made), marked=marked)


def _is_settled(found: Raw) -> bool:
    status, replicas = found.get("status", {}), found["spec"]["replicas"]
    counted = [status.get(f) for f in ("readyReplicas", "availableReplicas", "updatedReplicas")]
    is_current = status.get("currentRevision") == status.get("updateRevision")
    return (
        counted == [replicas] * 3
        and is_current
        and status.get("observedGeneration") == found["metadata"]["generation"]
    )


@pytest.fixture
def scene(lab: Lab, namespace: str) -> Iterator[Scene]:
    cluster, layout = lab.cluster(), lab.layout
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    cluster.create(body)
    try:
        with Client(load(str(layout.kubeconfig("user", "tool")))) as client:
            yield Scene(cluster, Gitops(cluster), client, Workload(namespace, replicas=1))
    finally:
        workload.clear(layout, cluster, namespace)


def specified(item: Raw) -> list[Raw]:
    """The entries that are not about the status, as the server orders them."""
    return [entry for entry in entries_of(item) if entry.get("subresource") != "status"]


def version(item: Raw) -> tuple[str, int]:
    return item["metadata"]["resourceVersion"], item["metadata"]["generation"]


def assert_applies_freely(scene: Scene) -> None:
    """The owner's manifest changes nothing, and he may change what is his."""
    was = scene.settled()
    said = scene.owner.apply(scene.csi_manifest)
    assert said.success, said.text
    assert version(scene.live()) == version(was)
    said = scene.owner.apply(scaled(scene.csi_manifest, 2), dry_run=True)
    assert said.success, said.text


def test_without_giving_back_the_old_owner_meets_the_tool(scene: Scene) -> None:
    scene.applied()
    scene.made_again()

    said = scene.owner.apply(scaled(scene.csi_manifest, 2), dry_run=True)
    assert not said.success
    assert 'conflict with "statefulset-csi-migration-tool"' in said.text


def test_the_owner_applies_freely_during_a_run_and_after_it(scene: Scene) -> None:
    scene.applied()
    before, marked = scene.given_back(marked=True)

    assert specified(marked) == [MARKER, *specified(before)]
    assert is_made_by_tool(marked)
    assert_applies_freely(scene)

    scene.give_back(before, marked, marked=False)
    assert specified(scene.live()) == specified(before)
    assert not is_made_by_tool(scene.live())
    assert_applies_freely(scene)
    assert scene.live()["metadata"]["generation"] == 1


def test_what_is_given_back_stays_so_over_windows(scene: Scene) -> None:
    first = scene.applied()
    scene.given_back(marked=True)
    before, last = scene.given_back(marked=True)

    assert specified(last) == [MARKER, *specified(first)]
    scene.give_back(before, last, marked=True)
    assert version(scene.live()) == version(last)
    scene.give_back(before, last, marked=False)
    assert specified(scene.live()) == specified(first)


def test_the_status_belongs_to_its_controller(scene: Scene) -> None:
    scene.applied()
    before, after = scene.given_back(marked=False)

    (old,), (new,) = (
        [one for one in entries_of(item) if one.get("subresource") == "status"]
        for item in (before, after)
    )
    assert new["manager"] == "kube-controller-manager"
    assert new["fieldsV1"] == old["fieldsV1"]


def test_the_marker_survives_what_others_write(scene: Scene) -> None:
    scene.applied()
    before, made = scene.given_back(marked=True)

    scene.write({"spec": {"replicas": 2}}, "somebody", "scale")
    scene.write({"metadata": {"labels": {"by": "hand"}}}, "somebody")
    changed = scene.settled()
    assert is_made_by_tool(changed)
    scene.give_back(before, made, marked=False)
    assert specified(scene.live()) == [one for one in specified(changed) if one != MARKER]
    assert "f:replicas" not in specified(scene.live())[0]["fieldsV1"]["f:spec"]


def test_the_marker_survives_the_servers_limit_of_update_entries(scene: Scene) -> None:
    scene.applied()
    for number in range(12):
        patch = {"metadata": {"annotations": {f"n{number}": "x"}}}
        scene.write(patch, f"somebody-{number}")
    assert "ancient-changes" in str(entries_of(scene.live()))

    _, marked = scene.given_back(marked=True)
    assert MARKER in entries_of(marked)
    owned = {key for entry in specified(marked) for key in _annotations_of(entry)}
    assert owned == {"f:note", *(f"f:n{number}" for number in range(12))}


def _annotations_of(entry: Raw) -> set[str]:
    return set(entry["fieldsV1"].get("f:metadata", {}).get("f:annotations", {})) - {"."}


def test_the_write_holds_for_the_version_that_was_compared_only(scene: Scene) -> None:
    scene.applied()
    before, made = scene.made_again()
    live = scene.settled()
    assert version(live) != version(made)

    metadata = {key: made["metadata"][key] for key in ("uid", "resourceVersion")}
    body = {"metadata": metadata | {"managedFields": entries_of(before)}}
    with pytest.raises(Conflict):
        scene.client.patch(
            resources.STATEFULSETS, scene.workload.name, body, scene.workload.namespace
        )
    assert version(scene.live()) == version(live)


@needs_kubectl
@pytest.mark.parametrize("marked", [True, False])
def test_kubectl_apply_on_the_new_class_is_no_change(lab: Lab, scene: Scene, marked: bool) -> None:
    scene.owner = Kubectl(lab.layout.kubeconfig("user", "admin"))
    scene.applied()
    before, after = scene.given_back(marked=marked)

    said = scene.owner.apply(scene.csi_manifest)
    assert said.text == f"statefulset.apps/{scene.workload.name} unchanged\n"
    assert version(scene.live()) == version(after)
    assert specified(after) == [MARKER] * marked + specified(before)


@needs_kubectl
def test_kubectl_apply_of_a_manifest_with_gaps_changes_nothing_either(
    lab: Lab, scene: Scene
) -> None:
    scene.owner = Kubectl(lab.layout.kubeconfig("user", "admin"))
    scene.manifest = manifests.statefulset(scene.workload)
    scene.applied()
    scene.owner.apply(scene.manifest)
    _, after = scene.given_back(marked=False)

    said = scene.owner.apply(scene.csi_manifest)
    assert said.success, said.text
    assert version(scene.live()) == version(after)


def test_labels_annotations_and_owners_of_the_set_stay(scene: Scene) -> None:
    namespace = scene.workload.namespace
    root: Raw = {"apiVersion": "v1", "kind": "ConfigMap"}
    root = scene.cluster.create(root | {"metadata": {"name": "app", "namespace": namespace}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "app", "uid": uid_of(root)}
    scene.manifest["metadata"]["ownerReferences"] = [reference]
    scene.applied()
    before, after = scene.given_back(marked=False)

    for part in ("labels", "annotations", "ownerReferences"):
        assert after["metadata"][part] == before["metadata"][part]


def test_the_manifest_on_the_old_class_is_refused(scene: Scene) -> None:
    scene.applied()
    before, made = scene.given_back(marked=True)

    said = scene.owner.apply(scene.manifest)
    assert 'conflict with "statefulset-csi-migration-tool"' in said.text
    scene.give_back(before, made, marked=False)
    said = scene.owner.apply(scene.manifest)
    assert "updates to statefulset spec for fields other than" in said.text

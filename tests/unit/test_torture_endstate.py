"""Two ends of a migration are equal whatever their ids and times, and differ in all else."""

from __future__ import annotations

import copy
import uuid
from typing import Any

import pytest

from lab.client import Object
from tests.lab.world import World
from tests.torture.endstate import (
    State,
    difference,
    holders_of,
    of_replica,
    state_of,
    taken_back,
)

PATHS = {"data-web-0": "[ds] kubevols/{0}.vmdk", "data-web-1": "[ds] kubevols/{1}.vmdk"}


class Place:
    """A migrated set in a namespace, with ids of its own."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.ids = [str(uuid.uuid4()) for _ in range(2)]
        self.paths = {claim: path.format(*self.ids) for claim, path in PATHS.items()}
        owner = self._object("StatefulSet", "web")
        kinds = ["PersistentVolume", "VolumeAttachment", "PersistentVolumeClaim", "Pod"]
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in [*kinds, "Lease"]}
        self.objects["StatefulSet"] = {"web": owner}
        for ordinal in (0, 1):
            self._replica(ordinal, owner["metadata"]["uid"])

    def state(self) -> State:
        return state_of(self.world(), self.paths, self.namespace)

    def world(self) -> World:
        return World(self.objects)

    def add(self, kind: str, name: str, **fields: Any) -> Object:
        made = self._object(kind, name, **fields)
        self.objects.setdefault(kind, {})[name] = made
        return made

    def _replica(self, ordinal: int, owner: str) -> None:
        volume, claim = f"pvc-{self.ids[ordinal]}-csi", f"data-web-{ordinal}"
        attachment = f"csi-{uuid.uuid4().hex}"
        reference = {"namespace": self.namespace, "name": claim}
        disk = self.register(claim)
        handle = {"driver": "csi.vsphere.vmware.com", "volumeHandle": disk}
        self.add("PersistentVolume", volume, spec={"claimRef": reference, "csi": handle})
        self.add("PersistentVolumeClaim", claim, spec={"volumeName": volume})
        source = {"persistentVolumeName": volume}
        self.add("VolumeAttachment", attachment, spec={"nodeName": "node-1", "source": source})
        pod = self.add("Pod", f"web-{ordinal}", status={"podIP": f"10.200.0.{ordinal}"})
        pod["metadata"]["ownerReferences"] = [{"name": "web", "uid": owner}]

    def register(self, claim: str) -> str:
        """Make the claim's VMDK a First Class Disk and a volume of CNS; its id."""
        disk = str(uuid.uuid4())
        known = {"filePath": self.paths[claim], "keepAfterDeleteVm": True}
        for kind, spec in (("FirstClassDisk", known), ("CnsVolume", {})):
            self.objects.setdefault(kind, {})[disk] = {"metadata": {"name": disk}, "spec": spec}
        return disk

    def disk(self, claim: str) -> Object:
        """What is known of the claim's disk."""
        found = self.objects["FirstClassDisk"].values()
        spec: Object = next(
            each["spec"] for each in found if each["spec"]["filePath"] == self.paths[claim]
        )
        return spec

    def volume(self, claim: str) -> Object:
        """The claim's PersistentVolume."""
        volume: Object = next(
            each
            for each in self.objects["PersistentVolume"].values()
            if each["spec"]["claimRef"]["name"] == claim
        )
        return volume

    def _object(self, kind: str, name: str, **fields: Any) -> Object:
        metadata = {"name": name, "namespace": self.namespace, "uid": str(uuid.uuid4())}
        metadata["resourceVersion"] = str(uuid.uuid4().int)
        metadata["creationTimestamp"] = "2026-01-02T03:04:05Z"
        return {"kind": kind, "metadata": metadata, **copy.deepcopy(fields)}


def holders(place: Place) -> State:
    return holders_of(place.world(), place.paths, place.namespace)


def uid_of(place: Place) -> str:
    uid: str = place.objects["StatefulSet"]["web"]["metadata"]["uid"]
    return uid


@pytest.fixture
def one() -> Place:
    return Place("t-00000001")


@pytest.fixture
def other() -> Place:
    return Place("t-0000abcd")


def test_ids_times_nodes_and_generated_names_make_no_difference(one: Place, other: Place) -> None:
    for attachment in other.objects["VolumeAttachment"].values():
        attachment["spec"]["nodeName"] = "node-3"
    other.objects["Pod"]["web-0"]["metadata"]["creationTimestamp"] = "2026-12-31T00:00:00.123Z"
    other.objects["Pod"]["web-0"]["status"]["podIP"] = "10.200.7.7"
    assert difference(one.state(), other.state()) == []


def test_what_was_left_behind_is_told(one: Place, other: Place) -> None:
    other.add("Lease", "csi-migration-web")
    assert difference(one.state(), other.state()) == [
        "left behind or unexpected: Lease csi-migration-web"
    ]


def test_what_is_missing_is_told(one: Place, other: Place) -> None:
    del other.objects["Pod"]["web-1"]
    assert "missing: Pod web-1" in difference(one.state(), other.state())


def test_a_second_volume_of_a_claim_is_one_too_many(one: Place, other: Place) -> None:
    reference = {"namespace": other.namespace, "name": "data-web-0"}
    other.add("PersistentVolume", "pvc-old", spec={"claimRef": reference})
    found = difference(one.state(), other.state())
    assert "left behind or unexpected: PersistentVolume another-pv-of-data-web-0" in found


def test_a_claim_on_the_disk_of_another_differs(one: Place, other: Place) -> None:
    for place, order in ((one, (0, 1)), (other, (1, 0))):
        for (claim, _), source in zip(PATHS.items(), order, strict=True):
            volume = next(
                each
                for each in place.objects["PersistentVolume"].values()
                if each["spec"]["claimRef"]["name"] == claim
            )
            path = place.paths[f"data-web-{source}"]
            volume["spec"] = {
                "claimRef": volume["spec"]["claimRef"],
                "vsphereVolume": {"volumePath": path},
            }
    found = difference(one.state(), other.state())
    assert any("+  vsphereVolume:" in each or "vmdk-of-data-web-1" in each for each in found)


def test_a_pod_that_the_set_does_not_own_differs(one: Place, other: Place) -> None:
    other.objects["Pod"]["web-0"]["metadata"]["ownerReferences"][0]["uid"] = str(uuid.uuid4())
    assert difference(one.state(), other.state()) != []


def test_a_changed_field_is_told_with_its_object(one: Place, other: Place) -> None:
    name = next(iter(other.objects["PersistentVolume"]))
    other.objects["PersistentVolume"][name]["spec"]["persistentVolumeReclaimPolicy"] = "Retain"
    (found,) = difference(one.state(), other.state())
    assert found == "PersistentVolume pv-of-data-web-0: +  persistentVolumeReclaimPolicy: Retain"


def test_finalizers_and_conditions_have_no_order(one: Place, other: Place) -> None:
    for place, order in ((one, 1), (other, -1)):
        pod = place.objects["Pod"]["web-0"]
        pod["metadata"]["finalizers"] = ["a", "b"][::order]
        pod["status"]["conditions"] = [{"type": "Ready"}, {"type": "Initialized"}][::order]
    assert difference(one.state(), other.state()) == []


def test_who_holds_which_field_is_compared_without_the_times(one: Place, other: Place) -> None:
    for place, time in ((one, "2026-01-01T00:00:00Z"), (other, "2026-02-02T00:00:00Z")):
        owner: Object = {f'k:{{"uid":"{uid_of(place)}"}}': {".": {}}}
        fields = {"f:metadata": {"f:ownerReferences": owner}, "f:spec": {"f:volumeName": {}}}
        held = {"manager": "tool", "operation": "Update", "time": time, "fieldsV1": fields}
        place.objects["PersistentVolumeClaim"]["data-web-0"]["metadata"]["managedFields"] = [held]
    assert difference(holders(one), holders(other)) == []
    claim = other.objects["PersistentVolumeClaim"]["data-web-0"]["metadata"]
    claim["managedFields"][0]["subresource"] = "status"
    assert difference(holders(one), holders(other)) == [
        "holders of PersistentVolumeClaim data-web-0: -tool Update:",
        "holders of PersistentVolumeClaim data-web-0: +tool Update status:",
    ]


def test_what_came_back_is_held_by_the_lab_or_the_tool_and_the_set_as_before() -> None:
    def held(kind: str, holder: str, field: str = "f:spec") -> State:
        return {f"holders of {kind} x": {f"{holder} Update": [field]}}

    lab, tool = "python-urllib3", "statefulset-csi-migration-tool"
    for kind, right in (("PersistentVolume", True), ("StatefulSet", False)):
        assert (taken_back(held(kind, lab), held(kind, tool)) == []) is right
    claim = "PersistentVolumeClaim"
    assert taken_back(held(claim, lab), held(claim, "kubectl")) != []
    assert taken_back(held(claim, lab), held(claim, tool, "f:status")) != []


def test_the_map_that_a_touch_leaves_empty_has_no_holder(one: Place, other: Place) -> None:
    touched: Object = {"f:metadata": {"f:annotations": {".": {}}}}
    for place, left in ((one, {}), (other, touched)):
        held = {"manager": "tool", "operation": "Update", "fieldsV1": {"f:spec": {}, **left}}
        place.objects["PersistentVolumeClaim"]["data-web-0"]["metadata"]["managedFields"] = [held]
    assert difference(holders(one), holders(other)) == []


def test_what_belongs_to_a_replica_is_known_by_its_pod(one: Place) -> None:
    assert set(of_replica(one.state(), "web-1")) == {
        "Pod web-1",
        "PersistentVolumeClaim data-web-1",
        "PersistentVolume pv-of-data-web-1",
        "VolumeAttachment attachment-of-pv-of-data-web-1",
        "FirstClassDisk fcd-of-data-web-1",
        "CnsVolume fcd-of-data-web-1",
    }
    reference = {"namespace": one.namespace, "name": "data-web-1"}
    one.add("PersistentVolume", "pvc-old", spec={"claimRef": reference})
    assert "PersistentVolume another-pv-of-data-web-1" in of_replica(one.state(), "web-1")


def test_marks_of_the_tool_are_found(one: Place) -> None:
    assert one.world().marks() == []
    one.add("ConfigMap", "csi-migration-web-1")
    one.objects["PersistentVolumeClaim"]["data-web-0"]["metadata"]["annotations"] = {
        "csi-migration/touched": "true"
    }
    assert len(one.world().marks()) == 2


def test_a_volume_on_the_first_class_disk_of_another_differs(one: Place, other: Place) -> None:
    first, second = (other.volume(claim)["spec"]["csi"] for claim in PATHS)
    handles = first["volumeHandle"], second["volumeHandle"]
    second["volumeHandle"], first["volumeHandle"] = handles
    found = difference(one.state(), other.state())
    assert "PersistentVolume pv-of-data-web-0: +    volumeHandle: fcd-of-data-web-1" in found


def test_a_second_first_class_disk_of_a_vmdk_is_one_too_many(one: Place, other: Place) -> None:
    other.register("data-web-0")
    extra = "FirstClassDisk another-fcd-of-data-web-0"
    assert f"left behind or unexpected: {extra}" in difference(one.state(), other.state())
    assert f"left behind or unexpected: {extra}" in taken_back(one.state(), other.state())


def test_a_disk_that_goes_with_its_vm_differs(one: Place, other: Place) -> None:
    other.disk("data-web-0")["keepAfterDeleteVm"] = False
    for judge in (difference, taken_back):
        assert judge(one.state(), other.state()) == [
            "FirstClassDisk fcd-of-data-web-0: -  keepAfterDeleteVm: true",
            "FirstClassDisk fcd-of-data-web-0: +  keepAfterDeleteVm: false",
        ]


def test_no_rollback_takes_back_a_first_class_disk_or_its_protection(
    one: Place, other: Place
) -> None:
    one.disk("data-web-0")["keepAfterDeleteVm"] = False
    assert taken_back(one.state(), other.state()) == []
    bare = {name: item for name, item in one.state().items() if "FirstClassDisk" not in name}
    assert taken_back(bare, other.state()) == []
    assert len(taken_back(other.state(), bare)) == len(PATHS)


def test_a_registration_that_stayed_or_is_missing_is_told(one: Place, other: Place) -> None:
    registered = other.objects["CnsVolume"]
    del registered[next(iter(registered))]
    name = "CnsVolume fcd-of-data-web-0"
    assert difference(one.state(), other.state()) == [f"missing: {name}"]
    assert taken_back(other.state(), one.state()) == [f"left behind or unexpected: {name}"]


def test_a_volume_that_names_no_claim_is_called_after_its_disk(one: Place, other: Place) -> None:
    del other.volume("data-web-1")["spec"]["claimRef"]
    found = difference(one.state(), other.state())
    assert "missing: PersistentVolume pv-of-data-web-1" in found
    extra = "PersistentVolume unclaimed-pv-of-fcd-of-data-web-1"
    assert f"left behind or unexpected: {extra}" in found

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.model.disk import DiskFile, DiskPath
from csi_migration.vsphere import disks, files
from csi_migration.vsphere.batches import batches
from csi_migration.vsphere.disks import Holdings, held_by, holders_in, holds
from csi_migration.vsphere.errors import DatastoreNotFound, Faulted, VCenterUnreachable
from csi_migration.vsphere.inventory import (
    Attachment,
    Datastore,
    Hardware,
    NodeMachine,
    Properties,
    hardware_of,
)

PATH = DiskPath("LUN 7 (fast)", "kubevols/web 0.vmdk")
FILE = DiskFile(PATH, "datastore-7", "/Production/DC0", 0)
STORE = Datastore(
    id="datastore-7",
    name="LUN 7 (fast)",
    datacenter="/Production/DC0",
    datacenter_id="datacenter-1",
    url="ds:///vmfs/volumes/a/",
    kind="VMFS",
)
DEVICE = Attachment(
    vm="node-1",
    file=str(PATH),
    sharing="sharingNone",
    disk_mode="independent_persistent",
    parent="",
    ancestors=(),
    uuid="",
    disk_id="",
    flat=True,
)
OTHER = "[LUN 7 (fast)] other.vmdk"


def test_the_url_encodes_the_path_by_segments_and_the_datacenter_whole() -> None:
    assert files.url("vc.example", 443, FILE) == (
        "https://vc.example/folder/kubevols/web%200.vmdk"
        "?dcPath=%2FProduction%2FDC0&dsName=LUN%207%20%28fast%29"
    )


def test_the_url_has_the_port_unless_it_is_the_usual_one() -> None:
    assert files.url("vc.example", 8443, FILE).startswith("https://vc.example:8443/folder/")


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert files.url("fd00::1", 443, FILE).startswith("https://[fd00::1]/folder/")


names = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)


@given(names, names, names)
def test_vcenter_decodes_the_url_to_the_same_disk(folder: str, name: str, store: str) -> None:
    path = DiskPath(store, f"{folder}/{name}.vmdk")
    url = urlsplit(files.url("vc", 443, replace(FILE, path=path)))
    assert unquote(url.path) == f"/folder/{path.file}"
    assert parse_qs(url.query, keep_blank_values=True) == {
        "dcPath": ["/Production/DC0"],
        "dsName": [store],
    }


def test_a_datastore_is_picked_by_its_name() -> None:
    assert files.pick("LUN 7 (fast)", [replace(STORE, name="x"), STORE], ()) == STORE


def test_an_unknown_datastore_is_answered_with_those_that_are_there() -> None:
    with pytest.raises(DatastoreNotFound) as unknown:
        files.pick("LUN 8", [STORE], ())
    assert "LUN 7 (fast)" in unknown.value.details


TWIN = replace(
    STORE,
    id="datastore-9",
    datacenter="/Test/DC1",
    datacenter_id="datacenter-2",
    url="ds:///vmfs/volumes/b/",
)


def test_two_datastores_of_one_name_are_refused_and_both_named() -> None:
    with pytest.raises(DatastoreNotFound) as ambiguous:
        files.pick(STORE.name, [STORE, TWIN], ())
    assert "datastore-7 in /Production/DC0" in ambiguous.value.details
    assert "datastore-9 in /Test/DC1" in ambiguous.value.details


@pytest.mark.parametrize("listed", ["/Test/DC1", "Test/DC1", "DC1"])
def test_the_drivers_datacenters_tell_two_datastores_apart(listed: str) -> None:
    assert files.pick(STORE.name, [STORE, TWIN], (listed,)) == TWIN


def test_datacenters_that_match_nothing_do_not_hide_a_single_datastore() -> None:
    assert files.pick(STORE.name, [STORE], ("renamed",)) == STORE


def test_one_storage_mounted_in_two_datacenters_is_one() -> None:
    mounted = replace(TWIN, url=STORE.url)
    assert files.pick(STORE.name, [STORE, mounted], ()) == STORE


@pytest.mark.parametrize(
    ("device", "held"),
    [
        (DEVICE, True),
        (replace(DEVICE, file=OTHER), False),
        (replace(DEVICE, file=OTHER, disk_id="id-1"), True),
        (replace(DEVICE, file=OTHER, parent=str(PATH), ancestors=(str(PATH),)), True),
        (
            replace(DEVICE, file=OTHER, parent="[a] b.vmdk", ancestors=("[a] b.vmdk", str(PATH))),
            True,
        ),
    ],
)
def test_a_device_holds_a_disk_by_file_by_id_or_as_a_delta(
    device: Attachment, *, held: bool
) -> None:
    assert holds(device, PATH, "id-1") is held


def test_a_device_without_an_id_does_not_hold_a_disk_without_one() -> None:
    assert not holds(replace(DEVICE, file=OTHER), PATH, None)


@pytest.mark.parametrize(
    ("power", "counts"),
    [("poweredOn", True), ("suspended", True), (None, True), ("poweredOff", False)],
)
def test_a_machine_without_readable_devices_may_hold_any_disk_unless_it_is_off(
    power: str | None, *, counts: bool
) -> None:
    values = {"name": "node-3"} | ({"runtime.powerState": power} if power else {})
    found = hardware_of([Properties("vm-3", values)])
    words = ("vm node-3, whose devices vCenter can't read",) if counts else ()
    assert holders_in(found, PATH, "id-1") == words


def test_a_machine_without_disks_holds_nothing() -> None:
    values = {"name": "node-3", "runtime.powerState": "poweredOn", "config.hardware.device": []}
    assert hardware_of([Properties("vm-3", values)]) == Hardware((), ())


def test_a_machine_that_vanished_while_it_was_read_is_called_by_its_id() -> None:
    assert hardware_of([Properties("vm-3", {})]).unreadable == ("vm-3",)


def test_the_holders_are_those_that_are_known_and_those_that_nobody_can_tell_of() -> None:
    found = Hardware((DEVICE, DEVICE, replace(DEVICE, vm="node-2", file=OTHER)), ("node-3",))
    assert holders_in(found, PATH, None) == (
        "vm node-1",
        "vm node-3, whose devices vCenter can't read",
    )


files_of_few = st.sampled_from([str(PATH), OTHER, "[a] b.vmdk"])
devices = st.builds(
    lambda file, ancestors, disk_id: replace(
        DEVICE, file=file, ancestors=tuple(ancestors), disk_id=disk_id
    ),
    files_of_few,
    st.lists(files_of_few, max_size=2),
    st.sampled_from(["", "id-1", "id-2"]),
)


@given(st.lists(devices), st.sampled_from([None, "", "id-1"]))
def test_many_disks_are_told_the_same_holders_as_one(
    found: list[Attachment], disk_id: str | None
) -> None:
    hardware = Hardware(tuple(found), ())
    assert Holdings(hardware).of(PATH, disk_id) == held_by(hardware, PATH, disk_id)


@pytest.mark.parametrize(
    ("device", "disk_id"),
    [
        (replace(DEVICE, disk_id="id-1"), "id-1"),
        (DEVICE, ""),
        (replace(DEVICE, file=OTHER, disk_id="id-1", ancestors=(str(PATH),)), ""),
    ],
)
def test_a_device_tells_the_first_class_disk_of_its_own_file_only(
    device: Attachment, disk_id: str
) -> None:
    assert Holdings(Hardware((device,), ())).disk_id_of(PATH) == disk_id


def test_a_machine_is_known_by_its_uuid_in_small_letters() -> None:
    values = {"name": "node-3", "config.uuid": "42AB", "config.version": "vmx-19"}
    machines = hardware_of([Properties("vm-3", values)]).machines
    assert machines == {"42ab": NodeMachine("vm-3", "node-3", "vmx-19")}


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_batches_hold_every_item_once_and_in_order(size: int) -> None:
    parts = list(batches(list(range(5)), size))
    assert [each for part in parts for each in part] == list(range(5))
    assert max(map(len, parts)) <= size


def test_a_node_is_the_vm_of_its_uuid_or_the_only_one_of_its_name() -> None:
    def machine(number: int, name: str) -> NodeMachine:
        return NodeMachine(f"vm-{number}", name, "vmx-19")

    twins = {"a": machine(1, "node-1"), "b": machine(2, "node-1"), "c": machine(3, "node-3")}
    hardware = Hardware((), (), twins)
    assert hardware.machine_of("node-1", "b") == twins["b"]
    assert hardware.machine_of("node-3", "") == twins["c"]
    assert hardware.machine_of("node-1", "") is None
    assert hardware.machine_of("node-4", "") is None


def test_of_two_machines_of_one_uuid_the_one_that_runs_is_the_node() -> None:
    def machine(number: int, power: str) -> Properties:
        values = {"name": f"n{number}", "config.uuid": "42AB", "runtime.powerState": power}
        return Properties(f"vm-{number}", values)

    for machines in ([(1, "poweredOn"), (2, "poweredOff")], [(2, "poweredOff"), (1, "poweredOn")]):
        assert hardware_of([machine(*each) for each in machines]).machines["42ab"].id == "vm-1"


def test_a_disk_of_a_datastore_that_is_gone_is_a_fault_and_no_crash() -> None:
    backing = SimpleNamespace(filePath="[] /vmfs/volumes/x/a.vmdk")
    with pytest.raises(Faulted, match="no path on a datastore"):
        disks._path(SimpleNamespace(id=SimpleNamespace(id="fcd-1"), backing=backing))


def test_what_lies_beside_a_missing_disk_is_worth_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(*_: object) -> None:
        raise VCenterUnreachable("no answer within 60 s")

    monkeypatch.setattr(files, "_search", slow)
    session: Any = SimpleNamespace(host="vc")
    assert "could not be listed (no answer" in files._beside(session, STORE, "kubevols")

"""The vSphere layer against the lab's vCenter, as the driver's own user."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from csi_migration.model.disk import DiskFile, DiskPath
from csi_migration.vsphere import inventory, privileges, tasks
from csi_migration.vsphere._bindings import vim
from csi_migration.vsphere.cns import Cns
from csi_migration.vsphere.csi_config import VCenter
from csi_migration.vsphere.disks import Disks, held_by, holders_in
from csi_migration.vsphere.errors import (
    DatastoreNotFound,
    DiskNotFound,
    RegistrationRefused,
    VCenterAuthenticationFailed,
)
from csi_migration.vsphere.session import Session
from csi_migration.vsphere.trust import Trust
from lab import vcenter as lab_vcenter
from tests.lab.labkit import Lab

MIB = 1024 * 1024


def place(facts: dict[str, Any], who: str = "driver_", **other: Any) -> VCenter:
    known = {
        "host": facts["host"],
        "port": facts["port"],
        "user": facts[f"{who}user"],
        "password": facts[f"{who}password"],
        "insecure": False,
        "ca_file": "",
        "thumbprint": "",
        "datacenters": (),
    }
    return VCenter(**(known | other))


def located(disks: Disks, path: DiskPath) -> DiskFile:
    found = disks.locate_all([path])[path]
    if isinstance(found, DiskFile):
        return found
    raise found


@pytest.fixture
def facts(lab: Lab) -> dict[str, Any]:
    return lab.facts.vcenter


@pytest.fixture
def trust(facts: dict[str, Any]) -> Trust:
    return Trust(ca_pem=Path(facts["ca"]).read_text(encoding="utf-8"))


@pytest.fixture
def session(facts: dict[str, Any], trust: Trust) -> Iterator[Session]:
    with Session.connect(place(facts), trust) as opened:
        yield opened


@pytest.fixture
def disks(session: Session) -> Disks:
    return Disks(session)


@pytest.fixture(params=["vsanDatastore", "LUN 7 (fast)"])
def path(request: pytest.FixtureRequest, facts: dict[str, Any]) -> DiskPath:
    """A new VMDK of 8 MiB, in a folder and under a name with a blank."""
    made = DiskPath(request.param, f"layer tests/{uuid.uuid4()} (1).vmdk")
    with lab_vcenter.disks(facts) as admin:
        admin.create(str(made), 8)
    return made


@pytest.fixture
def attach(facts: dict[str, Any], trust: Trust) -> Iterator[Callable[[str, DiskFile], None]]:
    """Attaches a VMDK by its path, as the in-tree plugin did; detached at the end."""
    with Session.connect(place(facts, ""), trust) as admin:
        attached: list[Any] = []

        def run(vm: str, file: DiskFile) -> None:
            machines = inventory.properties(admin, vim.VirtualMachine, ["name"])
            moid = next(each.id for each in machines if each.values["name"] == vm)
            machine = admin.managed(vim.VirtualMachine, moid)
            reconfigure(admin, machine, "add", device_for(machine, file.path))
            attached.append((machine, file.path))

        yield run
        for machine, path in attached:
            for device in machine.config.hardware.device:
                if isinstance(device, vim.vm.device.VirtualDisk) and (
                    device.backing.fileName == str(path)
                ):
                    reconfigure(admin, machine, "remove", device)


def device_for(machine: Any, path: DiskPath) -> Any:
    devices = machine.config.hardware.device
    controller = next(
        each for each in devices if isinstance(each, vim.vm.device.VirtualSCSIController)
    )
    units = {each.unitNumber for each in devices if each.controllerKey == controller.key}
    return vim.vm.device.VirtualDisk(
        key=-1,
        controllerKey=controller.key,
        unitNumber=min(set(range(7)) - units),
        backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName=str(path), diskMode="independent_persistent"
        ),
    )


def reconfigure(admin: Session, machine: Any, operation: str, device: Any) -> None:
    change = vim.vm.device.VirtualDeviceSpec(operation=operation, device=device)
    task = machine.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change]))

    tasks.result(admin, task, method="ReconfigVM", subject=machine._moId)


def calls(lab: Lab, method: str) -> list[dict[str, Any]]:
    lines = (lab.layout.vcenter / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    return [call for call in map(json.loads, lines) if call["method"] == method]


def test_the_datacenters_path_has_its_folder(session: Session) -> None:
    assert [each.path for each in inventory.datacenters(session)] == ["/Production/DC0"]
    assert session.about.version == "8.0.2"
    assert session.about.api_version == "8.0.2.0"


def test_every_node_is_found_by_the_uuid_that_kubernetes_knows(lab: Lab, session: Session) -> None:
    machines = inventory.hardware(session).machines
    known = {uuid: machine.name for uuid, machine in machines.items()}
    nodes = lab.cluster().list("Node")
    uuids = [node["spec"]["providerID"].removeprefix("vsphere://").lower() for node in nodes]
    assert [known[each] for each in uuids] == [node["metadata"]["name"] for node in nodes]


def test_a_vmdk_is_located_with_its_size(disks: Disks, path: DiskPath) -> None:
    file = located(disks, path)
    assert file.path == path
    assert file.datacenter == "/Production/DC0"
    assert file.capacity_bytes == 8 * MIB


def test_many_vmdks_of_a_folder_are_located_with_few_searches(
    lab: Lab, disks: Disks, path: DiskPath
) -> None:
    folder = path.file.rpartition("/")[0]
    gone = [DiskPath(path.datastore, f"{folder}/gone-{number}.vmdk") for number in range(100)]
    elsewhere = DiskPath("LUN 8", "x.vmdk")
    before = len(calls(lab, "SearchDatastore_Task"))
    found = disks.locate_all([*gone, path, elsewhere])
    # One for the names and one that tells what is there instead; the log may lag behind.
    assert len(calls(lab, "SearchDatastore_Task")) <= before + 5
    assert found[path] == located(disks, path)
    assert all(isinstance(found[each], DiskNotFound) for each in gone)
    assert isinstance(found[elsewhere], DatastoreNotFound)


def test_what_a_thousand_disks_take_is_less_than_a_call_for_a_hundred(
    lab: Lab, disks: Disks, path: DiskPath
) -> None:
    file, folder = located(disks, path), path.file.rpartition("/")[0]
    many = [DiskPath(path.datastore, f"{folder}/gone-{number}.vmdk") for number in range(1000)]
    asked = ("SearchDatastore_Task", "RetrieveVStorageObjectAssociations")
    before = sum(len(calls(lab, method)) for method in asked)
    disks.locate_all(many)
    disks.known_to_catalog((file.datastore_id, str(one)) for one in many)
    # One search tells what is there instead.
    assert sum(len(calls(lab, method)) for method in asked) - before <= 1 + 10


def test_the_catalog_tells_of_many_disks_at_once_which_it_knows(
    disks: Disks, path: DiskPath
) -> None:
    file = located(disks, path)
    disk_id = disks.register(file, "data-web-0")
    others = [(file.datastore_id, f"no-such-disk-{number}") for number in range(150)]
    assert disks.known_to_catalog([*others, (file.datastore_id, disk_id)]) == {disk_id}
    assert disks.known_to_catalog([("datastore-0", disk_id)]) == frozenset()


def test_one_walk_knows_every_nodes_machine(disks: Disks) -> None:
    machines = disks.hardware().machines
    there = [*lab_vcenter.nodes("user"), *lab_vcenter.nodes("admin")]
    assert {uuid: each.name for uuid, each in machines.items()} == {
        each["uuid"].lower(): each["name"] for each in there
    }
    nodes = list(machines.values())
    assert disks.seeing_uuids(nodes) == {each.id for each in nodes}
    assert disks.seeing_uuids([]) == frozenset()


def test_a_missing_vmdk_is_answered_with_what_lies_there(disks: Disks, path: DiskPath) -> None:
    folder, _, name = path.file.rpartition("/")
    with pytest.raises(DiskNotFound) as missing:
        located(disks, DiskPath(path.datastore, f"{folder}/gone.vmdk"))
    assert name in missing.value.details


def test_a_missing_folder_is_a_missing_disk(disks: Disks) -> None:
    with pytest.raises(DiskNotFound, match="nowhere"):
        located(disks, DiskPath("vsanDatastore", "nowhere/gone.vmdk"))


def test_a_missing_datastore_is_answered_with_those_that_are_there(disks: Disks) -> None:
    with pytest.raises(DatastoreNotFound) as missing:
        located(disks, DiskPath("LUN 8", "x.vmdk"))
    assert "LUN 7 (fast)" in missing.value.details


def test_registering_twice_gives_the_same_disk(disks: Disks, path: DiskPath) -> None:
    file = located(disks, path)
    assert disks.find(file) is None
    disk_id = disks.register(file, "data-web-0")
    assert disks.register(file, "data-web-0") == disk_id
    found = disks.find(file)
    assert found is not None
    assert (found.id, found.path) == (disk_id, path)
    assert disks.find(file, expected_id="no-such-id") == found


def test_a_registration_does_not_make_the_catalog_be_listed_again(
    lab: Lab, disks: Disks, path: DiskPath
) -> None:
    file = located(disks, path)
    assert disks.find(file) is None
    before = len(calls(lab, "ListVStorageObject"))
    disk_id = disks.register(file, "data-web-0")
    found = disks.find(file)
    assert found is not None
    assert found.id == disk_id
    assert len(calls(lab, "ListVStorageObject")) == before


def test_a_disk_is_found_by_the_id_that_is_expected(lab: Lab, disks: Disks, path: DiskPath) -> None:
    file = located(disks, path)
    disk_id = disks.register(file, "data-web-0")
    listed = len(calls(lab, "ListVStorageObject"))
    assert disks.find(file, expected_id=disk_id) is not None
    assert len(calls(lab, "ListVStorageObject")) == listed


def test_a_disk_is_protected_from_its_vms_deletion(disks: Disks, path: DiskPath) -> None:
    file = located(disks, path)
    disk_id = disks.register(file, "data-web-0")
    disks.protect(file.datastore_id, disk_id)
    disks.protect(file.datastore_id, disk_id)
    found = disks.retrieve(file.datastore_id, disk_id)
    assert found is not None
    assert found.keep_after_delete_vm


def test_a_disk_that_is_not_there_is_not_retrieved_and_not_protected(
    disks: Disks, path: DiskPath
) -> None:
    file = located(disks, path)
    assert disks.retrieve(file.datastore_id, str(uuid.uuid4())) is None
    with pytest.raises(DiskNotFound):
        disks.protect(file.datastore_id, str(uuid.uuid4()))


def test_a_disk_attached_by_its_path_is_held(
    disks: Disks, path: DiskPath, attach: Callable[[str, DiskFile], None]
) -> None:
    file = located(disks, path)
    assert holders_in(disks.hardware(), file.path, None) == ()
    attach("node-2", file)
    assert holders_in(disks.hardware(), file.path, None) == ("vm node-2",)
    (device,) = held_by(disks.hardware(), path, None)
    assert (device.disk_mode, device.parent, device.flat) == ("independent_persistent", "", True)


def test_a_disk_attached_as_an_fcd_is_held_and_consumed(
    session: Session, disks: Disks, path: DiskPath
) -> None:
    file = located(disks, path)
    disk_id = disks.register(file, "data-web-0")
    machines = inventory.properties(session, vim.VirtualMachine, ["name"])
    machine = session.managed(vim.VirtualMachine, machines[0].id)
    datastore = session.managed(vim.Datastore, file.datastore_id)
    attached = machine.AttachDisk_Task(vim.vslm.ID(id=disk_id), datastore)
    tasks.result(session, attached, method="AttachDisk", subject=disk_id)
    held, (device,) = (
        disks.retrieve(file.datastore_id, disk_id),
        held_by(disks.hardware(), path, disk_id),
    )
    detached = machine.DetachDisk_Task(vim.vslm.ID(id=disk_id))
    tasks.result(session, detached, method="DetachDisk", subject=disk_id)
    assert held is not None
    assert held.consumers
    assert (device.vm, device.disk_id) == (machines[0].values["name"], disk_id)
    freed = disks.retrieve(file.datastore_id, disk_id)
    assert freed is not None
    assert freed.consumers == ()
    assert holders_in(disks.hardware(), path, disk_id) == ()


def test_a_bare_datacenter_is_refused_as_vcenter_does(disks: Disks, path: DiskPath) -> None:
    file = located(disks, path)
    bare = DiskFile(file.path, file.datastore_id, "DC0", file.capacity_bytes)
    with pytest.raises(RegistrationRefused, match="dsDiskUrl"):
        disks.register(bare, "data-web-0")


def test_a_disk_just_registered_is_no_cns_volume(
    session: Session, disks: Disks, path: DiskPath
) -> None:
    disk_id = disks.register(located(disks, path), "data-web-0")
    assert not Cns(session).registered(disk_id)


def test_the_drivers_user_lacks_nothing(session: Session, disks: Disks, path: DiskPath) -> None:
    file = located(disks, path)
    assert privileges.missing(session, privileges.needed(session, [file.datastore_id])) == []


def test_a_lacking_privilege_is_named(session: Session, disks: Disks, path: DiskPath) -> None:
    file = located(disks, path)
    lacking = privileges.missing(session, {file.datastore_id: ["Datastore.Delete"]})
    assert lacking == [(path.datastore, "Datastore.Delete")]


def test_a_wrong_password_is_refused(facts: dict[str, Any], trust: Trust) -> None:
    with pytest.raises(VCenterAuthenticationFailed):
        Session.connect(place(facts, password="wrong"), trust)


def test_an_ended_session_is_opened_again(
    facts: dict[str, Any], trust: Trust, session: Session, path: DiskPath
) -> None:
    disks = Disks(session)
    file = located(disks, path)
    with Session.connect(place(facts, ""), trust) as admin:
        end_others(admin)
    disk_id = disks.register(file, "data-web-0")
    assert disks.retrieve(file.datastore_id, disk_id) is not None


def end_others(admin: Session) -> None:
    """End every session of the driver's user, as vCenter does with idle ones."""
    manager = admin.content.sessionManager
    known = inventory.properties_of(admin, manager, ["sessionList"])["sessionList"]
    mine = inventory.properties_of(admin, manager, ["currentSession"])["currentSession"].key
    manager.TerminateSession([each.key for each in known if each.key != mine])


def test_the_thumbprint_alone_is_enough(facts: dict[str, Any]) -> None:
    with Session.connect(place(facts), Trust(thumbprint=facts["thumbprint"])) as session:
        session.keep_alive()

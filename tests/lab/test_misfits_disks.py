"""Disks that are not fit, and a vCenter that is not: preflight names exactly that.

What the lab's vCenter can't be made to hold is put into its answers by a proxy, which the
tool speaks to all the time. All on one healthy set, which is left as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab import vcenter
from lab.client import Object
from lab.manifests import Workload
from tests.lab.labkit import Lab, Trial
from tests.lab.misfitkit import (
    Misfit,
    Plant,
    assert_named,
    created,
    misfit,
    volume_of,
)
from tests.lab.proxy import Answer, Request
from tests.lab.vcenter_proxy import VCenterProxy

CLAIM, POD = "data-web-0", "web-0"
MIGRATION = "CnsVSphereVolumeMigration"
DEVICES = b"<name>config.hardware.device</name>"
Rewrite = Callable[[bytes], bytes]


class Retelling(VCenterProxy):
    """Hands through what vCenter says, in other words while `rewrite` is set."""

    rewrite: Rewrite | None = None

    def answer(self, request: Request) -> Answer:
        """What the tool gets to see."""
        found = super().answer(request)
        if self.rewrite is None or not isinstance(found.body, bytes):
            return found
        return replace(found, body=self.rewrite(found.body))


class Retold(Trial):
    """A set whose vCenter the tool hears through a proxy."""

    proxy: Retelling
    configuration: Path

    @property
    def options(self) -> list[str]:
        """The trial's own, with the proxy in vCenter's place."""
        return [*super().options, "--vcenter-config", str(self.configuration)]


@pytest.fixture(scope="module")
def healthy(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retold]:
    folder = tmp_path_factory.mktemp("disks")
    workload = Workload("misfits-disks", replicas=2)
    proxy = Retelling(lab)
    proxy.listen()
    try:
        with Retold(lab, workload, "user", folder / "work") as made:
            made.proxy = proxy
            made.configuration = proxy.configuration(folder / "csi-vsphere.conf")
            with vcenter.disks(lab.facts.vcenter) as datacenter:
                datacenter.protect([path_of(made, claim) for claim in workload.claim_names])
            yield made
            made.assert_untouched()
    finally:
        proxy.hang_up()


def path_of(made: Trial, claim: str = CLAIM) -> str:
    return str(made.volumes()[claim]["spec"]["vsphereVolume"]["volumePath"])


def descriptor_of(made: Trial) -> Path:
    """The VMDK's descriptor; the bytes lie beside it."""
    datastore, _, file = path_of(made).removeprefix("[").partition("] ")
    number = made.lab.facts.vcenter["datastores"].index(datastore)
    return made.lab.layout.vcenter / "datastores" / str(number) / file


# Ways to plant -------------------------------------------------------------------------


def retold(rewrite: Callable[[Trial], Rewrite]) -> Plant:
    """VCenter's answers say something else."""

    @contextmanager
    def plant(made: Trial) -> Iterator[None]:
        assert isinstance(made, Retold)
        made.proxy.rewrite = rewrite(made)
        try:
            yield
        finally:
            made.proxy.rewrite = None

    return plant


def device(mode: str = "independent_persistent", *, more: str = "") -> Plant:
    """The VM's device on the disk has this mode, and more fields."""

    def rewrite(made: Trial) -> Rewrite:
        file = re.escape(f"<fileName>{path_of(made)}</fileName>".encode())
        found = re.compile(rb"(" + file + rb"(?:(?!</backing>).)*?<diskMode>)[^<]*", re.DOTALL)
        text = f"{mode}</diskMode>{more}<diskMode>{mode}".encode()
        return lambda body: found.sub(lambda match: match[1] + text, body)

    return retold(rewrite)


def machine(old: bytes, new: bytes, *, name: str = "") -> Plant:
    """What vCenter says of the replica's node's VM, or of another."""

    def rewrite(made: Trial) -> Rewrite:
        called = f">{name or made.pods()[POD]['spec']['nodeName']}<".encode()

        def retell(match: re.Match[bytes]) -> bytes:
            one = match[0]
            return one.replace(old, new) if called in one else one

        return lambda body: re.sub(rb"<objects>.*?</objects>", retell, body, flags=re.DOTALL)

    return retold(rewrite)


def as_another_machine(made: Trial) -> Rewrite:
    """The VM with the disk bears name and uuid of one that is no node, and that one its."""
    name = made.pods()[POD]["spec"]["nodeName"]
    (own,) = [one for one in vcenter.nodes("user") if one["name"] == name]
    other = vcenter.nodes("admin")[0]
    swaps = {f">{own[key]}<": f">{other[key]}<" for key in ("name", "uuid")}
    swaps |= {new: old for old, new in swaps.items()}
    either = re.compile("|".join(swaps).encode())
    return lambda body: either.sub(lambda found: swaps[found[0].decode()].encode(), body)


def unknown_machine(made: Trial) -> Rewrite:
    """The node's VM has neither the node's uuid nor its name."""
    name = made.pods()[POD]["spec"]["nodeName"]
    (own,) = [one for one in vcenter.nodes("user") if one["name"] == name]
    other = f"{own['uuid'][:-4]}dead"
    swaps = {f">{own['uuid']}<": f">{other}<", f">{name}<": f">{name}-of-old<"}
    either = re.compile("|".join(swaps).encode())
    return lambda body: either.sub(lambda found: swaps[found[0].decode()].encode(), body)


@contextmanager
def moved_away(made: Trial) -> Iterator[None]:
    descriptor = descriptor_of(made)
    aside = descriptor.with_suffix(".elsewhere")
    descriptor.rename(aside)
    try:
        yield
    finally:
        aside.rename(descriptor)


@contextmanager
def moved_with_its_record(made: Trial) -> Iterator[None]:
    """Storage vMotion moves the disk with the VM that holds it."""
    path = path_of(made)
    there = path.replace("] ", "] moved/").encode()
    with moved_away(made), said(path.encode() + b"</fileName>", there + b"</fileName>")(made):
        yield


def in_a_datastore_cluster_called(pod: str) -> Plant:
    """VCenter tells that every datastore is in this one."""
    parent = re.compile(
        rb'(<obj type="Datastore">(?:(?!</objects>).)*?<name>parent</name>\s*<val )'
        rb"[^>]*>[^<]*<",
        re.DOTALL,
    )
    told = rb'\1xsi:type="ManagedObjectReference" type="StoragePod">' + pod.encode() + b"<"
    return retold(lambda _: lambda body: parent.sub(told, body))


@contextmanager
def in_a_datastore_cluster(made: Trial) -> Iterator[None]:
    """A real one, but empty: the lab's datastores could not be moved out of it again."""
    with vcenter.disks(made.lab.facts.vcenter) as lab_disks:
        pod = lab_disks.datastore_cluster("Fast disks")
    with in_a_datastore_cluster_called(pod)(made):
        yield


@contextmanager
def record_of_another_disk(made: Trial) -> Iterator[None]:
    path = path_of(made)
    (record,) = [one for one in made.cluster.list(MIGRATION) if one["spec"]["volumepath"] == path]
    name = record["metadata"]["name"]
    made.cluster.patch(MIGRATION, name, {"spec": {"volumeid": "of-another-disk"}})
    try:
        yield
    finally:
        undo = {"spec": {"volumeid": record["spec"]["volumeid"]}}
        made.cluster.patch(MIGRATION, name, undo)


@contextmanager
def lacking(made: Trial) -> Iterator[None]:
    assert isinstance(made, Retold)
    made.proxy.missing = "Datastore.FileManagement"
    try:
        yield
    finally:
        made.proxy.missing = ""


def configured(change: Callable[[str], str]) -> Plant:
    """The driver's configuration says something else."""

    @contextmanager
    def plant(made: Trial) -> Iterator[None]:
        assert isinstance(made, Retold)
        before = made.configuration.read_text()
        made.configuration.write_text(change(before))
        try:
            yield
        finally:
            made.configuration.write_text(before)

    return plant


def with_another(text: str) -> str:
    return text + '\n[VirtualCenter "other.example"]\nuser = "csi@vsphere.local"\npassword = "x"\n'


def unverified(text: str) -> str:
    told = text.replace('insecure-flag = "false"', 'insecure-flag = "true"')
    return re.sub(r"^thumbprint.*$", "", told, flags=re.MULTILINE)


def beside(body: Callable[[Trial], Object]) -> Plant:
    """An object that names the set's disk, too."""

    def plant(made: Trial) -> AbstractContextManager[None]:
        return created(body(made))(made)

    return plant


def said(old: bytes, new: bytes) -> Plant:
    """Other words for the same thing, in all answers."""
    return retold(lambda _: lambda body: body.replace(old, new))


def of_capacity(mebibytes: int) -> Plant:
    """The VMDK's descriptor has this size."""

    @contextmanager
    def plant(made: Trial) -> Iterator[None]:
        descriptor = descriptor_of(made)
        before = descriptor.read_text()
        sectors = mebibytes * 2048
        descriptor.write_text(re.sub(r"(?m)^RW \d+ ", f"RW {sectors} ", before))
        try:
            yield
        finally:
            descriptor.write_text(before)

    return plant


def like_an_orphan(_: Trial) -> Rewrite:
    name = re.compile(rb"(<id>\s*<id>[^<]*</id>\s*</id>\s*<name>)")
    return lambda body: name.sub(rb"\1pvc-", body)


def of_unsaid_capacity(_: Trial) -> Rewrite:
    told = re.compile(rb"<capacityKb>\d+</capacityKb>|(?<=<capacityInMB>)\d+")
    return lambda body: told.sub(lambda match: b"" if b"Kb" in match[0] else b"0", body)


def second_volume(made: Trial) -> Object:
    found = made.cluster.get("PersistentVolume", volume_of(made, CLAIM))["spec"]
    kept = ("accessModes", "capacity", "storageClassName", "vsphereVolume")
    spec = {key: found[key] for key in kept} | {"persistentVolumeReclaimPolicy": "Retain"}
    # The lab's driver leaves it alone: it is about its path only.
    metadata = {"name": "second-hand", "annotations": {"lab/attached-by-path": "true"}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


def inline_pod(made: Trial) -> Object:
    spec = {
        "containers": [{"name": "backup", "image": "lab/writer:1"}],
        "volumes": [{"name": "data", "vsphereVolume": {"volumePath": path_of(made)}}],
        "nodeSelector": {"no": "node"},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inline"}, "spec": spec}


BASE = "<fileName>[vsanDatastore] kubevols/base.vmdk</fileName>"
PARENT = f'<parent xsi:type="VirtualDiskFlatVer2BackingInfo">{BASE}<diskMode>persistent</diskMode>'
SNAPSHOT = (
    b'<propSet><name>snapshot</name><val xsi:type="VirtualMachineSnapshotInfo"></val></propSet>'
)

MISFITS = [
    misfit("disks-found moved away", moved_away),
    misfit("disks-moved", moved_with_its_record),
    misfit(
        "datastores-usable inaccessible",
        said(b"<accessible>true<", b"<accessible>false<"),
        *("datastores-usable", "disks-found"),
    ),
    misfit(
        "datastores-usable maintenance",
        said(b"<maintenanceMode>normal<", b"<maintenanceMode>enteringMaintenance<"),
    ),
    misfit("storage-drs automated", in_a_datastore_cluster),
    misfit("storage-drs unseen", in_a_datastore_cluster_called("group-p404")),
    misfit(
        "changed-blocks",
        said(b"<changedBlockTrackingEnabled>false<", b"<changedBlockTrackingEnabled>true<"),
    ),
    misfit("disks-plain delta", device(more=PARENT + "</parent>")),
    misfit("disks-plain multi-writer", device(more="<sharing>sharingMultiWriter</sharing>")),
    misfit("disks-plain nonpersistent", device("independent_nonpersistent")),
    misfit("disks-size smaller", of_capacity(32)),
    misfit("disks-size larger", of_capacity(128)),
    misfit("disks-size unsaid", retold(of_unsaid_capacity)),
    misfit("disks-kept", said(b"<keepAfterDeleteVm>true<", b"<keepAfterDeleteVm>false<")),
    misfit("disks-named like an orphan", retold(like_an_orphan)),
    misfit("disks-encrypted", device(more="<keyId><keyId>key-1</keyId></keyId>")),
    misfit("disks-held-here another VM", retold(as_another_machine)),
    misfit(
        "machines-readable",
        machine(DEVICES, b"<name>config.hardware.memoryMB</name>", name="admin-node-1"),
    ),
    misfit(
        "machines-found by neither uuid nor name",
        retold(unknown_machine),
        *("machines-found", "machine-hardware", "machine-disk-uuid", "machine-snapshots"),
        *("changed-blocks", "disks-held-here"),
    ),
    misfit("disks-catalog record", record_of_another_disk),
    misfit("machine-hardware", machine(b">vmx-19<", b">vmx-13<")),
    misfit(
        "machine-snapshots",
        # The simulator does not survive a snapshot of the lab's VMs.
        machine(b"</obj>", b"</obj>" + SNAPSHOT),
    ),
    misfit("machine-disk-uuid", said(b"disk.EnableUUID", b"disk.Other")),
    misfit("volume-paths second volume", beside(second_volume)),
    misfit("volume-paths inline", beside(inline_pod)),
    misfit("vcenter-privileges", lacking),
    misfit("one-vcenter", configured(with_another)),
    misfit("certificates", configured(unverified)),
]


@pytest.mark.parametrize("each", MISFITS, ids=lambda each: each.name)
def test_preflight_names_exactly_the_misfit(healthy: Retold, usual: set[str], each: Misfit) -> None:
    assert_named(healthy, each, usual)

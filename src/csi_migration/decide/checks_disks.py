"""Checks of the disks in vCenter and of vCenter itself."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.checks_machines import untold
from csi_migration.decide.checks_volumes import claims_by_ordinal, volume_of
from csi_migration.decide.preflight import Problem, check, unknown
from csi_migration.model.disk import ORPHAN_PREFIX
from csi_migration.model.finding import Severity
from csi_migration.model.quantity import parse_quantity
from csi_migration.model.snapshot import DiskAttachment, DiskLook, Machine, Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING

_PLAIN_SHARING = ("", "sharingNone")
_OLDEST = (6, 7, 3)
_OLDEST_SUPPORTED = (7, 0, 1)
_LOOK_INSIDE = "See in vCenter how large the disk is, or with `lsblk` in the replica's pod."
_LARGER = "Nothing: the volume keeps its size, and can be expanded afterwards."
# What is written in these modes is gone when the VM is powered off.
_LOSING_MODES = ("independent_nonpersistent", "nonpersistent", "undoable", "append")


def _by_claim(snapshot: Snapshot) -> Iterator[tuple[str, DiskLook]]:
    for _, name in claims_by_ordinal(snapshot):
        if name in snapshot.disks:
            yield name, snapshot.disks[name]


def _looks(snapshot: Snapshot) -> Iterator[tuple[str, DiskLook]]:
    return ((f"pvc/{name}", look) for name, look in _by_claim(snapshot))


@check(
    "disks-found",
    _BLOCKER,
    "every VMDK is where its volume says",
    looks_at="every VMDK in its datastore",
    source="vsphere-csi-driver issues 565, 365, 686",
    resolution="Find the disk in vCenter before you go on.",
    needs="disks",
)
def disks_found(snapshot: Snapshot) -> Iterator[Problem]:
    """A disk that is not there can't be registered, and another one must not take its place."""
    for subject, look in _looks(snapshot):
        if look.problem and not look.moved_to:
            yield Problem(subject, look.problem)
        elif look.file is None and not look.problem:
            yield unknown(subject, "its datastore can't be looked at")


@check(
    "disks-moved",
    _BLOCKER,
    "no VMDK was moved away from where its volume says",
    looks_at="the First Class Disk that CnsVSphereVolumeMigration names for a VMDK that is gone",
    source="vsphere-csi-driver issues 565, 365, 686",
    resolution="Move it back in vCenter under the volume's path, or its data with it.",
    needs="disks",
)
def disks_moved(snapshot: Snapshot) -> Iterator[Problem]:
    """Storage DRS and Storage vMotion move and rename disks behind the volume's back; the
    catalog follows, the volume does not.
    """
    for subject, look in _looks(snapshot):
        if look.moved_to:
            message = f"First Class Disk {look.recorded_id} lies at {look.moved_to} now"
            yield Problem(subject, f"{message}, not where the volume says")


@check(
    "disks-plain",
    _BLOCKER,
    "no VMDK has snapshots or is shared",
    looks_at="backing, sharing and mode of every VM's device on the VMDK",
    source="vsphere-csi-driver issue 478",
    resolution="Consolidate snapshots; shared and raw disks can't be migrated.",
    needs="disks",
)
def disks_plain(snapshot: Snapshot) -> Iterator[Problem]:
    """Registering the base of a delta chain would lose what the delta holds."""
    for subject, look in _looks(snapshot):
        for attachment in look.attachments:
            if attachment.parent:
                message = f"{attachment.vm} writes to a snapshot of it"
                yield Problem(subject, message, "Consolidate the VM's snapshots.")
            if attachment.sharing not in _PLAIN_SHARING:
                message = f"{attachment.vm} holds it with {attachment.sharing}"
                yield Problem(subject, message, "Shared disks can't be migrated.")
            if not attachment.flat or attachment.disk_mode in _LOSING_MODES:
                message = f"{attachment.vm} holds it as no plain VMDK, mode {attachment.disk_mode}"
                yield Problem(subject, message, "Only plain, persistent VMDKs can be migrated.")


@check(
    "machines-readable",
    _BLOCKER,
    "vCenter can tell what every VM holds",
    looks_at="the devices of every VM",
    source="vSphere: VirtualMachine.runtime.connectionState",
    resolution="Bring the VM or its host back, or take it out of the inventory.",
    needs="disks",
)
def machines_readable(snapshot: Snapshot) -> Iterator[Problem]:
    """A swap waits until no VM holds the disk, and of these nobody could say."""
    for machine in snapshot.unreadable_machines:
        yield Problem(
            f"vm/{machine}",
            "it is not powered off, and vCenter can't read its devices",
            "Bring the VM or its host back, or take it out of the inventory.",
        )


@check(
    "disks-catalog",
    _BLOCKER,
    "the driver's records and vCenter's catalog agree",
    looks_at="CnsVSphereVolumeMigration and vCenter's catalog",
    source="vsphere-csi-driver issues 3082, 2744",
    resolution="Reconcile the datastore's inventory in vCenter.",
    needs="disks",
)
def disks_catalog(snapshot: Snapshot) -> Iterator[Problem]:
    """The id becomes the volumeHandle: a stale one names another disk or none."""
    for subject, look in _looks(snapshot):
        if look.file is None:
            continue
        if look.recorded_id and (look.disk is None or look.disk.id != look.recorded_id):
            found = look.disk.id if look.disk else "no First Class Disk"
            yield Problem(
                subject,
                f"CnsVSphereVolumeMigration names disk {look.recorded_id} for {look.file.path}, "
                f"vCenter's catalog has {found}",
                "Reconcile the datastore's inventory in vCenter.",
            )


@check(
    "disks-size",
    _BLOCKER,
    "every VMDK is as large as its volume says",
    looks_at="the VMDK's capacity, or that of its First Class Disk, and the volume's",
    source="vSphere: VmDiskFileInfo.capacityKb; kubernetes: spec.capacity",
    resolution="Find out which of the two is right, and correct the volume.",
)
def disks_size(snapshot: Snapshot) -> Iterator[Problem]:
    """A smaller disk is not the one that the volume means, or the file system is cut off."""
    for name, look in _by_claim(snapshot):
        claim = snapshot.claims.get(name)
        volume = volume_of(snapshot, claim) if claim else None
        if volume and look.file:
            said = int(parse_quantity(volume["spec"]["capacity"]["storage"]))
            yield from _unlike(f"pvc/{name}", _capacity(look), said)


def _capacity(look: DiskLook) -> int:
    """In bytes; 0 if vCenter says it neither of the file nor of the disk."""
    of_file = look.file.capacity_bytes if look.file else 0
    return of_file or (look.disk.capacity_bytes if look.disk else 0)


def _unlike(subject: str, size: int, said: int) -> Iterator[Problem]:
    words = f"the VMDK has {size} bytes, its volume says {said}"
    if not size:
        message = f"vCenter does not say how large the VMDK is, its volume says {said} bytes"
        yield unknown(subject, message, _LOOK_INSIDE)
    elif size < said:
        yield Problem(subject, words)
    elif size > said:
        yield Problem(subject, words, _LARGER, Severity.NOTE)


@check(
    "disks-encrypted",
    Severity.NEEDS_ACCEPTANCE,
    "no VMDK is encrypted",
    looks_at="the key of every VM's device on the VMDK",
    source="vSphere: an encrypted First Class Disk needs a storage policy with encryption",
    resolution="Try one volume in a test namespace first: see that it attaches as a CSI volume.",
    needs="disks",
)
def disks_encrypted(snapshot: Snapshot) -> Iterator[Problem]:
    """Whether an encrypted disk attaches as a First Class Disk depends on policy and key server."""
    for subject, look in _looks(snapshot):
        if any(attachment.encrypted for attachment in look.attachments):
            yield Problem(subject, "its disk is encrypted")


@check(
    "disks-kept",
    Severity.NOTE,
    "every First Class Disk outlives a VM that holds it",
    looks_at="keepAfterDeleteVm of every First Class Disk",
    source="vsphere-csi-driver pull requests 1762, 2723",
    resolution="Nothing: the migration sets the flag before it deletes anything.",
    needs="disks",
)
def disks_kept(snapshot: Snapshot) -> Iterator[Problem]:
    """Without the flag a node's deletion takes the attached disks along."""
    for subject, look in _looks(snapshot):
        if look.disk and look.disk.keep_after_delete_vm is False:
            yield Problem(subject, f"First Class Disk {look.disk.id} would go with its VM")
    disks = [look.disk for _, look in _looks(snapshot) if look.disk]
    if unasked := sum(disk.keep_after_delete_vm is None for disk in disks):
        message = f"{unasked} First Class Disks were not asked one by one; `plan` asks each"
        yield Problem(snapshot.request.subject, message)


@check(
    "disks-named",
    _WARNING,
    "no First Class Disk has a name that CNS Manager takes for an orphan's",
    looks_at="the name of every First Class Disk",
    source="cloud-native-storage-self-service-manager: docs/book/features/orphan_volumes.md",
    resolution="If CNS Manager runs on this vCenter, see that auto-delete-ov is `disable` in its "
    "ConfigMap cnsmanager-config until the migration has ended, and that nobody sends DELETE "
    "/orphanvolumes meanwhile.",
    needs="disks",
)
def disks_named(snapshot: Snapshot) -> Iterator[Problem]:
    """CNS Manager deletes orphans, bytes and all: disks older than its interval (50 minutes)
    whose name begins with pvc-, without PersistentVolume and CNS entry. A swap leaves a disk so
    for seconds, an interrupted one for as long as its replica is away. By itself it does so with
    auto-delete-ov only, which is not its default. The in-tree class, once migrated to CSI, makes
    disks of such names.
    """
    for subject, look in _looks(snapshot):
        if look.disk and look.disk.name.startswith(ORPHAN_PREFIX):
            message = f"the name of its First Class Disk begins with {ORPHAN_PREFIX}"
            yield Problem(subject, f"{message}: an orphan to CNS Manager while it is swapped")


@check(
    "changed-blocks",
    _WARNING,
    "no disk tracks changed blocks unless the VM of every node does",
    looks_at="changedBlockTrackingEnabled of First Class Disks, changeTrackingEnabled of VMs",
    source="vsphere-csi-driver issue 1416; VMware KB 88193",
    resolution="Switch changed-block tracking off where it is on, or on for every node's VM, and "
    "see which backup product switches it on.",
    needs="disks",
)
def changed_blocks(snapshot: Snapshot) -> Iterator[Problem]:
    """A First Class Disk that tracks changed blocks does not attach to a VM that does not: the
    replica would come back on its old node alone.
    """
    yield from untold(snapshot, "its changed-block tracking")
    without = sorted(m.name for m in snapshot.machines.values() if not m.tracks_changes)
    if not without:
        return
    others = f"VM {without[0]}" + (f" and {len(without) - 1} more" if without[1:] else "")
    for subject, look in _looks(snapshot):
        if look.disk and look.disk.tracks_changes:
            message = f"First Class Disk {look.disk.id} tracks changed blocks, {others} does not"
            yield Problem(subject, message)
    for machine in snapshot.machines.values():
        if machine.tracks_changes:
            message = f"it tracks changed blocks, and so may its disks; {others} does not"
            yield Problem(f"vm/{machine.name}", message)


@check(
    "disks-held-here",
    _BLOCKER,
    "every disk is held by its replica's node and by no other VM",
    looks_at="every VM's devices; the nodes' VMs by uuid and managed object id",
    source="vsphere-csi-driver: manager.go:DetachVolume takes a disk it does not find for detached",
    resolution="See which VM holds it and why, and settle that first.",
    needs="disks",
)
def disks_held_here(snapshot: Snapshot) -> Iterator[Problem]:
    """Kubernetes and vCenter must agree, or the swap waits for a VM that nobody detaches from."""
    for ordinal, name in claims_by_ordinal(snapshot):
        look, pod = snapshot.disks.get(name), snapshot.pods.get(ordinal)
        machine = snapshot.machines.get(pod["spec"].get("nodeName", "")) if pod else None
        if look is None or look.file is None or machine is None:
            continue
        others = [one for one in look.attachments if one.vm_id != machine.id]
        if others:
            named = sorted({_called(one, machine) for one in others})
            yield Problem(f"pvc/{name}", f"VM {', '.join(named)} holds it, not {machine.name}")
        elif not look.attachments:
            yield Problem(f"pvc/{name}", f"its pod runs, and no VM holds it, not {machine.name}")
    yield from untold(snapshot, "the disks that it holds")


def _called(holder: DiskAttachment, machine: Machine) -> str:
    """Another VM's name; with its id if the machine bears the same one."""
    return f"{holder.vm} ({holder.vm_id})" if holder.vm == machine.name else holder.vm


@check(
    "vcenter-version",
    _BLOCKER,
    "vCenter is recent enough for CSI volumes",
    looks_at="vCenter's apiVersion",
    source="vsphere-csi-driver: features need 6.7 Update 3; migration 7.0 Update 1",
    resolution="Upgrade vCenter and its hosts.",
)
def vcenter_version(snapshot: Snapshot) -> Iterator[Problem]:
    """Cloud Native Storage came with 6.7 Update 3, and migrated volumes with 7.0 Update 1."""
    found = _version(snapshot.vcenter_version)
    if found and found < _OLDEST:
        yield Problem("vcenter", f"its version is {snapshot.vcenter_version}")
    elif found and found < _OLDEST_SUPPORTED:
        message = f"its version {snapshot.vcenter_version} is not supported for migrated volumes"
        yield Problem("vcenter", message, "", Severity.WARNING)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


@check(
    "one-vcenter",
    _BLOCKER,
    "the driver's configuration names one vCenter",
    looks_at="the driver's csi-vsphere.conf",
    source="vsphere-csi-driver: vsphere_csi_migration.md",
    resolution="In-tree volumes are supported with one vCenter only.",
)
def one_vcenter(snapshot: Snapshot) -> Iterator[Problem]:
    """With several, the driver does not handle in-tree volumes at all."""
    if snapshot.vcenters != 1:
        yield Problem(
            "vcenter",
            f"the CSI driver's configuration names {snapshot.vcenters} vCenters",
            "In-tree volumes are supported with one vCenter only.",
        )


@check(
    "certificates",
    Severity.WARNING,
    "every server's certificate is verified",
    looks_at="how vCenter's certificate is verified; insecure-skip-tls-verify in kubeconfigs",
    source="TLS without verification gives the password away",
    resolution="Give --vcenter-thumbprint or --vcenter-ca; for an API server take "
    "insecure-skip-tls-verify out of its kubeconfig and put certificate-authority-data in.",
)
def certificates(snapshot: Snapshot) -> Iterator[Problem]:
    """Whoever answers in a server's place gets the password or the token, and is believed."""
    for url in snapshot.unverified_servers:
        yield Problem(
            "server",
            f"the certificate of {url} is not verified: its kubeconfig says "
            "insecure-skip-tls-verify",
            "Take insecure-skip-tls-verify out of the kubeconfig, and put "
            "certificate-authority-data in.",
        )
    for words in snapshot.unverified:
        yield Problem("vcenter", words, "Give --vcenter-thumbprint or --vcenter-ca.")


@check(
    "vcenter-privileges",
    _BLOCKER,
    "the vCenter account may do all that a migration needs",
    looks_at="the account's privileges on datastores, datacenters and the root folder",
    source="vSphere: AuthorizationManager.HasPrivilegeOnEntities",
    resolution="Add it to the account's role.",
    needs="disks",
)
def vcenter_privileges(snapshot: Snapshot) -> Iterator[Problem]:
    """A refusal half-way would leave a replica away."""
    for privilege in snapshot.missing_privileges:
        yield Problem("vcenter", f"the account lacks {privilege}", "Add it to the account's role.")

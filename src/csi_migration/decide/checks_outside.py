"""Checks of the disks in vCenter, of permissions and of the objects to come."""

from __future__ import annotations

import re
from collections.abc import Iterator

from csi_migration.decide.checks_volumes import claims_by_ordinal
from csi_migration.decide.preflight import Problem, check
from csi_migration.model.finding import Severity
from csi_migration.model.objects import Raw, spec_without_templates
from csi_migration.model.snapshot import DiskLook, DryRun, Snapshot

_BLOCKER = Severity.BLOCKER
_PLAIN_SHARING = ("", "sharingNone")
# What is written in these modes is gone when the VM is powered off.
_LOSING_MODES = ("independent_nonpersistent", "nonpersistent", "undoable", "append")
_UNASKED = "does not support dry run"
_EXCEEDED = re.compile(r"exceeded quota: [^,]*, requested: (?P<resources>.*?), used: ")
_OF_ONE_CLASS = ".storageclass.storage.k8s.io/"


def _looks(snapshot: Snapshot) -> Iterator[tuple[str, DiskLook]]:
    for _, name in claims_by_ordinal(snapshot):
        if name in snapshot.disks:
            yield f"pvc/{name}", snapshot.disks[name]


@check("disks-found", _BLOCKER, "every VMDK is where its volume says", "disks")
def disks_found(snapshot: Snapshot) -> Iterator[Problem]:
    """Storage DRS moves and renames disks behind the volume's back."""
    for subject, look in _looks(snapshot):
        if look.problem:
            yield Problem(subject, look.problem, "Find the disk in vCenter before you go on.")


@check("disks-plain", _BLOCKER, "no VMDK has snapshots or is shared", "disks")
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


@check("machines-readable", _BLOCKER, "vCenter can tell what every VM holds", "disks")
def machines_readable(snapshot: Snapshot) -> Iterator[Problem]:
    """A swap waits until no VM holds the disk, and of these nobody could say."""
    for machine in snapshot.unreadable_machines:
        yield Problem(
            f"vm/{machine}",
            "it is not powered off, and vCenter can't read its devices",
            "Bring the VM or its host back, or take it out of the inventory.",
        )


@check("disks-catalog", _BLOCKER, "the driver's records and vCenter's catalog agree", "disks")
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


@check("one-vcenter", _BLOCKER, "the driver's configuration names one vCenter")
def one_vcenter(snapshot: Snapshot) -> Iterator[Problem]:
    """With several, the driver does not handle in-tree volumes at all."""
    if snapshot.vcenters != 1:
        yield Problem(
            "vcenter",
            f"the CSI driver's configuration names {snapshot.vcenters} vCenters",
            "In-tree volumes are supported with one vCenter only.",
        )


@check("certificates", Severity.WARNING, "every server's certificate is verified")
def certificates(snapshot: Snapshot) -> Iterator[Problem]:
    """Whoever answers in vCenter's place gets its password."""
    for words in snapshot.unverified:
        yield Problem("vcenter", words, "Give --vcenter-thumbprint or --vcenter-ca.")


@check("permissions", _BLOCKER, "the identity may do all that a migration needs")
def permissions(snapshot: Snapshot) -> Iterator[Problem]:
    """A refusal half-way would leave a replica away."""
    for permission in snapshot.denied:
        message = f"it may not {permission}"
        yield Problem("identity", message, "Grant it: see deploy/rbac-user-cluster.yaml.")


@check(
    "vcenter-privileges",
    _BLOCKER,
    "the vCenter account may do all that a migration needs",
    "disks",
)
def vcenter_privileges(snapshot: Snapshot) -> Iterator[Problem]:
    """A refusal half-way would leave a replica away."""
    for privilege in snapshot.missing_privileges:
        yield Problem("vcenter", f"the account lacks {privilege}", "Add it to the account's role.")


@check("dry-runs", _BLOCKER, "the API server accepts every object to come", "dry_runs")
def dry_runs(snapshot: Snapshot) -> Iterator[Problem]:
    """Quotas, policies and webhooks say no before anything is deleted, not after."""
    for answer in snapshot.dry_runs:
        if not answer.accepted:
            yield _refusal(answer)


def _refusal(answer: DryRun) -> Problem:
    """What a refusal is worth: not every one speaks of the object to come.

    A webhook with side effects is not asked at all in a dry run (kubernetes:
    webhook/errors/statuserror.go:NewDryRunUnsupportedErr). And the old object
    still counts against the quotas that the new one is measured with.
    """
    if _UNASKED in answer.message:
        return Problem(
            answer.subject,
            f"whether the server would accept it is unknown: {answer.message}",
            "Make sure that the webhook lets it pass.",
            Severity.WARNING,
        )
    if _is_freed_by_the_old(answer.message):
        return Problem(
            answer.subject,
            f"it is refused while the old object is there, too: {answer.message}",
            "The old object's deletion makes room for it; see that nothing else takes it.",
            Severity.WARNING,
        )
    message = f"the server would refuse it: {answer.message}"
    return Problem(answer.subject, message, "Clear what the server objects to.")


def _is_freed_by_the_old(message: str) -> bool:
    """A quota of one StorageClass is not: the old claim counts for another class.

    "requested" lists exactly the resources whose limits would be passed
    (kubernetes: admission/plugin/resourcequota/controller.go:CheckRequest).
    """
    exceeded = _EXCEEDED.search(message)
    return exceeded is not None and _OF_ONE_CLASS not in exceeded["resources"]


@check(
    "template-unchanged",
    _BLOCKER,
    "the set's spec and its pod template survive the re-creation",
    "dry_runs",
)
def template_unchanged(snapshot: Snapshot) -> Iterator[Problem]:
    """Another template is a new revision, and a new revision restarts every pod.

    Any other difference would be a set that behaves in another way than before.
    """
    subject = f"statefulset/{snapshot.request.statefulset}"
    answers = (answer.returned or {} for answer in snapshot.dry_runs)
    again = next((one for one in answers if one.get("kind") == "StatefulSet"), None)
    if again is None:
        message = "how it would come back is unknown: the dry-run of its creation was refused"
        resolution = "Clear what refused it to see whether anything changes the set."
        yield Problem(subject, message, resolution, Severity.WARNING)
    elif fields := _differing(snapshot.statefulset, again):
        outcome = ", so every pod would restart" if "template" in fields else ""
        yield Problem(
            subject,
            f"a re-created set would come back with another {', '.join(fields)}{outcome}",
            "Find the admission webhook or default that changes it.",
        )


def _differing(statefulset: Raw, other: Raw) -> list[str]:
    one, other = spec_without_templates(statefulset), spec_without_templates(other)
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))

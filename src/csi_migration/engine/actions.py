"""The writes of a swap, each guarded by a last look of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from csi_migration.decide.manifests import claim_changes, with_claim_templates, with_handle
from csi_migration.engine.backup import save_before_deletion
from csi_migration.engine.companions import (
    missing_claims,
    require_others_ready,
    way_out_of_missing,
)
from csi_migration.engine.ownership import give_back_ownership
from csi_migration.engine.run import Run
from csi_migration.engine.ways_out import remove_the_set
from csi_migration.journal.record import ObjectRef
from csi_migration.kube import Resource, resources
from csi_migration.model.disk import Disk
from csi_migration.model.errors import NeedsPerson, ToolError
from csi_migration.model.events import Notice
from csi_migration.model.objects import Raw, name_of, resource_version_of, uid_of
from csi_migration.model.plan import ClaimPlan, ReplicaPlan
from csi_migration.model.seen import ClaimSeen, ReplicaSeen, Seen
from csi_migration.model.step import Act, Action

# CNS Manager's cleaner deletes orphaned disks whose name starts with "pvc-"
# (cloud-native-storage-self-service-manager: orphan_volumes.md).
_DISK_NAME_PREFIX = "sts"
_DISK_NAME_LIMIT = 80

# After looks that took longer, the Lease is looked at once more.
_GUARDED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """What an action writes to: the journal's reference and words for a person."""

    reference: ObjectRef
    words: str


class Actor:
    """Performs the actions on one replica.

    `last_set` looks at the StatefulSet as it stands, or was last seen, with all that
    the server wrote into it; `templates_of` is the set whose claim templates it comes
    back with.
    """

    def __init__(
        self, run: Run, replica: ReplicaPlan, last_set: Callable[[], Raw], templates_of: Raw
    ) -> None:
        self._run = run
        self._systems = run.systems
        self._plan = run.plan
        self._replica = replica
        self._last_set = last_set
        self._set_before = last_set()
        self._begun = 0.0
        self.templates_of = templates_of

    def target(self, act: Act, seen: ReplicaSeen) -> Target:
        """The object that the action is about."""
        if act.action in (Action.REGISTER_DISK, Action.PROTECT_DISK):
            return self._disk_target(act.claim)
        item, resource, name = self._object(act, seen)
        reference = ObjectRef(
            kind=resource.kind,
            name=name,
            namespace=resource.namespace_in(self._plan.namespace) or "",
            uid=item.uid,
            resource_version=item.resource_version,
        )
        return Target(reference, f"{resource.kind} {name}")

    def _object(self, act: Act, seen: ReplicaSeen) -> tuple[Seen, Resource, str]:
        match act.action:
            case Action.OPEN_WINDOW | Action.CLOSE_WINDOW:
                return seen.statefulset, resources.STATEFULSETS, self._plan.statefulset
            case Action.DELETE_POD | Action.CREATE_POD:
                return seen.pod, resources.PODS, self._replica.pod
            case Action.DELETE_VOLUME | Action.RESTORE_VOLUME:
                old = self._replica.claim(act.claim).old_volume
                return seen.claims[act.claim].old_volume, resources.VOLUMES, old
            case Action.CREATE_VOLUME | Action.DELETE_CSI_VOLUME:
                new = self._replica.claim(act.claim).new_volume
                return seen.claims[act.claim].new_volume, resources.VOLUMES, new
            case _:
                return seen.claims[act.claim].claim, resources.CLAIMS, act.claim

    def _disk_target(self, claim: str) -> Target:
        path = str(self._replica.claim(claim).file.path)
        return Target(ObjectRef(kind="VMDK", name=path), path)

    def parameters(self, act: Act) -> dict[str, Any]:
        """What the next run must know of this action if this one ends in the middle.

        The set is read anew, since what is deleted next has to be what comes back.
        """
        if act.action is not Action.OPEN_WINDOW:
            return {}
        self._set_before = self._last_set()
        return {"statefulset": self._set_before}

    def perform(self, act: Act, seen: ReplicaSeen) -> dict[str, str]:
        """Write it, right after `Run.guard`; return what the server answered, for the journal."""
        self._begun = time.monotonic()
        if act.claim:
            claim = self._replica.claim(act.claim)
            return self._perform_on_claim(act.action, claim, seen.claims[act.claim])
        match act.action:
            case Action.OPEN_WINDOW:
                return self._open_window()
            case Action.DELETE_POD:
                require_others_ready(self._run, self._replica)
                return self._delete_pod(seen.pod.uid)
            case Action.CREATE_POD:
                return self._create(resources.PODS, self._replica.pod_manifest)
            case Action.CLOSE_WINDOW:
                return create_statefulset(self._run, self._set_before, self.templates_of)
            case _:
                raise ValueError(f"{act.action} needs a claim")

    def _perform_on_claim(
        self, action: Action, claim: ClaimPlan, seen: ClaimSeen
    ) -> dict[str, str]:
        match action:
            case Action.REGISTER_DISK:
                return self._register(claim)
            case Action.PROTECT_DISK:
                return self._protect(claim, seen)
            case Action.DELETE_CLAIM:
                return self._delete_claim(claim, seen, claim.old_volume)
            case Action.DELETE_CSI_CLAIM:
                return self._delete_claim(claim, seen, claim.new_volume)
            case Action.DELETE_VOLUME:
                return self._delete_volume(claim.old_volume, seen.old_volume)
            case Action.DELETE_CSI_VOLUME:
                return self._delete_volume(claim.new_volume, seen.new_volume)
            case _:
                return self._create(*self._to_create(action, claim, seen))

    def _to_create(self, action: Action, claim: ClaimPlan, seen: ClaimSeen) -> tuple[Resource, Raw]:
        match action:
            case Action.CREATE_VOLUME:
                manifest = with_handle(claim.new_volume_manifest, _disk(claim, seen).id)
                return resources.VOLUMES, manifest
            case Action.RESTORE_VOLUME:
                return resources.VOLUMES, claim.old_volume_manifest
            case Action.CREATE_CLAIM:
                return resources.CLAIMS, claim.new_claim_manifest
            case Action.RESTORE_CLAIM:
                return resources.CLAIMS, claim.old_claim_manifest
            case _:
                raise ValueError(f"{action} is not about a claim")

    def _open_window(self) -> dict[str, str]:
        """Take away the very set that was read last, unless it could not come back."""
        missing = [each for each in missing_claims(self._run) if not self._makes_anew(each.name)]
        if missing:
            raise NeedsPerson(
                "the StatefulSet was not taken away, for it could not come back: "
                f"{', '.join(each.words for each in missing)}",
                resolution=way_out_of_missing(self._plan, missing),
            )
        self._guard_if_late()
        self._systems.client.delete(
            resources.STATEFULSETS,
            self._plan.statefulset,
            self._plan.namespace,
            uid=uid_of(self._set_before),
            resource_version=resource_version_of(self._set_before),
            propagation="Orphan",
        )
        return {}

    def _makes_anew(self, claim: str) -> bool:
        """Going back, this replica's claims come back whatever becomes of the present ones."""
        return self._run.goes_back and any(one.name == claim for one in self._replica.claims)

    def _register(self, claim: ClaimPlan) -> dict[str, str]:
        name = f"{_DISK_NAME_PREFIX}-{self._plan.namespace}-{claim.name}"[:_DISK_NAME_LIMIT]
        return {"diskId": self._systems.disks.register(claim.file, name)}

    def _protect(self, claim: ClaimPlan, seen: ClaimSeen) -> dict[str, str]:
        disk = _disk(claim, seen)
        self._systems.disks.protect(claim.file.datastore_id, disk.id)
        return {"diskId": disk.id}

    def _delete_claim(self, claim: ClaimPlan, seen: ClaimSeen, volume: str) -> dict[str, str]:
        side = seen.old_volume if volume == claim.old_volume else seen.new_volume
        self._require_retain(volume, side.uid)
        self._require_no_set()
        found = self._back_up(resources.CLAIMS, claim.name, seen.claim.uid)
        self._tell_what_is_lost(claim, found)
        return self._delete(resources.CLAIMS, claim.name, seen.claim)

    def _tell_what_is_lost(self, planned: ClaimPlan, found: Raw) -> None:
        """The claim comes back as it was backed up; what it became since is on disk only."""
        goes_back = self._run.goes_back
        to_come = planned.old_claim_manifest if goes_back else planned.new_claim_manifest
        if changes := claim_changes(found, to_come):
            text = (
                f"claim {planned.name} changed since it was backed up ({', '.join(changes)}) and "
                f"comes back as it was; as it is now it lies in {self._run.directory.path}"
            )
            self._run.tell(Notice("warning", text, self._replica.pod))

    def _delete_volume(self, name: str, seen: Seen) -> dict[str, str]:
        self._require_retain(name, seen.uid)
        self._back_up(resources.VOLUMES, name, seen.uid)
        return self._delete(resources.VOLUMES, name, seen)

    def _require_retain(self, name: str, uid: str) -> None:
        """The last look before a deletion that the wrong policy would turn into data loss."""
        volume = self._systems.client.find(resources.VOLUMES, name)
        if volume is None:
            raise NeedsPerson(
                f"volume {name} is gone, and its claim can't be seen to leave the disk alone",
                resolution="See in vCenter that the disk is there. Then delete the claim by hand, "
                "and take the migration up again.",
            )
        policy = volume["spec"]["persistentVolumeReclaimPolicy"]
        if policy != "Retain" or uid_of(volume) != uid:
            raise NeedsPerson(
                f"volume {name} (uid {uid_of(volume)}) has reclaim policy {policy}; "
                "deleting its claim could destroy the disk, so it was not deleted"
            )
        if not volume["spec"].get("claimRef"):
            raise NeedsPerson(
                f"volume {name} has lost its claimRef, and the deletion of such a CSI volume "
                "crashes the driver (3.6 and later), so it was not deleted"
            )

    def _back_up(self, resource: Resource, name: str, uid: str) -> Raw:
        """Nothing is deleted whose very uid is not in the working directory."""
        namespace = resource.namespace_in(self._plan.namespace)
        return save_before_deletion(
            self._systems.client,
            self._run.directory,
            resource,
            name,
            namespace=namespace,
            uid=uid,
        )

    def _require_no_set(self) -> None:
        """A live controller would fill the claim's place with an empty volume."""
        plan = self._plan
        found = self._systems.client.find(resources.STATEFULSETS, plan.statefulset, plan.namespace)
        if found:
            raise NeedsPerson(
                f"somebody created the StatefulSet again (uid {uid_of(found)}); "
                "no claim is deleted under its controller",
                resolution=remove_the_set(plan),
            )

    def _delete_pod(self, uid: str) -> dict[str, str]:
        """In whatever version: its kubelet may write its status at any time."""
        client, namespace = self._systems.client, self._plan.namespace
        self._guard_if_late()
        client.delete(resources.PODS, self._replica.pod, namespace, uid=uid)
        return {}

    def _delete(self, resource: Resource, name: str, seen: Seen) -> dict[str, str]:
        """What was looked at, and as it was: `lost_writes` relies on it."""
        self._guard_if_late()
        self._systems.client.delete(
            resource,
            name,
            resource.namespace_in(self._plan.namespace),
            uid=seen.uid,
            resource_version=seen.resource_version,
        )
        return {}

    def _guard_if_late(self) -> None:
        """A slow server may have let the Lease expire during the last looks."""
        if time.monotonic() - self._begun > _GUARDED_SECONDS:
            self._run.guard()

    def _create(self, resource: Resource, manifest: Raw) -> dict[str, str]:
        namespace = manifest["metadata"].get("namespace")
        created = self._systems.client.create(resource, manifest, namespace)
        self._run.made.add(uid_of(created))
        return _answer(created)


def _disk(claim: ClaimPlan, seen: ClaimSeen) -> Disk:
    if seen.disk is None:
        raise NeedsPerson(f"{claim.file.path} is no First Class Disk any more")
    return seen.disk


def create_statefulset(run: Run, set_before: Raw, templates_of: Raw) -> dict[str, str]:
    """Bring the set back, but only over claims that are all there.

    Raises:
        NeedsPerson: one is missing, and the controller would make an empty one.
    """
    missing = missing_claims(run)
    if missing:
        raise NeedsPerson(
            "the StatefulSet was not created, for its controller would run on an empty volume: "
            f"{', '.join(each.words for each in missing)}",
            resolution=way_out_of_missing(run.plan, missing),
        )
    run.guard()  # the list of all claims may have taken its time
    manifest = with_claim_templates(set_before, templates_of)
    created = run.systems.client.create(resources.STATEFULSETS, manifest, run.plan.namespace)
    run.made.add(uid_of(created))
    _give_back_the_fields(run, set_before, uid_of(created))
    return _answer(created)


def _give_back_the_fields(run: Run, set_before: Raw, uid: str) -> None:
    try:
        run.guard()
        give_back_ownership(run.systems.client, run.plan.namespace, set_before, uid, marked=True)
    except ToolError as error:
        text = f"the owners of the set's fields come back at the end only: {error.message}"
        run.tell(Notice("warning", text))


def _answer(created: Raw) -> dict[str, str]:
    return {
        "name": name_of(created),
        "uid": uid_of(created),
        "resourceVersion": resource_version_of(created),
    }

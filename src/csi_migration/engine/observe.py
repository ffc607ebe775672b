"""Looks at the replica in hand: what stands in the cluster, what vCenter holds."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import replace

from csi_migration.decide.todays_set import all_pods
from csi_migration.engine.facts import Facts
from csi_migration.engine.side_by_side import side_by_side
from csi_migration.engine.systems import Systems
from csi_migration.kube import Resource, resources
from csi_migration.model.disk import Disk
from csi_migration.model.objects import (
    CSI_DRIVER,
    REVISION_LABEL,
    Raw,
    class_of,
    controller_uid_of,
    has_left,
    is_made_here,
    is_managed_by,
    is_ready,
    is_terminating,
    labels_of,
    name_of,
    owners_of,
    resource_version_of,
    spec_changes,
    template_classes,
    uid_of,
)
from csi_migration.model.plan import ClaimPlan, MigrationPlan, ReplicaPlan
from csi_migration.model.seen import ClaimSeen, PodSeen, Presence, ReplicaSeen, Seen, SetSeen
from csi_migration.model.step import Look, LookAt
from csi_migration.vsphere.disks import holders_in

_IN_USE_PREFIXES = (f"kubernetes.io/csi/{CSI_DRIVER}^", "kubernetes.io/vsphere-volume/")
_STATEFULSET_CONTROLLER = "kube-controller-manager"
# Whether the other pods are there is looked at this often, and only while no
# controller does it.
_OTHERS_SECONDS = 1.0

Wanted = tuple[Resource, str]
Found = dict[Wanted, Raw | None]


class Observer:
    """Reads one replica anew at every call; `facts` outlive a call on purpose."""

    def __init__(
        self,
        systems: Systems,
        plan: MigrationPlan,
        replica: ReplicaPlan,
        *,
        made: Collection[str] = (),
        in_hand: Collection[str] = (),
        templates: list[Raw] | None = None,
    ) -> None:
        """Prepare to look.

        Args:
            systems: where to look.
            plan: the migration.
            replica: the one in hand.
            made: uids of all that this migration made, by its journal.
            in_hand: pods that are swapped at the same time; it may change.
            templates: the claim templates that the set has to end with.
        """
        self._systems = systems
        self._plan = plan
        self._replica = replica
        self._made = made
        self._in_hand = in_hand
        self._templates = templates
        self._pod_uids = {replica.pod_uid}
        self._nodes = {replica.node} - {""}
        self._others: tuple[float, tuple[str, ...]] = (-_OTHERS_SECONDS, ())
        self.facts = Facts()

    def observe(self) -> ReplicaSeen:
        """The set, the pod and the claims as they stand now.

        All are read at once: one after the other, a distant API server would be
        waited for a hundred times more while the replica is away.
        """
        found = self._found()
        statefulset = found[resources.STATEFULSETS, self._plan.statefulset]
        pod = found[resources.PODS, self._replica.pod]
        self.facts.follow_the_pod(is_there=pod is not None)
        return ReplicaSeen(
            statefulset=self._set_seen(statefulset),
            pod=self._pod_seen(pod, statefulset),
            claims={each.name: self._claim_seen(each, found) for each in self._replica.claims},
            attached_by=self.facts.attached_by,
            left_owned=self.facts.left_owned,
            others_gone=self._others_gone() if statefulset is None else (),
            strangers=tuple(self._strangers(statefulset)) if statefulset and not pod else (),
        )

    def _found(self) -> Found:
        wanted = [
            (resources.STATEFULSETS, self._plan.statefulset),
            (resources.PODS, self._replica.pod),
        ]
        for claim in self._replica.claims:
            wanted.append((resources.CLAIMS, claim.name))
            wanted += [(resources.VOLUMES, name) for name in (claim.old_volume, claim.new_volume)]
        return dict(zip(wanted, side_by_side(self._find, wanted), strict=True))

    def _find(self, wanted: Wanted) -> Raw | None:
        resource, name = wanted
        namespace = resource.namespace_in(self._plan.namespace)
        return self._systems.client.find(resource, name, namespace)

    def with_facts(self, seen: ReplicaSeen) -> ReplicaSeen:
        """The same objects with what was found out since."""
        return replace(
            seen,
            attached_by=self.facts.attached_by,
            left_owned=self.facts.left_owned,
            claims={name: self._with_facts(name, claim) for name, claim in seen.claims.items()},
        )

    def _with_facts(self, name: str, claim: ClaimSeen) -> ClaimSeen:
        return replace(
            claim,
            disk=self.facts.disks.get(name),
            disk_looked_up=name in self.facts.disks,
            registered=self.facts.registered.get(name),
        )

    def misses_others(self, seen: ReplicaSeen) -> bool:
        """Whether other pods vanished since, which the set that is away does not make again."""
        is_away = seen.statefulset.presence is Presence.ABSENT
        return is_away and self._others_gone() != seen.others_gone

    def _others_gone(self) -> tuple[str, ...]:
        looked, gone = self._others
        now = time.monotonic()
        if now - looked >= _OTHERS_SECONDS:
            found = self._systems.client.list(
                resources.PODS, self._plan.namespace, labels=self._plan.selector
            )
            stay = {name_of(pod) for pod in found if not has_left(pod)}
            expected = (pod for pod in all_pods(self._plan) if pod not in stay)
            own = {self._replica.pod, *self._in_hand}
            gone = tuple(name for name in expected if name not in own)
            self._others = (now, gone)
        return gone

    def _strangers(self, statefulset: Raw) -> Iterator[str]:
        """Without the set's labels it is not the set's, and its name is taken for good."""
        for name in self._others_gone():
            found = self._find((resources.PODS, name))
            if found and not has_left(found) and controller_uid_of(found) != uid_of(statefulset):
                yield f"pod {name} (uid {uid_of(found)})"

    def look(self, at: LookAt) -> None:
        """Find out what the decision asked for, into `facts`."""
        match at.look:
            case Look.ORPHANS:
                self.facts.left_owned = tuple(self._still_owned())
            case Look.ATTACHMENTS:
                self.facts.attached_by = self._attached_by()
            case Look.DISK:
                claim = self._replica.claim(at.claim)
                self.facts.disks[at.claim] = self._disk(claim, surely=at.surely)
            case Look.REGISTRATION:
                disk = self.facts.disks[at.claim]
                known = disk is not None and self._systems.cns.registered(disk.id)
                self.facts.registered[at.claim] = known

    # Kubernetes objects ---------------------------------------------------------

    def _set_seen(self, found: Raw | None) -> SetSeen:
        if found is None:
            return SetSeen(Presence.ABSENT)
        if uid_of(found) == self._plan.uid:
            presence = Presence.OLD
        else:
            presence = Presence.NEW if is_made_here(found, self._made) else Presence.FOREIGN
        return SetSeen(
            presence,
            uid_of(found),
            resource_version_of(found),
            is_terminating(found),
            spec_changes=spec_changes(found, self._plan.original),
            templates_differ=self._templates is not None
            and template_classes(found) != [class_of(each) for each in self._templates],
        )

    def _pod_seen(self, found: Raw | None, statefulset: Raw | None) -> PodSeen:
        if found is None:
            return PodSeen(Presence.ABSENT)
        owner = controller_uid_of(found)
        if statefulset and owner == uid_of(statefulset):
            self._pod_uids.add(uid_of(found))
        self._nodes |= {found["spec"].get("nodeName", "")} - {""}
        return PodSeen(
            self._pod_presence(found),
            uid_of(found),
            resource_version_of(found),
            is_terminating(found),
            owner=owner,
            ready=is_ready(found),
        )

    def _pod_presence(self, found: Raw) -> Presence:
        if uid_of(found) in self._pod_uids or self._is_the_controllers(found):
            return Presence.OLD
        return Presence.NEW if is_made_here(found, self._made) else Presence.FOREIGN

    def _is_the_controllers(self, pod: Raw) -> bool:
        """Whether the set's controller made it, as it does when a pod was replaced
        between two windows.
        """
        is_at_revision = labels_of(pod).get(REVISION_LABEL) == self._plan.revision
        return is_at_revision and is_managed_by(pod, _STATEFULSET_CONTROLLER)

    def _claim_seen(self, plan: ClaimPlan, found: Found) -> ClaimSeen:
        claim = found[resources.CLAIMS, plan.name]
        old = found[resources.VOLUMES, plan.old_volume]
        new = found[resources.VOLUMES, plan.new_volume]
        is_again = _names_volume(claim, plan.old_volume)
        seen = ClaimSeen(
            claim=self._seen(
                claim,
                plan.uid,
                is_again=is_again,
                names_new=_names_volume(claim, plan.new_volume),
            ),
            bound=_is_bound(claim, old if is_again else new),
            old_volume=self._seen(old, plan.old_volume_uid, is_again=_is_in_tree(old, plan)),
            retain=_is_retained(old),
            released=(_is_released(old, claim), _is_released(new, claim)),
            new_volume=self._seen(new, "", names_new=self._is_our_volume(new, plan)),
            new_retain=_is_retained(new),
        )
        if seen.new_volume.presence is Presence.NEW and new:
            self.facts.disk_ids[plan.name] = new["spec"]["csi"]["volumeHandle"]
        return self._with_facts(plan.name, seen)

    def _seen(
        self, found: Raw | None, old_uid: str, *, is_again: bool = False, names_new: bool = False
    ) -> Seen:
        """Whose object it is; `is_again` tells that it says what the old one said."""
        if found is None:
            return Seen(Presence.ABSENT)
        presence, is_ours = Presence.FOREIGN, is_made_here(found, self._made)
        if uid_of(found) == old_uid or (is_again and is_ours):
            presence = Presence.OLD
        elif names_new and is_ours:
            presence = Presence.NEW
        return Seen(presence, uid_of(found), resource_version_of(found), is_terminating(found))

    def _is_our_volume(self, volume: Raw | None, plan: ClaimPlan) -> bool:
        """Of a disk that was registered anew since the plan, only the journal tells the id."""
        if volume is None:
            return False
        handle = (volume["spec"].get("csi") or {}).get("volumeHandle", "")
        is_known = self._disk_id(plan) in ("", handle) or uid_of(volume) in self._made
        return bool(handle) and is_known

    def _still_owned(self) -> Iterator[str]:
        """Pods, revisions and claims that the garbage collector has not orphaned yet.

        It works on a cached graph, so one that was made a moment ago may be
        missed and later deleted as "owner absent" (kubernetes:
        garbagecollector.go:orphanDependents).
        """
        for resource in (resources.PODS, resources.CONTROLLER_REVISIONS, resources.CLAIMS):
            found = self._systems.client.list(
                resource, self._plan.namespace, labels=self._plan.selector
            )
            for item in found:
                if any(self._is_owner(owner) for owner in owners_of(item)):
                    yield f"{resource.kind.lower()}/{name_of(item)}"

    def _is_owner(self, owner: Raw) -> bool:
        wanted = ("StatefulSet", self._plan.statefulset)
        return (owner["kind"], owner["name"]) == wanted

    # Attachments and disks ------------------------------------------------------

    def _attached_by(self) -> tuple[str, ...]:
        """Everything that still holds a disk of the replica; vCenter is asked last.

        Kubernetes takes the in-tree volume and the CSI volume for two disks, so
        its own guard against attaching one disk twice does not hold here, and
        the driver's answer "detached" does not prove it either: only vCenter
        knows which VM has the disk.
        """
        return (
            tuple(self._volume_attachments())
            or tuple(self._nodes_using())
            or tuple(self._machines_holding())
        )

    def _volume_attachments(self) -> Iterator[str]:
        volumes = {v for c in self._replica.claims for v in (c.old_volume, c.new_volume)}
        self.facts.attachment = None
        for attachment in self._systems.client.list(resources.VOLUME_ATTACHMENTS, at_once=True):
            spec = attachment["spec"]
            if spec["source"].get("persistentVolumeName") in volumes:
                self._nodes.add(spec["nodeName"])
                self.facts.attachment = (name_of(attachment), resource_version_of(attachment))
                yield f"VolumeAttachment {name_of(attachment)} on node {spec['nodeName']}"

    def _nodes_using(self) -> Iterator[str]:
        for name in sorted(self._nodes):
            node = self._systems.client.find(resources.NODES, name)
            status = (node or {}).get("status", {})
            used = status.get("volumesInUse") or []
            used += [attached["name"] for attached in status.get("volumesAttached") or []]
            for claim in self._replica.claims:
                if any(self._is_volume(claim, entry) for entry in used):
                    yield f"node {name}, which still reports the volume of {claim.name} in use"

    def _is_volume(self, claim: ClaimPlan, entry: str) -> bool:
        handles = {claim.volume_path, self._disk_id(claim)} - {""}
        return any(entry == prefix + handle for prefix in _IN_USE_PREFIXES for handle in handles)

    def _machines_holding(self) -> Iterator[str]:
        disks = [(claim, self._disk(claim)) for claim in self._replica.claims]
        hardware = self._systems.disks.hardware()
        for claim, disk in disks:
            for holder in holders_in(hardware, claim.file.path, disk.id if disk else None):
                yield f"{holder}: {claim.file.path}"
            if disk and disk.consumers:
                yield f"vCenter's record of {', '.join(disk.consumers)} using disk {disk.id}"

    def _disk_id(self, claim: ClaimPlan) -> str:
        return self.facts.disk_ids.get(claim.name) or claim.disk_id

    def _disk(self, claim: ClaimPlan, *, surely: bool = False) -> Disk | None:
        disk_id = self._disk_id(claim)
        disks = self._systems.disks
        if disk_id:
            return disks.retrieve(claim.file.datastore_id, disk_id)
        found = disks.find_surely(claim.file) if surely else disks.find(claim.file)
        if found:
            self.facts.disk_ids[claim.name] = found.id
            self.facts.attached_by = None  # who holds it was asked without its id
        return found


def _is_in_tree(volume: Raw | None, plan: ClaimPlan) -> bool:
    source = volume["spec"].get("vsphereVolume") if volume else None
    return source is not None and source["volumePath"] == plan.volume_path


def _is_released(volume: Raw | None, claim: Raw | None) -> bool:
    """Whether the volume remembers a claim that is not the one that is there."""
    uid = ((volume or {}).get("spec", {}).get("claimRef") or {}).get("uid", "")
    return bool(uid) and (claim is None or uid_of(claim) != uid)


def _names_volume(claim: Raw | None, volume: str) -> bool:
    return claim is not None and claim["spec"].get("volumeName") == volume


def _is_retained(volume: Raw | None) -> bool:
    return volume is not None and volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def _is_bound(claim: Raw | None, volume: Raw | None) -> bool:
    """Both sides say Bound and name each other."""
    if claim is None or volume is None:
        return False
    phases = {item.get("status", {}).get("phase") for item in (claim, volume)}
    reference = volume["spec"].get("claimRef") or {}
    return (
        phases == {"Bound"}
        and _names_volume(claim, name_of(volume))
        and reference.get("uid") == uid_of(claim)
    )

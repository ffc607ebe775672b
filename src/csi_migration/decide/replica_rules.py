"""What holds for a replica whichever way it goes: forwards to CSI or back in-tree.

The order of a swap is not written down as a list of steps to tick off. Every
decision starts from what is seen now, so that a run which was killed anywhere
goes on from the same place as one which was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from csi_migration.model.plan import ClaimPlan, ReplicaPlan, Window
from csi_migration.model.seen import ClaimSeen, Presence, ReplicaSeen, Seen
from csi_migration.model.step import (
    Act,
    Action,
    AwaitIt,
    Look,
    LookAt,
    Refuse,
    Retreat,
    Step,
    Wait,
)

Decide = Callable[[ReplicaPlan, ReplicaSeen, Window], Step]
DecideOnClaim = Callable[[ClaimPlan, ClaimSeen], Step | None]


def is_untouched(plan: ReplicaPlan, seen: ReplicaSeen) -> bool:
    """Whether every claim and volume of the replica is still the in-tree one."""
    return all(is_in_place(seen.claims[claim.name]) for claim in plan.claims)


def is_in_tree(plan: ReplicaPlan, seen: ReplicaSeen) -> bool:
    """Whether every claim is bound to its in-tree volume, and no CSI volume is left."""
    return all(_is_in_tree(seen.claims[claim.name]) for claim in plan.claims)


def is_swapped(plan: ReplicaPlan, seen: ReplicaSeen) -> bool:
    """Whether every claim of the replica is bound to its CSI volume."""
    return all(_is_swapped(seen.claims[claim.name]) for claim in plan.claims)


def is_whole_on_csi(plan: ReplicaPlan, seen: ReplicaSeen) -> bool:
    """Whether every claim and CSI volume of the replica stands, and none is going away."""
    return all(_is_whole_on_csi(seen.claims[claim.name]) for claim in plan.claims)


def is_on_csi(plan: ReplicaPlan, seen: ReplicaSeen) -> bool:
    """Whether every claim and CSI volume is still there, be it on its way out.

    What somebody deletes under a running pod stays until the pod goes (kubernetes:
    pvcprotection/pvc_protection_controller.go).
    """
    claims = (seen.claims[claim.name] for claim in plan.claims)
    return all(
        item.presence is Presence.NEW for one in claims for item in (one.claim, one.new_volume)
    )


def is_in_place(claim: ClaimSeen) -> bool:
    """Whether the in-tree claim and its volume stand, and neither is going away."""
    return _stand(Presence.OLD, claim.claim, claim.old_volume)


def _is_in_tree(claim: ClaimSeen) -> bool:
    has_csi = claim.new_volume.presence is not Presence.ABSENT
    return is_in_place(claim) and claim.bound and not has_csi


def _is_swapped(claim: ClaimSeen) -> bool:
    return _stand(Presence.NEW, claim.claim) and claim.bound


def _is_whole_on_csi(claim: ClaimSeen) -> bool:
    return _stand(Presence.NEW, claim.claim, claim.new_volume)


def _stand(presence: Presence, *items: Seen) -> bool:
    return all(item.presence is presence and not item.terminating for item in items)


# What must not be there ------------------------------------------------------


def refusal(plan: ReplicaPlan, seen: ReplicaSeen) -> Refuse | None:
    """All that neither the backup nor this migration explains."""
    found = tuple(chain(set_refusals(seen), replica_refusals(plan, seen)))
    return Refuse("; ".join(found)) if found else None


def set_refusals(seen: ReplicaSeen) -> Iterator[str]:
    """What nothing explains about the StatefulSet."""
    if seen.statefulset.presence is Presence.FOREIGN:
        yield f"somebody else created the StatefulSet again (uid {seen.statefulset.uid})"
    elif seen.statefulset.spec_changes:
        yield spec_changed(seen.statefulset.spec_changes)


def replica_refusals(plan: ReplicaPlan, seen: ReplicaSeen) -> Iterator[str]:
    """What nothing explains about the replica's pod, claims and volumes."""
    yield from _foreign(f"pod {plan.pod}", seen.pod)
    for claim in plan.claims:
        yield from _claim_refusals(claim, seen.claims[claim.name])


def spec_changed(changes: tuple[str, ...]) -> str:
    """What a set's changed spec is called, wherever it is noticed."""
    return f"somebody changed the StatefulSet since it was backed up: {', '.join(changes)}"


def _claim_refusals(plan: ClaimPlan, seen: ClaimSeen) -> Iterator[str]:
    yield from _foreign(f"claim {plan.name}", seen.claim)
    yield from _foreign(f"volume {plan.old_volume}", seen.old_volume)
    yield from _foreign(f"volume {plan.new_volume}", seen.new_volume)
    if seen.old_volume.presence is Presence.OLD and not seen.retain:
        yield _no_longer_retain(plan.old_volume)
    if seen.new_volume.presence is Presence.NEW and not seen.new_retain:
        yield _no_longer_retain(plan.new_volume)


def wrong_disks(plan: ReplicaPlan, seen: ReplicaSeen) -> Refuse | None:
    """A claim's First Class Disk that is not the file that it is thought to be.

    Nothing may be made of it; what stands may still be given its pod and its set back.
    """
    found = [reason for claim in plan.claims for reason in _wrong(claim, seen.claims[claim.name])]
    return Refuse("; ".join(found)) if found else None


def unknown_disk(plan: ClaimPlan) -> Refuse:
    """A First Class Disk that must be there, and that a whole catalog does not show."""
    return Refuse(f"vCenter's catalog shows no First Class Disk of {plan.file.path}")


def deletions(plan: ReplicaPlan, seen: ReplicaSeen) -> Iterator[str]:
    """What somebody deletes while the replica stands on it: it can't be taken back.

    Forwards and for the set's templates that is the end; the way back is its cure.
    """
    is_running = seen.pod.presence is not Presence.ABSENT and not seen.pod.terminating
    for claim in plan.claims:
        found = seen.claims[claim.name]
        if is_running and found.claim.terminating:
            yield f"somebody is deleting claim {claim.name}, which goes when its pod goes"
        if found.new_volume.terminating and _stand(Presence.NEW, found.claim):
            yield f"somebody is deleting volume {claim.new_volume}, which goes when its claim goes"


def deletion(plan: ReplicaPlan, seen: ReplicaSeen) -> Refuse | None:
    """The same as a refusal."""
    found = tuple(deletions(plan, seen))
    return Refuse("; ".join(found)) if found else None


def _no_longer_retain(volume: str) -> str:
    return (
        f"the reclaim policy of volume {volume} is no longer Retain, and "
        "going on could destroy its disk"
    )


def _wrong(plan: ClaimPlan, seen: ClaimSeen) -> Iterator[str]:
    """A stale catalog names another disk (vsphere-csi-driver issue 3082), or a snapshot made
    a delta of it.
    """
    if seen.disk is not None and seen.disk.path != plan.file.path:
        yield f"First Class Disk {seen.disk.id} lies at {seen.disk.path}, not at {plan.file.path}"


def _foreign(what: str, item: Seen) -> Iterator[str]:
    if item.presence is Presence.FOREIGN:
        yield f"{what} (uid {item.uid}) was made by somebody else"


# The window opens, the pod goes, nothing holds its disks -----------------------


def others_first(seen: ReplicaSeen) -> Retreat | None:
    """A pod that vanished while the set is away is made again by the set's controller only."""
    if seen.others_gone and seen.statefulset.presence is Presence.ABSENT:
        return Retreat(vanished_words(seen.others_gone))
    return None


def vanished_words(pods: Sequence[str]) -> str:
    """Why the set has to come back for these pods."""
    return (
        f"{', '.join(pods)} vanished while the StatefulSet is away, "
        "and only its controller makes it again"
    )


def take_the_pod_away(seen: ReplicaSeen, *, is_whole: bool, needs_ready: bool) -> Step | None:
    """Open the window and stop the pod.

    `is_whole` tells that every claim still stands where the replica comes from;
    with `needs_ready`, a replica that is not Ready is waited for first.
    """
    if seen.statefulset.presence is not Presence.ABSENT:
        return _open_the_window(seen, is_whole=is_whole, needs_ready=needs_ready)
    if seen.pod.terminating:
        return await_pod_gone()
    if seen.pod.presence is Presence.ABSENT:
        return None
    if not is_whole:
        return Refuse("a pod runs although its claims are only half swapped")
    return orphans_first(seen) or Act(Action.DELETE_POD)


def await_pod_gone() -> AwaitIt:
    """Its own grace period, never less."""
    return AwaitIt(Wait.POD_GONE, "the pod is shutting down within its own grace period")


def _open_the_window(seen: ReplicaSeen, *, is_whole: bool, needs_ready: bool) -> Step:
    if not is_whole:
        return Refuse(
            "the StatefulSet is there while a claim is missing: "
            "its controller could provision an empty volume"
        )
    if seen.statefulset.terminating:
        return await_orphaned()
    return (await_ready(seen) if needs_ready else None) or Act(Action.OPEN_WINDOW)


def await_orphaned() -> AwaitIt:
    """The garbage collector works on the set's dependents one by one."""
    return AwaitIt(Wait.ORPHANED, "the garbage collector is orphaning the set's pods")


def orphans_first(seen: ReplicaSeen) -> Step | None:
    """Nothing may still carry the uid of the deleted set, or it is collected later."""
    if seen.left_owned is None:
        return LookAt(Look.ORPHANS)
    if seen.left_owned:
        return AwaitIt(
            Wait.ORPHANED, f"still owned by the deleted set: {', '.join(seen.left_owned)}"
        )
    return None


def await_detachment(seen: ReplicaSeen) -> Step | None:
    """Kubernetes takes the in-tree and the CSI volume for two disks: only this keeps one writer."""
    if seen.attached_by is None:
        return LookAt(Look.ATTACHMENTS)
    if seen.attached_by:
        return AwaitIt(Wait.DETACHED, f"still held by {', '.join(seen.attached_by)}")
    return None


# Claims and volumes -----------------------------------------------------------


def await_claim_gone(plan: ClaimPlan, seen: ClaimSeen) -> AwaitIt | None:
    """Whoever asked for its deletion."""
    if seen.claim.terminating:
        return AwaitIt(Wait.CLAIM_GONE, f"claim {plan.name} is going away", plan.name)
    return None


def delete_csi_volume(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    """A CSI volume that no claim can bind to goes, and its deletion is waited for."""
    if seen.new_volume.terminating:
        return AwaitIt(Wait.VOLUME_GONE, f"volume {plan.new_volume} is going away", plan.name)
    if seen.new_volume.presence is Presence.NEW:
        return Act(Action.DELETE_CSI_VOLUME, plan.name)
    return None


def delete_in_tree_volume(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    """The in-tree volume goes, and its deletion is waited for."""
    if seen.old_volume.terminating:
        return AwaitIt(Wait.VOLUME_GONE, f"volume {plan.old_volume} is going away", plan.name)
    if seen.old_volume.presence is Presence.OLD:
        return Act(Action.DELETE_VOLUME, plan.name)
    return None


def await_unregistered(plan: ClaimPlan, seen: ClaimSeen, whose: str) -> Step | None:
    """A volume made before CNS let go of the last one is un-registered with that one
    (vsphere-csi-driver: metadatasyncer.go:pvDeleted, external-attacher issue 460).
    """
    if seen.registered is None:
        return LookAt(Look.REGISTRATION, plan.name)
    if seen.registered:
        reason = f"CNS still has disk {id_of(seen)} as the {whose} volume's"
        return AwaitIt(Wait.UNREGISTERED, reason, plan.name)
    return None


def await_binding(plan: ClaimPlan, seen: ClaimSeen, volume: str) -> Step | None:
    """Both sides say Bound and name each other."""
    if not seen.bound:
        return AwaitIt(Wait.BOUND, f"claim {plan.name} is not bound to {volume} yet", plan.name)
    return None


def id_of(seen: ClaimSeen) -> str:
    """The FCD's id, in words when it is not known."""
    return seen.disk.id if seen.disk else "(not looked up)"


def first(plan: ReplicaPlan, seen: ReplicaSeen, decide: DecideOnClaim) -> Step | None:
    """The first claim's step, but what can be done at once goes before any wait."""
    steps = [step for c in plan.claims if (step := decide(c, seen.claims[c.name]))]
    at_once = [step for step in steps if not isinstance(step, AwaitIt)]
    return next(iter(at_once + steps), None)


def stage_by_stage(
    plan: ReplicaPlan, seen: ReplicaSeen, stages: tuple[DecideOnClaim, ...]
) -> Step | None:
    """Stage by stage over all claims, so that their waits run side by side."""
    steps = (first(plan, seen, stage) for stage in stages)
    return next((step for step in steps if step), None)


# The pod comes back, the window closes ----------------------------------------


def bring_the_pod_back(plan: ReplicaPlan, seen: ReplicaSeen, window: Window) -> Step | None:
    """Make the pod, then the set; None when the pod is Ready and has its controller.

    With a window for the whole run the set stays away, unless another pod needs
    its controller.
    """
    if seen.statefulset.terminating:
        return AwaitIt(Wait.ORPHANED, "the set is still going away, and would go unnoticed")
    if seen.pod.presence is Presence.ABSENT and seen.statefulset.presence is Presence.ABSENT:
        return Act(Action.CREATE_POD)
    if refused := _no_strangers(seen):
        return refused
    if window is Window.REPLICA or seen.others_gone:
        return close_the_window(plan, seen) or await_ready(seen)
    return await_ready(seen)


def close_the_window(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    """Bring the set back over claims that are all there, and see it take the pod."""
    if seen.statefulset.presence is Presence.ABSENT:
        return _missing_claim(plan, seen) or Act(Action.CLOSE_WINDOW)
    if seen.pod.presence is Presence.ABSENT:
        return AwaitIt(Wait.READY, "the StatefulSet's controller is making the pod")
    if seen.pod.owner != seen.statefulset.uid:
        return AwaitIt(Wait.ADOPTED, "the StatefulSet's controller has not adopted the pod yet")
    return None


def _no_strangers(seen: ReplicaSeen) -> Refuse | None:
    """An OrderedReady set makes no pod before all those with lower ordinals are there."""
    return Refuse(stranger_words(seen.strangers)) if seen.strangers else None


def stranger_words(pods: Sequence[str]) -> str:
    """Why the set's controller waits for ever, wherever it is noticed."""
    return (
        f"{', '.join(pods)} was made by somebody else, and the StatefulSet's controller "
        "can't make its own"
    )


def _missing_claim(plan: ReplicaPlan, seen: ReplicaSeen) -> Refuse | None:
    claims = ((c.name, seen.claims[c.name].claim) for c in plan.claims)
    missing = [name for name, c in claims if c.presence is Presence.ABSENT or c.terminating]
    if not missing:
        return None
    return Refuse(
        f"claim {', '.join(missing)} is missing or going away: the StatefulSet's "
        "controller could provision an empty volume"
    )


def await_ready(seen: ReplicaSeen) -> Step | None:
    """The pod's own readiness."""
    if seen.pod.ready:
        return None
    return AwaitIt(Wait.READY, "the pod is not Ready yet")

"""What a person does about the things that stop a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from csi_migration.model.objects import FEATURE_STATES
from csi_migration.model.plan import ClaimPlan, MigrationPlan, ReplicaPlan
from csi_migration.model.seen import ClaimSeen, Presence, ReplicaSeen
from csi_migration.model.step import AwaitIt, Wait

_CONTROLLERS = "See that the kube-controller-manager runs."
_SYNCER = "See that the CSI driver's syncer runs and what it says."
_OF_A_WAIT = {
    Wait.ORPHANED: _CONTROLLERS,
    Wait.POD_GONE: "See what keeps the pod: `kubectl -n {namespace} get pod {pod} -o yaml` "
    "(its finalizers, its node).",
    Wait.DETACHED: "See what keeps the volume attached: `kubectl get volumeattachments`, "
    "and the VM in vCenter.",
    Wait.CLAIM_GONE: "See which finalizer keeps the claim: "
    "`kubectl -n {namespace} get pvc {claim} -o jsonpath='{{.metadata.finalizers}}'`.",
    Wait.VOLUME_GONE: "See which finalizer keeps the volume: `kubectl get pv -o yaml`.",
    Wait.UNREGISTERED: f"{_SYNCER} With improved-volume-visibility in its ConfigMap "
    f'{FEATURE_STATES} it lets go of no volume: set it to "false". It does not make up for the '
    "volumes that are gone by then: take this disk's entry out of Cloud Native Storage and keep "
    "the disk (`govc volume.rm -keep ID`; without -keep that deletes it).",
    Wait.REGISTERED: _SYNCER,
    Wait.BOUND: "See why: `kubectl -n {namespace} describe pvc {claim}`.",
    Wait.ADOPTED: _CONTROLLERS,
    Wait.READY: "See why: `kubectl -n {namespace} describe pod {pod}`.",
}


def way_out_of_wait(plan: MigrationPlan, replica: ReplicaPlan, step: AwaitIt) -> str:
    """Where to look when a wait was too long."""
    return _OF_A_WAIT[step.wait].format(namespace=plan.namespace, pod=replica.pod, claim=step.claim)


def way_out(plan: MigrationPlan, replica: ReplicaPlan, seen: ReplicaSeen) -> str:
    """What clears the way of this replica, for what is seen; empty if nothing simple does."""
    return " ".join(_ways_out(plan, replica, seen))


def orphaning(plan: MigrationPlan) -> str:
    """The command that takes the set away and leaves its pods."""
    name = f"-n {plan.namespace} delete statefulset {plan.statefulset}"
    return f"`kubectl {name} --cascade=orphan`"


def remove_the_set(plan: MigrationPlan) -> str:
    """How a set that somebody else made goes away without its pods."""
    return (
        "Stop whatever makes the StatefulSet, then take it away without its pods: "
        f"{orphaning(plan)}."
    )


def remove_foreign(plan: MigrationPlan, objects: Sequence[str]) -> str:
    """How objects that somebody else made go away: each with its kind, as kubectl takes them."""
    commands = ", ".join(f"`kubectl -n {plan.namespace} delete {one}`" for one in objects)
    return f"See that nobody needs what is there now, then remove it: {commands}."


def remove_what_a_controller_made(plan: MigrationPlan, objects: Sequence[str]) -> str:
    """The same under a living set, whose controller would make them anew at once."""
    return (
        f"Take the StatefulSet away first, without its pods ({orphaning(plan)}, if it is there): "
        f"its controller would make them anew. {remove_foreign(plan, objects)}"
    )


def put_the_spec_back() -> str:
    """What to do about a set that was scaled or edited."""
    return "Set it back, and keep autoscalers and others off it until the migration has ended."


def _ways_out(plan: MigrationPlan, replica: ReplicaPlan, seen: ReplicaSeen) -> Iterator[str]:
    if seen.statefulset.presence is Presence.FOREIGN:
        yield remove_the_set(plan)
    elif seen.statefulset.spec_changes:
        yield put_the_spec_back()
    yield from _ways_out_of_foreign(plan, replica, seen)
    if seen.strangers:
        yield remove_foreign(plan, [stranger.partition(" (")[0] for stranger in seen.strangers])
    if any(_goes_from_csi(claim) for claim in seen.claims.values()):
        yield (
            "A deletion can't be taken back, but the disk stays: `rolling-migration rollback "
            f"--replica {replica.ordinal}` brings the replica back to its in-tree volumes, and "
            "`resume` migrates it anew."
        )
    if any(_lies_elsewhere(seen.claims[claim.name], claim) for claim in replica.claims):
        yield (
            "If a snapshot made it a delta, delete the snapshots of this disk and see that the "
            "delta is gone; if vCenter's catalog is stale, see `govc disk.ls -l` and "
            "`govc disk.ls -R`. Then run the same command again."
        )
    if any(_lost_retain(claim) for claim in seen.claims.values()):
        yield "Stop whatever changes the policy; the next run sets it to Retain before all else."


def _ways_out_of_foreign(
    plan: MigrationPlan, replica: ReplicaPlan, seen: ReplicaSeen
) -> Iterator[str]:
    bound = [name for name, each in seen.claims.items() if _is_foreign(each) and each.bound]
    for name in bound:
        yield (
            f"Claim {name} is bound to the volume of this migration, though the server does not "
            "say that this tool made it: do not delete it. See who wrote it."
        )
    claims = [f"pvc {name}" for name, each in seen.claims.items() if _is_foreign(each)]
    claims = [each for each in claims if each.removeprefix("pvc ") not in bound]
    is_foreign = seen.pod.presence is Presence.FOREIGN
    has_pod = seen.pod.presence is not Presence.ABSENT
    pod = [f"pod {replica.pod}"] if is_foreign or (claims and has_pod) else []
    if claims and seen.statefulset.presence is not Presence.ABSENT:
        yield remove_what_a_controller_made(plan, pod + claims)
    elif pod + claims:
        yield remove_foreign(plan, pod + claims)


def _lies_elsewhere(seen: ClaimSeen, claim: ClaimPlan) -> bool:
    return seen.disk is not None and seen.disk.path != claim.file.path


def _is_foreign(claim: ClaimSeen) -> bool:
    return claim.claim.presence is Presence.FOREIGN


def _goes_from_csi(claim: ClaimSeen) -> bool:
    is_new = claim.claim.presence is Presence.NEW
    return is_new and (claim.claim.terminating or claim.new_volume.terminating)


def _lost_retain(claim: ClaimSeen) -> bool:
    is_old = claim.old_volume.presence is Presence.OLD
    is_new = claim.new_volume.presence is Presence.NEW
    return (is_old and not claim.retain) or (is_new and not claim.new_retain)

"""Makes the plan that is shown, saved, and held against the world when it is begun."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from csi_migration.decide.differences import differences
from csi_migration.decide.estimate import estimate
from csi_migration.decide.outline import outline_steps
from csi_migration.decide.plan import plan_of
from csi_migration.decide.staleness import basis_of, moves
from csi_migration.engine.systems import Systems
from csi_migration.journal.saved_plan import SavedPlan, save_plan
from csi_migration.model.errors import Blocked, UsageError
from csi_migration.model.objects import Raw
from csi_migration.model.outline import Outline, PlannedDisk
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.snapshot import Request, Snapshot

_TOOL = "statefulset-csi-migration-tool"
_MOVES_TOLD = 10

Write = Callable[[Raw], str]


def outline_of(systems: Systems, snapshot: Snapshot, soak: float, write: Write) -> Outline:
    """The plan of a snapshot that passed preflight; `write` puts an object into text."""
    plan, at_once = plan_of(snapshot), snapshot.request.max_unavailable
    claims = [claim for replica in plan.replicas for claim in replica.claims]
    looks = {claim.name: snapshot.disks[claim.name] for claim in claims}
    disks = {name: look.disk for name, look in looks.items() if look.disk}
    retained = [c.old_volume for c in claims if c.reclaim_policy == "Retain"]
    return Outline(
        namespace=plan.namespace,
        statefulset=plan.statefulset,
        cluster=systems.client.server,
        window=snapshot.request.window.value,
        replicas=tuple(replica.pod for replica in plan.replicas),
        retained=tuple(retained),
        to_retain=tuple(c.old_volume for c in claims if c.old_volume not in retained),
        steps=tuple(outline_steps(plan, disks, snapshot.request.window, at_once)),
        max_unavailable=at_once,
        disks=tuple(_disks(plan)),
        differences=differences(snapshot, plan, write),
        estimate=estimate(
            snapshot.pods.values(),
            soak=soak,
            min_ready_seconds=plan.min_ready_seconds,
            at_once=at_once,
        ),
    )


def _disks(plan: MigrationPlan) -> list[PlannedDisk]:
    return [
        PlannedDisk(claim.name, str(claim.file.path), claim.disk_id, claim.file.capacity_bytes)
        for replica in plan.replicas
        for claim in replica.claims
    ]


def is_done(snapshot: Snapshot) -> bool:
    """Whether all its volumes are CSI volumes already: nothing is left to migrate."""
    names = [claim["spec"].get("volumeName", "") for claim in snapshot.claims.values()]
    volumes = [snapshot.volumes[name] for name in names if name in snapshot.volumes]
    return bool(names) and all(volume["spec"].get("csi") for volume in volumes)


# Saved plans -----------------------------------------------------------------------


def save(systems: Systems, snapshot: Snapshot, outline: Outline, path: Path) -> None:
    """Save the plan with what it rests on.

    Raises:
        UsageError: it can't be written there.
    """
    saved = SavedPlan(
        tool_version=version(_TOOL),
        cluster_uid=systems.cluster_uid(),
        request=_words(snapshot.request),
        basis=basis_of(snapshot),
        outline=outline,
    )
    save_plan(path, saved)


def require_fresh(systems: Systems, snapshot: Snapshot, saved: SavedPlan) -> None:
    """See that a saved plan was made for this request and that nothing has moved since.

    Raises:
        UsageError: it was made for another cluster, set, class or window.
        Blocked: the world has moved; the message names what.
    """
    asked = _words(snapshot.request)
    other = [
        f"{k}: {v} in the plan, {asked[k]} now"
        for k, v in saved.request.items()
        if asked.get(k) != v
    ]
    if saved.cluster_uid != systems.cluster_uid():
        other.append("it was made for another cluster")
    if other:
        raise UsageError(
            "the plan is not for what was asked",
            details="; ".join(other),
            state="Nothing was changed.",
            resolution="Give the flags of the plan, or make a new one.",
        )
    moved = list(moves(saved.basis, basis_of(snapshot)))
    if moved:
        more = [f"and {len(moved) - _MOVES_TOLD} more"] if len(moved) > _MOVES_TOLD else []
        raise Blocked(
            f"the plan is stale: {len(moved)} thing(s) have changed since it was made",
            details="\n".join([*moved[:_MOVES_TOLD], *more]),
            state="Nothing was changed.",
            resolution="Look at a new plan: `rolling-migration plan --out FILE`.",
        )


def _words(request: Request) -> dict[str, str]:
    return {
        "sts-namespace": request.namespace,
        "sts-name": request.statefulset,
        "intree-storageclass": request.intree_class,
        "csi-storageclass": request.csi_class,
        "window": request.window.value,
        "max-unavailable": str(request.max_unavailable),
    }

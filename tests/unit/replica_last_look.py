"""What the engine itself looks at once more, right before it deletes a claim or a volume."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from csi_migration.engine.actions import Actor
from csi_migration.engine.run import Run
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.plan import ReplicaPlan
from csi_migration.model.seen import Presence
from csi_migration.model.step import Act, Refuse
from tests.unit.memory_cluster import MemoryCluster, Raw
from tests.unit.replica_harm import DELETIONS
from tests.unit.replica_world import ABSENT, OLD, VolumeState, World, replica_plan


def last_look(plan: ReplicaPlan, world: World, act: Act) -> Refuse | None:
    """Why the engine does not do what was decided, if it does not."""
    side = DELETIONS.get(act.action)
    if side is None:
        return None
    claim = plan.claim(act.claim)
    name = claim.old_volume if side is OLD else claim.new_volume
    return _look(name, world.claim(act.claim).volume_of(side))


@cache
def _look(name: str, volume: VolumeState) -> Refuse | None:
    """The very code of the engine, on a server that has this volume."""
    cluster = MemoryCluster()
    if volume.presence is not ABSENT:
        cluster.put(resources.VOLUMES, _manifest(name, volume))
    run: Any = SimpleNamespace(systems=SimpleNamespace(client=cluster), plan=None)
    actor = Actor(cast(Run, run), replica_plan(), dict, {})
    try:
        actor._require_retain(name, f"uid-{name}")
    except NeedsPerson as error:
        return Refuse(error.message)
    return None


def _manifest(name: str, volume: VolumeState) -> Raw:
    policy = "Retain" if volume.retain else "Delete"
    reference = {} if volume.ref is None else {"claimRef": {"name": "claim"}}
    spec = {"persistentVolumeReclaimPolicy": policy} | reference
    uid = "another" if volume.presence is Presence.FOREIGN else f"uid-{name}"
    return {"metadata": {"name": name, "uid": uid}, "spec": spec}

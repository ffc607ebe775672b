"""Where each replica stands, by observation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from csi_migration.decide.replica_rules import is_in_tree, is_swapped, is_whole_on_csi
from csi_migration.engine.observe import Observer
from csi_migration.engine.run import Run
from csi_migration.model.plan import ReplicaPlan
from csi_migration.model.seen import Presence, ReplicaSeen


class Side(Enum):
    """Which volumes a replica's claims stand on."""

    IN_TREE = "in-tree"
    CSI = "CSI"
    BETWEEN = "between volumes"


@dataclass(frozen=True, slots=True)
class Standing:
    """One replica. `is_whole` tells that its claims are on one side and its pod is cared for,
    `is_away` that it has no pod, or one on its way out.
    """

    side: Side
    is_whole: bool
    is_ready: bool
    is_away: bool = False


def standings(run: Run) -> dict[str, Standing]:
    """Every replica of the plan, by pod name.

    Raises:
        KubernetesError: the cluster could not be read.
    """
    return {
        replica.pod: run.patiently(replica.pod, _observer(run, replica))
        for replica in run.plan.replicas
    }


def _observer(run: Run, replica: ReplicaPlan) -> Callable[[], Standing]:
    observer = Observer(run.systems, run.plan, replica, made=run.made)
    return lambda: standing_of(replica, observer.observe())


def standing_of(replica: ReplicaPlan, seen: ReplicaSeen) -> Standing:
    """Where a replica stands, from what is seen of it."""
    side = side_of(replica, seen)
    is_away = seen.pod.presence is Presence.ABSENT or seen.pod.terminating
    set_is_away = seen.statefulset.presence is Presence.ABSENT
    is_whole = side is not Side.BETWEEN and not (is_away and set_is_away)
    return Standing(side, is_whole, seen.pod.ready, is_away)


def side_of(replica: ReplicaPlan, seen: ReplicaSeen) -> Side:
    """Which volumes its claims stand on."""
    if is_in_tree(replica, seen):
        return Side.IN_TREE
    is_csi = is_swapped(replica, seen) and is_whole_on_csi(replica, seen)
    return Side.CSI if is_csi else Side.BETWEEN

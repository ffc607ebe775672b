"""The StatefulSets of a cluster that have in-tree volumes, one row each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What a quick look says about a set, in the order of what to do first."""

    UNDER_WAY = "under way"
    READY = "ready"
    TO_ACCEPT = "to accept"
    PARTLY = "partly on CSI"
    LEFT_OVER = "left over"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class SetRow:
    """One StatefulSet.

    Attributes:
        intree_class: the class of its in-tree volumes; the commonest if there are several.
        csi_class: the class it could have: the only one of the CSI driver, or the default
            one; empty if there is none.
        in_tree: how many of its replicas' volumes are in-tree.
        csi: how many of them are CSI volumes already.
        scaled_away: how many in-tree volumes belong to replicas that are no more.
        released: how many in-tree volumes were a claim's that is gone, or has another one.
        size_bytes: of all these in-tree volumes together.
        ready: how many replicas are Ready.
        replicas: how many it should have.
        findings: ids of the checks that stand in the way of the verdict `ready`.
        left: names of the in-tree volumes that are no replica's: scaled away or released.
        next: the command to type next.
    """

    namespace: str
    name: str
    intree_class: str
    csi_class: str
    in_tree: int
    csi: int
    scaled_away: int
    released: int
    size_bytes: int
    ready: int
    replicas: int
    verdict: Verdict
    findings: tuple[str, ...]
    left: tuple[str, ...]
    next: str


@dataclass(frozen=True, slots=True)
class LooseVolume:
    """An in-tree volume that belongs to no StatefulSet, and never did to one that is there;
    `namespace` and `claim` are empty when it names no claim.
    """

    name: str
    namespace: str
    claim: str
    storage_class: str
    size_bytes: int
    phase: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of a cluster, or of one namespace.

    Attributes:
        csi_classes: the names of the CSI driver's classes.
        csi_class: the one that the sets were looked at for; empty if nobody can tell.
        sees_migrations: whether migrations that have not ended could be looked for. If not,
            a set that is away for one has no row.
    """

    cluster: str
    csi_classes: tuple[str, ...]
    csi_class: str
    sets: tuple[SetRow, ...]
    loose: tuple[LooseVolume, ...]
    sees_migrations: bool = True

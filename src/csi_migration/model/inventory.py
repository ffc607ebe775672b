"""The StatefulSets of a cluster that have in-tree volumes, one row each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What a quick look says about a set, best first."""

    READY = "ready"
    TO_ACCEPT = "to accept"
    PARTLY = "partly on CSI"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class SetRow:
    """One StatefulSet.

    Attributes:
        intree_class: the class of its in-tree volumes; the commonest if there are several.
        csi_class: the class it could have; empty if the cluster has none or several.
        in_tree: how many of its volumes are in-tree.
        csi: how many are CSI volumes already.
        size_bytes: of its in-tree volumes together.
        ready: how many replicas are Ready.
        replicas: how many it should have.
        findings: ids of the checks that stand in the way of the verdict `ready`.
        next: the command to type next.
    """

    namespace: str
    name: str
    intree_class: str
    csi_class: str
    in_tree: int
    csi: int
    size_bytes: int
    ready: int
    replicas: int
    verdict: Verdict
    findings: tuple[str, ...]
    next: str


@dataclass(frozen=True, slots=True)
class LooseVolume:
    """An in-tree volume that belongs to no StatefulSet; `namespace` and `claim` are empty
    when no claim has it.
    """

    name: str
    namespace: str
    claim: str
    storage_class: str
    size_bytes: int
    phase: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of a cluster, or of one namespace."""

    cluster: str
    csi_classes: tuple[str, ...]
    sets: tuple[SetRow, ...]
    loose: tuple[LooseVolume, ...]

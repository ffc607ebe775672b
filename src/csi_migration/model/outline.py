"""What a migration will do, step by step, as a person reads it before it begins."""

from __future__ import annotations

from dataclasses import dataclass

from csi_migration.model.step import Action


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One write. `replica` is the pod's name, `claim` empty for the set and the pod."""

    replica: str
    action: Action
    claim: str = ""


@dataclass(frozen=True, slots=True)
class PlannedDisk:
    """The disk of a claim: `disk_id` is empty for a VMDK that is to be registered."""

    claim: str
    path: str
    disk_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Difference:
    """An object today and as it is to come, as lines of a unified diff of YAML.

    `replicas` are those of which it holds, but for their names, the one that is shown
    first; none for the set itself. With `unlike`, two objects to come are compared instead:
    that of the replica shown above, and this one's, the names of both as `…`.
    """

    subject: str
    lines: tuple[str, ...]
    replicas: tuple[str, ...] = ()
    unlike: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that one replica is away, at least and at most, and all of it together.

    `starts` are the observed seconds from a pod's creation until it was Ready; of
    `starts_in_part` of them, until its containers ran: those pods were not Ready in between,
    so nothing tells when they first were. `grace` is the time that a pod may take to stop,
    `hold` the wait after each swap.
    """

    away_least: float
    away_most: float
    whole_least: float
    whole_most: float
    starts: tuple[float, ...]
    grace: float
    hold: float
    starts_in_part: int = 0


@dataclass(frozen=True, slots=True)
class Outline:
    """The plan of a migration.

    Attributes:
        retained: volumes that are Retain already.
        to_retain: volumes that are to become Retain for the time of the migration.
        steps: every write in its order; those of the whole set bear no replica.
        differences: the set, and the objects of one replica of each kind.
        max_unavailable: how many replicas are swapped at once.
    """

    namespace: str
    statefulset: str
    cluster: str
    window: str
    replicas: tuple[str, ...]
    retained: tuple[str, ...]
    to_retain: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    disks: tuple[PlannedDisk, ...]
    differences: tuple[Difference, ...]
    estimate: Estimate
    max_unavailable: int = 1

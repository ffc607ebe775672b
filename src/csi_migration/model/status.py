"""Where a migration stands, as `rolling-migration status` tells it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RunState(StrEnum):
    """What has become of the last run."""

    AT_WORK = "at-work"
    FINISHED = "finished"
    STOPPED = "stopped"
    KILLED = "killed"
    """It ended without a word: no record of its end, and nobody renews its Lease."""


class SetState(StrEnum):
    """What stands under the StatefulSet's name."""

    IN_PLACE = "in-place"
    AWAY = "away"
    LEAVING = "leaving"
    FOREIGN = "foreign"
    """Neither the one that was backed up nor one that this migration made."""


class PodState(StrEnum):
    """What stands under a replica's name."""

    READY = "ready"
    NOT_READY = "not-ready"
    LEAVING = "leaving"
    AWAY = "away"
    FOREIGN = "foreign"


class StepKind(StrEnum):
    """What a next step is, as `model.step` has it."""

    ACT = "act"
    WAIT = "wait"
    REFUSE = "refuse"
    RETREAT = "retreat"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a run would do next to a replica, in words.

    `action` is the action's or the wait's name, empty for the other kinds; `claim`
    is empty when it is about the set or the pod.
    """

    kind: StepKind
    text: str
    action: str = ""
    claim: str = ""


@dataclass(frozen=True, slots=True)
class ClaimStatus:
    """One claim. `side` is `in-tree`, `CSI` or `between volumes`.

    `disk_id` is the First Class Disk's id, empty when the VMDK is none.
    """

    name: str
    side: str
    is_bound: bool
    in_tree_volume: str
    csi_volume: str
    disk_id: str
    disk_path: str


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """One replica, its next step forwards to CSI and its next step back."""

    ordinal: int
    pod: str
    pod_state: PodState
    side: str
    claims: tuple[ClaimStatus, ...]
    forwards: NextStep
    back: NextStep


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of this working directory.

    `exit_code` and `ended` are None and empty, and so is `told` (its own last words
    about the state of things), as long as no end was recorded.
    """

    command: str
    tool_version: str
    started: str
    state: RunState
    ended: str = ""
    exit_code: int | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """The Lease beside the set. `seconds` have passed since its last renewal.

    `is_alive` is False when its holder was a process of this machine that has
    ended, or missed its own deadline.
    """

    holder: str
    since: str
    seconds: float
    is_alive: bool


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Something that journal and cluster do not agree on, and what to do about it."""

    id: str
    subject: str
    message: str
    resolution: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """All of it. `lease` is None when there is none.

    `resume` and `rollback` are the commands to type next, empty when there is
    nothing left to do or a run is at work.
    """

    namespace: str
    statefulset: str
    cluster: str
    working_directory: str
    window: str
    last_run: LastRun
    lease: LeaseStatus | None
    set_state: SetState
    replicas: tuple[ReplicaStatus, ...]
    disagreements: tuple[Disagreement, ...]
    resume: str = ""
    rollback: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """A write that the journal knows.

    Attributes:
        action: an Action's name, or `set-policy-…`.
        kind: of the object written to; `VMDK` for a disk.
        name: its name; the datastore path for a disk.
        uid: what it had before the write; empty for one to be created.
        result: uid (or FCD id) that the server answered; empty if none.
        is_open: whether its outcome was never recorded.
        time: when it was announced.
    """

    action: str
    kind: str
    name: str
    uid: str
    result: str
    is_open: bool
    time: str

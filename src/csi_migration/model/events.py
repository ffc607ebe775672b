"""What a run tells the person and the machine that watch it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunStarted:
    """`replicas` are the pod names in the order of their swaps."""

    namespace: str
    statefulset: str
    window: str
    replicas: tuple[str, ...]
    working_directory: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A write or a check begins. `replica` is empty for steps of the whole run."""

    replica: str
    step: str
    title: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Still waiting, for `reason`, since `seconds`, at most `timeout` seconds."""

    replica: str
    step: str
    reason: str
    seconds: float
    timeout: float


@dataclass(frozen=True, slots=True)
class StepDone:
    """The step's effect was seen. `seconds` is how long it took."""

    replica: str
    step: str
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class VolumeMoved:
    """One claim of a replica and the volumes on both sides of its swap."""

    claim: str
    old_volume: str
    new_volume: str
    disk_id: str
    disk_path: str


@dataclass(frozen=True, slots=True)
class ReplicaDone:
    """The replica is Ready on the volumes that the run is after.

    `seconds_away` is from the pod's deletion until it was seen Ready again, None if
    another run stopped it; `side` is where its volumes are now, `CSI` or `in-tree`.
    """

    replica: str
    volumes: tuple[VolumeMoved, ...]
    seconds_away: float | None
    side: str = "CSI"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know; `level` is `info` or `warning`."""

    level: str
    text: str
    replica: str = ""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """`exit_code` as in ExitCode; `state` and `next` say where things stand."""

    exit_code: int
    summary: str
    state: str
    next: str
    seconds: float


Event = RunStarted | StepStarted | Waiting | StepDone | ReplicaDone | Notice | RunEnded

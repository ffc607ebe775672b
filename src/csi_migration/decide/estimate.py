"""How long a migration will take, from what the pods took the last time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from statistics import median

from csi_migration.model.objects import Raw
from csi_migration.model.outline import Estimate

_DEFAULT_GRACE_SECONDS = 30.0

# As long as a run waits for a replica (--ready-timeout): one that became Ready later than
# that after its containers ran was not Ready in between.
_LONGEST_START_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from a pod's creation until it was Ready; if not `was_ready`, until its
    containers ran, which is all that it still tells.
    """

    seconds: float
    was_ready: bool


def estimate(
    pods: Iterable[Raw], *, soak: float, min_ready_seconds: float, at_once: int = 1
) -> Estimate:
    """The least is a pod that stops at once and starts as the middle one did; the most is
    one that takes all of its own time to stop and starts as the slowest did.

    Without what no pod tells: how long it took to stop, detaching, attaching and the
    driver's own registration.
    """
    found = list(pods)
    seen = [start for pod in found if (start := start_of(pod)) is not None]
    starts = tuple(sorted(start.seconds for start in seen))
    graces = [
        float(pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS))
        for pod in found
    ]
    grace = max(graces, default=0.0)
    hold = max(soak, min_ready_seconds)
    least = median(starts) if starts else 0.0
    most = grace + max(starts, default=0.0)
    count = ceil(len(found) / at_once)
    return Estimate(
        away_least=least,
        away_most=most,
        whole_least=count * (least + hold),
        whole_most=count * (most + hold),
        starts=starts,
        grace=grace,
        hold=hold,
        starts_in_part=sum(not start.was_ready for start in seen),
    )


def start_of(pod: Raw) -> Start | None:
    """How long its start took; None for a pod that says nothing of it.

    Ready bears the time of its last change only. What is not believed of it is left
    out, so that a pod that was not Ready in between never makes a start longer.
    """
    created = _moment(pod["metadata"].get("creationTimestamp"))
    if created is None:
        return None
    ran, ready = max([created, *_containers_ran(pod)]), _ready_since(pod)
    until_ran = (ran - created).total_seconds()
    if ready and 0 <= (ready - ran).total_seconds() <= _LONGEST_START_SECONDS:
        return Start((ready - created).total_seconds(), was_ready=True)
    return Start(until_ran, was_ready=False) if ready or until_ran > 0 else None


def _containers_ran(pod: Raw) -> Iterator[datetime]:
    """When the kubelet took the pod, and when each container began that never restarted."""
    status = pod.get("status", {})
    moments = [_moment(status.get("startTime"))]
    for each in status.get("containerStatuses") or []:
        if not each.get("restartCount"):
            running = (each.get("state") or {}).get("running") or {}
            moments.append(_moment(running.get("startedAt")))
    yield from filter(None, moments)


def _ready_since(pod: Raw) -> datetime | None:
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "Ready" and condition["status"] == "True":
            return _moment(condition.get("lastTransitionTime"))
    return None


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None

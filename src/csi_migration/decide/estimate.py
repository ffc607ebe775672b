"""How long a migration will take, from what the pods took the last time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import ceil
from statistics import median

from csi_migration.model.objects import Raw
from csi_migration.model.outline import Estimate

_DEFAULT_GRACE_SECONDS = 30.0


def estimate(
    pods: Iterable[Raw], *, soak: float, min_ready_seconds: float, at_once: int = 1
) -> Estimate:
    """The least is a pod that stops at once and starts as the middle one did; the most is
    one that takes all of its own time to stop and starts as the slowest did.

    Without what no pod tells: detaching, attaching and the driver's own registration.
    """
    found = list(pods)
    starts = tuple(sorted(seconds for pod in found if (seconds := start_seconds(pod)) is not None))
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
    )


def start_seconds(pod: Raw) -> float | None:
    """From its creation until it became Ready; None for one that says nothing of it.

    One that was not Ready in between tells of a longer time than its start took.
    """
    created = _moment(pod["metadata"].get("creationTimestamp"))
    conditions = {c["type"]: c for c in pod.get("status", {}).get("conditions") or []}
    ready = _moment(conditions.get("Ready", {}).get("lastTransitionTime"))
    if created is None or ready is None:
        return None
    return max(0.0, (ready - created).total_seconds())


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None

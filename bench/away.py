"""From what was seen to how long each replica was away, and what that time went to: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bench.watching import ADDED, DELETED, Seen
from lab.workload import pod_ready

PHASES = (
    "terminating",
    "detaching",
    "converting",
    "unregistering",
    "binding",
    "creating",
    "starting",
)
# What whoever migrates takes; the rest are waits for the cluster, its driver and vCenter.
OWN_PHASES = ("converting", "creating")


@dataclass(frozen=True, slots=True)
class Span:
    """From `began` to `ended`, seconds since the epoch."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def overlap(self, other: Span) -> float:
        """Seconds that both have in common."""
        return max(0.0, min(self.ended, other.ended) - max(self.began, other.began))


@dataclass(frozen=True, slots=True)
class Absence:
    """From a pod's last Ready to its next.

    Attributes:
        phases: of PHASES, one after the other, without gaps; a phase that did not
            take place is empty.
        without_set: seconds that the StatefulSet was away while this pod's swap had
            it away: the spans that have more in common with this absence than with
            any other one.
        bindings: seconds from each new claim's creation until it is Bound.
    """

    pod: str
    span: Span
    phases: tuple[Span, ...]
    without_set: float = 0
    bindings: tuple[float, ...] = ()

    @property
    def seconds(self) -> float:
        return self.span.seconds


def absences(seen: Sequence[Seen], pods: Sequence[str]) -> list[Absence]:
    """Each time that one of these pods was not Ready, in their order.

    What has not ended yet, and what came before the pod was first Ready, is left out.
    """
    found = [
        Absence(pod, span, _phases(seen, pod, span), bindings=_bindings(seen, pod, span))
        for pod in pods
        for span in _away(seen, pod)
    ]
    return _with_windows(sorted(found, key=lambda one: one.span.began), windows(seen))


def windows(seen: Sequence[Seen]) -> list[Span]:
    """When there was no StatefulSet, or one that was on its way out."""
    sets = [one for one in seen if one.kind == "StatefulSet"]
    return list(_gaps(sets, lambda one: not one.leaves))


def _away(seen: Sequence[Seen], pod: str) -> list[Span]:
    mine = [one for one in seen if one.kind == "Pod" and one.name == pod]
    return list(_gaps(mine, lambda one: one.change != DELETED and pod_ready(one.item)))


def _gaps(seen: Sequence[Seen], well: Callable[[Seen], bool]) -> Iterator[Span]:
    """From where it ceases to be well to where it is well again."""
    since: float | None = None
    for before, now in pairwise(seen):
        if well(before) and not well(now):
            since = now.at
        elif well(now) and since is not None:
            yield Span(since, now.at)
            since = None


def _phases(seen: Sequence[Seen], pod: str, away: Span) -> tuple[Span, ...]:
    ends = [
        _last(seen, away, lambda one: _is(one, "Pod", pod, DELETED)),
        _last(seen, away, _detaches(_volumes(seen, pod, away))),
        _last(seen, away, _goes(pod, _volumes(seen, pod, away))),
        _last(seen, away, _volume_comes(pod)),
        _last(seen, away, _claim_binds(pod)),
        _last(seen, away, lambda one: _is(one, "Pod", pod, ADDED)),
        away.ended,
    ]
    spans, began = [], away.began
    for end in ends:
        spans.append(Span(began, max(began, end)))
        began = spans[-1].ended
    return tuple(spans)


def _is(one: Seen, kind: str, name: str, change: str) -> bool:
    return (one.kind, one.name, one.change) == (kind, name, change)


def _detaches(volumes: set[str]) -> Callable[[Seen], bool]:
    def detaches(one: Seen) -> bool:
        if (one.kind, one.change) != ("VolumeAttachment", DELETED):
            return False
        return one.item["spec"]["source"].get("persistentVolumeName") in volumes

    return detaches


def _goes(pod: str, volumes: set[str]) -> Callable[[Seen], bool]:
    """A claim of the pod, or a volume that the pod had."""

    def goes(one: Seen) -> bool:
        is_volume = one.kind == "PersistentVolume" and one.name in volumes
        return one.change == DELETED and (is_volume or _is_claim_of(one, pod))

    return goes


def _volume_comes(pod: str) -> Callable[[Seen], bool]:
    """A new volume that is meant for a claim of the pod."""

    def comes(one: Seen) -> bool:
        if (one.kind, one.change) != ("PersistentVolume", ADDED):
            return False
        return _is_claim_name(one.item["spec"].get("claimRef", {}).get("name", ""), pod)

    return comes


def _claim_binds(pod: str) -> Callable[[Seen], bool]:
    """Of the events of a claim that came in this time the first that says Bound."""
    came: set[str] = set()

    def binds(one: Seen) -> bool:
        if not _is_claim_of(one, pod):
            return False
        if one.change == ADDED:
            came.add(one.uid)
        if one.uid in came and one.item.get("status", {}).get("phase") == "Bound":
            came.remove(one.uid)
            return True
        return False

    return binds


def _bindings(seen: Sequence[Seen], pod: str, away: Span) -> tuple[float, ...]:
    mine = [one for one in seen if _is_claim_of(one, pod) and one.at >= away.began]
    came = {one.uid: one.at for one in mine if one.change == ADDED}
    bound: dict[str, float] = {}
    for one in mine:
        if one.uid in came and one.item.get("status", {}).get("phase") == "Bound":
            bound.setdefault(one.uid, one.at - came[one.uid])
    return tuple(bound.values())


def _is_claim_of(one: Seen, pod: str) -> bool:
    return one.kind == "PersistentVolumeClaim" and _is_claim_name(one.name, pod)


def _is_claim_name(name: str, pod: str) -> bool:
    """Not of a claim's copy under another name: only the set's own names count."""
    template, _, set_and_ordinal = name.partition("-")
    return bool(template) and set_and_ordinal == pod


def _volumes(seen: Sequence[Seen], pod: str, away: Span) -> set[str]:
    """The volumes that the pod's claims had before it went."""
    return {
        one.item["spec"]["volumeName"]
        for one in seen
        if _is_claim_of(one, pod) and one.at <= away.began and "volumeName" in one.item["spec"]
    }


def _last(seen: Sequence[Seen], within: Span, what: Callable[[Seen], bool]) -> float:
    """When it was seen last in this time; its beginning if it was not."""
    times = [one.at for one in seen if within.began <= one.at <= within.ended and what(one)]
    return max(times, default=within.began)


def _with_windows(found: list[Absence], away: list[Span]) -> list[Absence]:
    shares = [0.0] * len(found)
    for window in away:
        best = max(range(len(found)), key=lambda at: window.overlap(found[at].span), default=None)
        if best is not None and window.overlap(found[best].span):
            shares[best] += window.seconds
    return [replace(one, without_set=share) for one, share in zip(found, shares, strict=True)]

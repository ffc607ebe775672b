"""What a watch shows of a swap, in few words."""

from __future__ import annotations

from typing import Any

from bench.away import PHASES, Absence, Span
from bench.bed import Run
from bench.calls import Call
from bench.usage import Usage
from bench.watching import Seen
from lab.manifests import Workload

Item = dict[str, Any]


def seen(at: float, kind: str, change: str, name: str, uid: str = "1", **fields: Any) -> Seen:
    leaving = {"deletionTimestamp": "now"} if fields.pop("leaving", False) else {}
    metadata = {"name": name, "uid": uid, **leaving}
    return Seen(at, kind, change, {"metadata": metadata, **fields})


def pod(at: float, change: str, name: str, *, ready: bool, uid: str = "1") -> Seen:
    status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    return seen(at, "Pod", change, name, uid, status=status)


def claim(at: float, change: str, name: str, volume: str, *, uid: str, phase: str) -> Seen:
    rest: Item = {"spec": {"volumeName": volume}, "status": {"phase": phase}}
    return seen(at, "PersistentVolumeClaim", change, name, uid, **rest)


def attachment(at: float, change: str, volume: str) -> Seen:
    source = {"source": {"persistentVolumeName": volume}}
    return seen(at, "VolumeAttachment", change, f"csi-{volume}", spec=source)


def volume(at: float, claim: str) -> Seen:
    return seen(at, "PersistentVolume", "ADDED", "new", spec={"claimRef": {"name": claim}})


def swap(begins: float, name: str = "web-1") -> list[Seen]:
    """One replica's swap, ten seconds long; the set goes a second before it, for six seconds."""
    return [
        seen(begins - 9, "StatefulSet", "THERE", "web"),
        pod(begins - 9, "THERE", name, ready=True),
        claim(begins - 9, "THERE", f"data-{name}", "old", uid="c1", phase="Bound"),
        seen(begins - 1, "StatefulSet", "MODIFIED", "web", leaving=True),
        seen(begins - 0.9, "StatefulSet", "DELETED", "web"),
        pod(begins, "MODIFIED", name, ready=False),
        pod(begins + 1, "DELETED", name, ready=False),
        attachment(begins + 3, "DELETED", "old"),
        claim(begins + 3.5, "DELETED", f"data-{name}", "old", uid="c1", phase="Bound"),
        seen(begins + 3.6, "PersistentVolume", "DELETED", "old", spec={}),
        volume(begins + 3.9, f"data-{name}"),
        claim(begins + 4, "ADDED", f"data-{name}", "new", uid="c2", phase="Pending"),
        claim(begins + 4.5, "MODIFIED", f"data-{name}", "new", uid="c2", phase="Bound"),
        pod(begins + 4.6, "ADDED", name, ready=False, uid="2"),
        seen(begins + 5, "StatefulSet", "ADDED", "web", "2"),
        claim(begins + 6, "MODIFIED", f"data-{name}", "new", uid="c2", phase="Bound"),
        pod(begins + 10, "MODIFIED", name, ready=True, uid="2"),
    ]


def absence(
    began: float,
    *seconds: float,
    pod: str = "web-0",
    without_set: float = 0,
    bindings: tuple[float, ...] = (),
) -> Absence:
    """Phases of these seconds, one after the other; those left out took none."""
    spans, at = [], began
    for each in (*seconds, *[0] * (len(PHASES) - len(seconds))):
        spans.append(Span(at, at + each))
        at += each
    return Absence(pod, Span(began, at), tuple(spans), without_set, bindings)


def run(
    *absences: Absence, calls: tuple[Call, ...] = (), wall: float = 10, replicas: int = 1
) -> Run:
    windows = [Span(one.span.began, one.span.began + one.without_set) for one in absences]
    return Run(
        Workload(namespace="bench", replicas=replicas),
        Span(0, wall),
        list(absences),
        [window for window in windows if window.seconds],
        list(calls),
        Usage(wall, 0.5, 40),
    )

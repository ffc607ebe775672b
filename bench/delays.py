"""How long the lab's played parts and vCenter take in the benchmark, and how that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_METRICS = "github.com/kubernetes-sigs/vsphere-csi-driver/pull/656"
_POD_STARTS = "github.com/knative/serving/issues/2484"
KUBERNETES_CALL = "kubernetes_call"


@dataclass(frozen=True, slots=True)
class Delay:
    """One of the lab's delays; `source` says where the seconds are from."""

    name: str
    seconds: float
    what: str
    source: str


TABLE = (
    Delay(
        "pod_stop",
        1.0,
        "from the pod's deletion to the end of its process",
        "assumed: a database that closes its files at once; the grace period allows 30 s",
    ),
    Delay(
        "unmount",
        0.5,
        "unmounting; once before the pod is gone, once before the node gives the volume up",
        "assumed, and short: a kubelet tells the volumes in use with its node status only",
    ),
    Delay(
        "detach",
        3.3,
        "vCenter takes a disk from a VM",
        f"{_METRICS}: the median; of 65, 30 took up to 3 s and 40 up to 4 s",
    ),
    Delay(
        "attach",
        3.5,
        "vCenter gives a disk to a VM",
        f"{_METRICS}: the median of the 56 that took up to 7 s; 21 took up to 3 s, 36 up to 4 s",
    ),
    Delay(
        "pod_start",
        2.0,
        "from the attached disk to Ready",
        f"{_POD_STARTS}: about 2 s on an idle node; Kubernetes' objective is 5 s at most",
    ),
    Delay(
        "syncer",
        0.05,
        "from a volume's event to the syncer's call",
        "seen on driver 3.7.3 over loopback: 0.03 to 0.11 s",
    ),
    Delay(
        "unregister",
        0.5,
        "CNS forgets a volume and keeps its disk",
        "assumed: a task of vCenter that writes to its database",
    ),
    Delay(
        "register",
        0.5,
        "CNS learns of a disk; also RegisterDisk of a disk that is no First Class Disk yet",
        "assumed, likewise",
    ),
    Delay(
        "call",
        0.02,
        "the way of each call to vCenter and back",
        "assumed: a vCenter in the same site",
    ),
    Delay(
        KUBERNETES_CALL,
        0.0,
        "the way of each call to the user cluster's API server and back",
        "none: on the same machine; what the API server itself takes is real",
    ),
    Delay(
        "record_interval",
        0.5,
        "from one record of a pod to its next",
        "the lab's own; the many sets that wait for their turn shall not cost processor time",
    ),
)


def given(text: str) -> dict[str, float]:
    """All delays, those of `NAME=SECONDS,…` in place of the table's.

    Raises:
        ValueError: no such delay, or no number of seconds.
    """
    delays = {each.name: each.seconds for each in TABLE}
    for part in filter(None, text.split(",")):
        name, _, seconds = part.partition("=")
        if name not in delays:
            raise ValueError(f"there is no delay {name!r}; there are {', '.join(delays)}")
        delays[name] = float(seconds)
    return delays


def of_the_driver(delays: Mapping[str, float], claims: int) -> float:
    """Seconds that no swap can avoid besides a restart.

    The old volume is taken out of CNS, then the new one is registered, each after the syncer
    has heard of it. The syncer has one volume at a time under work.
    """
    return claims * (2 * delays["syncer"] + delays["unregister"] + delays["register"])

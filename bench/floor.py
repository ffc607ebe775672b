"""The floor: a plain restart of a pod, its disk detached from one node and attached to another."""

from __future__ import annotations

import subprocess

from bench.bed import Bed
from bench.usage import Usage
from lab.client import Object
from lab.manifests import Workload
from lab.waiting import until
from lab.workload import pod_ready


def restart_all(bed: Bed, workload: Workload) -> Usage | None:
    """Delete one pod after the other, and wait until its successor is Ready.

    A pod that comes back to its node finds its disk there, so the node is cordoned.
    """
    for pod in reversed(workload.pod_names):
        _restart(bed, workload, pod)
    return None


def _restart(bed: Bed, workload: Workload, pod: str) -> None:
    before = bed.user.get("Pod", pod, workload.namespace)
    node = before["spec"]["nodeName"]
    _cordon(bed, node, cordoned=True)
    command = ["kubectl", "--namespace", workload.namespace, "delete", "pod", pod, "--wait=false"]
    with bed.by_hand() as environment:
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    until(f"{pod} Ready again", lambda: _is_back(bed, before))
    _cordon(bed, node, cordoned=False)


def _is_back(bed: Bed, before: Object) -> bool:
    metadata = before["metadata"]
    now = bed.user.find("Pod", metadata["name"], metadata["namespace"])
    return now is not None and now["metadata"]["uid"] != metadata["uid"] and pod_ready(now)


def _cordon(bed: Bed, node: str, *, cordoned: bool) -> None:
    bed.user.patch("Node", node, {"spec": {"unschedulable": cordoned}})

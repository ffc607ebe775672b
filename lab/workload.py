"""Brings a StatefulSet on in-tree volumes to life, and takes it away again."""

from __future__ import annotations

import shutil
from typing import Any

from lab import manifests
from lab.client import Cluster, Object, suppress_not_found
from lab.layout import Layout
from lab.manifests import Workload
from lab.situation import told
from lab.vcenter import disks
from lab.waiting import until

_NUDGE_SECONDS = 0.2


def create(cluster: Cluster, vcenter: dict[str, Any], workload: Workload) -> None:
    """Namespace, disks, volumes, claims, Service, budget and set; waits until Ready.

    Raises:
        TimeoutError: a claim was not Bound or a pod not Ready in time; says how the
            namespace stands.
    """
    with told(cluster, workload.namespace):
        _create(cluster, vcenter, workload)


def _create(cluster: Cluster, vcenter: dict[str, Any], workload: Workload) -> None:
    _namespace(cluster, workload.namespace)
    if workload.origin != "dynamic":
        _static_volumes(cluster, vcenter, workload)
    for item in manifests.beside(workload):
        cluster.create(item)
    cluster.create(manifests.statefulset(workload))
    until(f"{workload.name} Ready", lambda: ready(cluster, workload))
    # They count after minReadySeconds only, and when their controller has seen it.
    until(f"{workload.name} available", lambda: available(cluster, workload))
    if workload.origin == "dynamic":
        _set_reclaim_policy(cluster, workload)


def clear(
    layout: Layout, cluster: Cluster, namespace: str, *, detaching_seconds: float = 10
) -> None:
    """Take away all workloads of a namespace, their volumes and ledgers; the disks stay.

    Volumes whose disks have not left their nodes after so many seconds go all the same, and
    such a disk stays on its VM for good.

    The namespace itself goes in its own time: its controller waits out the
    grace period of pods that it saw.
    """
    with told(cluster, namespace):
        for kind in ("StatefulSet", "Pod", "PersistentVolumeClaim"):
            _retain(cluster, namespace)
            _delete_all(cluster, kind, namespace)
        _delete_volumes(cluster, namespace, detaching_seconds)
    shutil.rmtree(layout.evidence / "records" / namespace, ignore_errors=True)
    # Another workload of the same namespace may have been cleared before.
    with suppress_not_found():
        cluster.delete("Namespace", namespace)


def ready(cluster: Cluster, workload: Workload) -> bool:
    """Whether every replica's pod is Ready and not on its way out."""
    pods = {pod["metadata"]["name"]: pod for pod in cluster.list("Pod", workload.namespace)}
    return all(pod_ready(pods.get(name)) for name in workload.pod_names)


def available(cluster: Cluster, workload: Workload) -> bool:
    """Whether controllers count every replica: the set's as available, the budgets' as healthy."""
    status = cluster.get("StatefulSet", workload.name, workload.namespace).get("status", {})
    budgets = cluster.list("PodDisruptionBudget", workload.namespace)
    counted = status.get("availableReplicas", 0) == workload.replicas
    return bool(counted and all(map(_is_met, budgets)))


def _is_met(budget: Object) -> bool:
    status = budget.get("status", {})
    seen = status.get("observedGeneration") == budget["metadata"]["generation"]
    return bool(seen and status.get("currentHealthy") == status.get("expectedPods"))


def pod_ready(pod: Object | None) -> bool:
    """Whether the pod exists, is Ready and is not on its way out."""
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def volumes(cluster: Cluster, workload: Workload) -> dict[str, Object]:
    """The PersistentVolume of each claim of the set; unbound claims are left out."""
    found = {}
    for name in workload.claim_names:
        claim = cluster.find("PersistentVolumeClaim", name, workload.namespace)
        if claim and claim["spec"].get("volumeName"):
            found[name] = cluster.get("PersistentVolume", claim["spec"]["volumeName"])
    return found


def _retain(cluster: Cluster, namespace: str) -> None:
    patch = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    for volume in _volumes_of(cluster, namespace):
        # The provisioner may be destroying it at this very moment.
        with suppress_not_found():
            cluster.patch("PersistentVolume", volume["metadata"]["name"], patch)


def _delete_all(cluster: Cluster, kind: str, namespace: str) -> None:
    for one in cluster.list(kind, namespace):
        with suppress_not_found():
            cluster.delete(kind, one["metadata"]["name"], namespace)
    until(f"no {kind} in {namespace}", lambda: not cluster.list(kind, namespace))


def _delete_volumes(cluster: Cluster, namespace: str, seconds: float) -> None:
    names = [volume["metadata"]["name"] for volume in _volumes_of(cluster, namespace)]
    for name in names:
        with suppress_not_found():
            cluster.delete("PersistentVolume", name)

    def all_gone() -> bool:
        # By name, and one is enough: a list tells of all namespaces.
        return not any(cluster.find("PersistentVolume", name) for name in names)

    gone = f"volumes of {namespace} gone"
    try:
        until(gone, all_gone, seconds=seconds, pause=0.3)
    except TimeoutError:
        # What a broken migration leaves, the driver can never detach: its volume
        # is no longer registered. By hand one would do the same.
        _strip_finalizers(cluster, namespace)
    until(gone, lambda: not _volumes_of(cluster, namespace))


def _strip_finalizers(cluster: Cluster, namespace: str) -> None:
    stuck = {volume["metadata"]["name"] for volume in _volumes_of(cluster, namespace)}
    for attachment in cluster.list("VolumeAttachment"):
        if attachment["spec"]["source"].get("persistentVolumeName") in stuck:
            name = attachment["metadata"]["name"]
            _without_finalizers(cluster, "VolumeAttachment", name)
            with suppress_not_found():
                cluster.delete("VolumeAttachment", name)
    for name in stuck:
        _without_finalizers(cluster, "PersistentVolume", name)


def _without_finalizers(cluster: Cluster, kind: str, name: str) -> None:
    with suppress_not_found():
        cluster.patch(kind, name, {"metadata": {"finalizers": None}})


def _volumes_of(cluster: Cluster, namespace: str) -> list[Object]:
    found = cluster.list("PersistentVolume")
    return [one for one in found if one["spec"].get("claimRef", {}).get("namespace") == namespace]


def _namespace(cluster: Cluster, name: str) -> None:
    """Make it, once an older one of that name has gone."""
    until(f"namespace {name} gone", lambda: not _terminating(cluster, name))
    if cluster.find("Namespace", name) is None:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    until(f"ServiceAccount in {name}", lambda: _account(cluster, name))


def _terminating(cluster: Cluster, name: str) -> bool:
    found = cluster.find("Namespace", name)
    return found is not None and "deletionTimestamp" in found["metadata"]


def _account(cluster: Cluster, namespace: str) -> bool:
    return cluster.find("ServiceAccount", "default", namespace) is not None


def _static_volumes(cluster: Cluster, vcenter: dict[str, Any], workload: Workload) -> None:
    made = {name: manifests.volume(workload, name) for name in workload.claim_names}
    with disks(vcenter) as datacenter:
        for volume in made.values():
            path = volume["spec"]["vsphereVolume"]["volumePath"]
            datacenter.create(path, manifests.mebibytes(volume))
    for name, volume in made.items():
        cluster.create(volume)
        cluster.create(manifests.claim(workload, name, volume["metadata"]["name"]))
    for name in made:
        _bind(cluster, name, workload.namespace)


def _bind(cluster: Cluster, name: str, namespace: str) -> None:
    """Touch the claim until it is Bound: the volume controller drops a conflict
    between two of its workers and comes back to it after 15 s only.
    """
    kind, nudge = "PersistentVolumeClaim", 0

    def bound() -> bool:
        nonlocal nudge
        if cluster.get(kind, name, namespace)["status"].get("phase") == "Bound":
            return True
        nudge += 1
        _annotate(cluster, name, namespace, str(nudge))
        return False

    until(f"claim {name} Bound", bound, pause=_NUDGE_SECONDS)
    if nudge:
        _annotate(cluster, name, namespace, None)


def _annotate(cluster: Cluster, name: str, namespace: str, value: str | None) -> None:
    patch = {"metadata": {"annotations": {"lab/nudge": value}}}
    cluster.patch("PersistentVolumeClaim", name, patch, namespace)


def _set_reclaim_policy(cluster: Cluster, workload: Workload) -> None:
    patch = {"spec": {"persistentVolumeReclaimPolicy": workload.reclaim_policy}}
    for volume in volumes(cluster, workload).values():
        cluster.patch("PersistentVolume", volume["metadata"]["name"], patch)

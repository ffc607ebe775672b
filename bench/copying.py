"""What copying tools do: scale down, copy each volume's bytes to a new CSI volume, scale up.

In this method's favour: no pod that copies has to be started or stopped, no disk to be attached
to it, all volumes of a set are copied side by side, and the bytes go from a local file to
another as fast as this machine's disk takes them.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.bed import Bed
from bench.usage import Usage
from lab.client import Cluster, Object
from lab.inspection import flat_file
from lab.manifests import Workload
from lab.vcenter import disks
from lab.waiting import until
from lab.workload import ready, volumes

_CLASS = "standard-rwo"
_MEBIBYTE = 1 << 20


def copy_all(bed: Bed, workload: Workload, mebibytes: int) -> Usage | None:
    """Move the set's claims to copies of their volumes; each copy writes that many MiB."""
    old = volumes(bed.user, workload)
    _scale(bed.user, workload, 0)
    names = {volume["metadata"]["name"] for volume in old.values()}
    until("all pods gone", lambda: not bed.user.list("Pod", workload.namespace))
    until("all disks detached", lambda: not _attached(bed.user, names))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda claim: _copy(bed, workload, claim, old[claim], mebibytes), old))
    _scale(bed.user, workload, workload.replicas)
    until(f"{workload.name} Ready", lambda: ready(bed.user, workload))
    return None


def _scale(cluster: Cluster, workload: Workload, replicas: int) -> None:
    body = {"spec": {"replicas": replicas}}
    cluster.patch("StatefulSet", workload.name, body, workload.namespace, "scale")


def _attached(cluster: Cluster, names: set[str]) -> bool:
    sources = (one["spec"]["source"] for one in cluster.list("VolumeAttachment"))
    return any(source.get("persistentVolumeName") in names for source in sources)


def _copy(bed: Bed, workload: Workload, claim: str, old: Object, mebibytes: int) -> None:
    new = _provisioned(bed.user, workload, f"copy-{claim}")
    _copy_bytes(bed, old, new, mebibytes)
    for volume in (old, new):
        patch = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
        bed.user.patch("PersistentVolume", volume["metadata"]["name"], patch)
    for name in (claim, f"copy-{claim}"):
        bed.user.delete("PersistentVolumeClaim", name, workload.namespace)
        until(f"{name} gone", lambda name=name: not _claim(bed.user, workload, name))  # type: ignore[misc]
    _hand_over(bed.user, workload, claim, new["metadata"]["name"])


def _claim(cluster: Cluster, workload: Workload, name: str) -> Object | None:
    return cluster.find("PersistentVolumeClaim", name, workload.namespace)


def _provisioned(cluster: Cluster, workload: Workload, name: str) -> Object:
    """A new, empty CSI volume, bound to a claim of that name."""
    cluster.create(_claim_body(workload, name))
    until(f"{name} Bound", lambda: _bound(cluster, workload, name))
    claim = cluster.get("PersistentVolumeClaim", name, workload.namespace)
    return cluster.get("PersistentVolume", claim["spec"]["volumeName"])


def _bound(cluster: Cluster, workload: Workload, name: str) -> bool:
    found = _claim(cluster, workload, name)
    return found is not None and found.get("status", {}).get("phase") == "Bound"


def _claim_body(workload: Workload, name: str, volume: str = "") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": workload.namespace, "labels": workload.labels},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{workload.mebibytes}Mi"}},
            "storageClassName": _CLASS,
            **({"volumeName": volume} if volume else {}),
        },
    }


def _hand_over(cluster: Cluster, workload: Workload, claim: str, volume: str) -> None:
    """Bind the copy to a claim of the old name."""
    reference = {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
    reference |= {"namespace": workload.namespace, "name": claim, "uid": None}  # type: ignore[dict-item]
    patch = {"spec": {"claimRef": reference | {"resourceVersion": None}}}
    cluster.patch("PersistentVolume", volume, patch)
    cluster.create(_claim_body(workload, claim, volume))
    until(f"{claim} Bound", lambda: _bound(cluster, workload, claim))


def _copy_bytes(bed: Bed, old: Object, new: Object, mebibytes: int) -> None:
    source = _flat(bed, old["spec"]["vsphereVolume"]["volumePath"])
    with disks(bed.facts.vcenter) as datacenter:
        target = _flat(bed, datacenter.path_of(new["spec"]["csi"]["volumeHandle"]))
    shutil.copyfile(source, target)
    _write(target.with_suffix(".payload"), mebibytes)


def _flat(bed: Bed, path: str) -> Path:
    found = flat_file(bed.layout, path)
    if found is None:
        raise FileNotFoundError(path)
    return found


def _write(path: Path, mebibytes: int) -> None:
    """The lab's disks hold a few records only: this stands for the rest of the bytes."""
    piece = os.urandom(_MEBIBYTE)
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()

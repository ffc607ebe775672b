"""The backup files of a large set, as like to real ones as compression cares about.

What keeps archives large is what differs from object to object: uids, resource
versions, times, IP addresses, container ids. Each is random here.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

Raw = dict[str, Any]

_FIELDS = ("args", "env", "image", "imagePullPolicy", "name", "ports", "resources", "volumeMounts")
_SERVER_ONLY = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "ownerReferences")


class LargeSet:
    """A set with a sidecar and twenty variables in its pods; the same in every test."""

    def __init__(self, replicas: int, claims: int) -> None:
        self._replicas = replicas
        self._claims = [f"data{i}" for i in range(claims)]
        self._chance = random.Random(7)  # noqa: S311 - no secret

    def files(self) -> dict[str, bytes]:
        """Its working directory's backup files by name."""
        objects = dict(self._objects())
        files = {f"backup/{name}.json": _sent(item) for name, item in objects.items()}
        again = {n: item for n, item in objects.items() if not n.startswith("attachments/")}
        files |= {f"restore/{name}.json": _restorable(item) for name, item in again.items()}
        plan = [_without(item) for item in again.values()]
        return files | {"plan.json": json.dumps({"replicas": plan}, indent=2).encode()}

    def _objects(self) -> Iterator[tuple[str, Raw]]:
        for ordinal in range(self._replicas):
            pod = f"web-{ordinal}"
            yield f"pods/{pod}", self._pod(pod, ordinal)
            for template in self._claims:
                claim = self._claim(f"{template}-{pod}")
                name = f"pvc-{claim['metadata']['uid']}"
                yield f"claims/{claim['metadata']['name']}", claim
                yield f"volumes/{name}", self._volume(name, claim)
                yield f"attachments/csi-{self._hex(64)}", self._attachment(name, ordinal)

    def _pod(self, name: str, ordinal: int) -> Raw:
        labels = {"app": "web", "controller-revision-hash": "web-5f7d", "pod-index": str(ordinal)}
        sources = [
            {"name": c, "persistentVolumeClaim": {"claimName": f"{c}-{name}"}} for c in self._claims
        ]
        token = {"name": f"kube-api-access-{self._hex(5)}", "projected": {"defaultMode": 420}}
        spec = {
            "containers": [_container("db"), _container("exporter")],
            "nodeName": f"node-{self._chance.randrange(60)}.example.com",
            "hostname": name,
            "volumes": [*sources, token],
        }
        statuses = [self._status(container) for container in ("db", "exporter")]
        ip = f"10.{self._chance.randrange(256)}.{self._chance.randrange(256)}.{ordinal % 256}"
        status = {
            "phase": "Running",
            "podIP": ip,
            "startTime": self._time(),
            "conditions": self._conditions(),
            "containerStatuses": statuses,
        }
        pod = self._object("v1", "Pod", name, spec, status)
        pod["metadata"]["labels"] = labels
        return pod

    def _claim(self, name: str) -> Raw:
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "standard",
            "volumeName": f"pvc-{self._uid()}",
            "volumeMode": "Filesystem",
        }
        status = {"phase": "Bound", "capacity": {"storage": "100Gi"}}
        return self._object("v1", "PersistentVolumeClaim", name, spec, status)

    def _volume(self, name: str, claim: Raw) -> Raw:
        path = f"[datastore-{self._chance.randrange(9)}] kubevols/kubernetes-dynamic-{name}.vmdk"
        reference = {key: claim["metadata"][key] for key in ("name", "uid", "resourceVersion")}
        spec = {
            "capacity": {"storage": "100Gi"},
            "claimRef": reference,
            "persistentVolumeReclaimPolicy": "Delete",
            "vsphereVolume": {"volumePath": path, "fsType": "ext4"},
        }
        return self._object("v1", "PersistentVolume", name, spec, {"phase": "Bound"})

    def _attachment(self, volume: str, ordinal: int) -> Raw:
        source = {"persistentVolumeName": volume}
        spec = {
            "attacher": "csi.vsphere.vmware.com",
            "nodeName": f"node-{ordinal}",
            "source": source,
        }
        status = {"attached": True, "attachmentMetadata": {"diskUUID": self._hex(32)}}
        return self._object("storage.k8s.io/v1", "VolumeAttachment", volume, spec, status)

    def _object(self, version: str, kind: str, name: str, spec: Raw, status: Raw) -> Raw:
        managed: list[Raw] = [
            {
                "manager": manager,
                "operation": "Update",
                "time": self._time(),
                "fieldsV1": {"f:spec": {f"f:{field}": {} for field in _FIELDS}},
            }
            for manager in ("kube-controller-manager", "kubelet")
        ]
        metadata = {
            "name": name,
            "namespace": "shop",
            "uid": self._uid(),
            "resourceVersion": str(self._chance.randrange(10**9)),
            "creationTimestamp": self._time(),
            "managedFields": managed,
        }
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": metadata,
            "spec": spec,
            "status": status,
        }

    def _status(self, container: str) -> Raw:
        return {
            "name": container,
            "ready": True,
            "containerID": f"containerd://{self._hex(64)}",
            "imageID": f"registry.example.com/db@sha256:{'5d' * 32}",
            "state": {"running": {"startedAt": self._time()}},
        }

    def _conditions(self) -> list[Raw]:
        return [
            {"type": kind, "status": "True", "lastTransitionTime": self._time()}
            for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
        ]

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def _hex(self, digits: int) -> str:
        return f"{self._chance.getrandbits(4 * digits):0{digits}x}"

    def _time(self) -> str:
        of = self._chance.randrange
        return f"2026-{of(1, 13):02}-{of(1, 29):02}T{of(24):02}:{of(60):02}:{of(60):02}Z"


def _container(name: str) -> Raw:
    variables = [{"name": f"SETTING_{i}", "value": f"{name}-{i}.shop.svc"} for i in range(20)]
    return {
        "name": name,
        "image": f"registry.example.com/{name}:1.2.3",
        "env": variables,
        "resources": {"requests": {"cpu": "2", "memory": "8Gi"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10},
    }


def _without(item: Raw) -> Raw:
    kept = {k: v for k, v in item["metadata"].items() if k not in _SERVER_ONLY}
    return item | {"metadata": kept, "status": {}}


def _sent(item: Raw) -> bytes:
    return json.dumps(item, separators=(",", ":")).encode()


def _restorable(item: Raw) -> bytes:
    return (json.dumps(_without(item), indent=2) + "\n").encode()

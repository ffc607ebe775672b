"""What a workload on in-tree volumes looks like in Kubernetes: pure builders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from lab.client import Object
from lab.objects import CSI_DRIVER, INTREE_PROVISIONER
from lab.vcenter import DATASTORES

# registered: a VMDK under kubevols that the driver's syncer has made an FCD.
# by-path: one that it could not register, attached as the in-tree plugin did.
# dynamic: made by the driver for a claim of the in-tree class, an FCD at birth.
Origin = Literal["registered", "by-path", "dynamic"]


@dataclass(frozen=True, slots=True)
class Workload:
    """A StatefulSet on in-tree volumes.

    Attributes:
        claims: names of the volumeClaimTemplates.
        first_ordinal: `spec.ordinals.start`.
        mebibytes: the size of each volume.
        max_unavailable: of its PodDisruptionBudget; None for a set without one.
        pod: fields of the pod template's spec to add or replace.
    """

    namespace: str
    name: str = "web"
    replicas: int = 3
    claims: tuple[str, ...] = ("data",)
    first_ordinal: int = 0
    pod_management: Literal["OrderedReady", "Parallel"] = "OrderedReady"
    reclaim_policy: Literal["Delete", "Retain"] = "Delete"
    storage_class: str = "standard"
    origin: Origin = "registered"
    datastore: str = DATASTORES[0]
    folder: str = "kubevols"
    mebibytes: int = 64
    max_unavailable: int | None = 1
    pod: dict[str, Any] = field(default_factory=dict)

    @property
    def pod_names(self) -> list[str]:
        """Lowest ordinal first."""
        last = self.first_ordinal + self.replicas
        return [f"{self.name}-{ordinal}" for ordinal in range(self.first_ordinal, last)]

    @property
    def claim_names(self) -> list[str]:
        """All claims of the first replica, then of the next."""
        return [f"{claim}-{pod}" for pod in self.pod_names for claim in self.claims]

    @property
    def labels(self) -> dict[str, str]:
        """Of the pods, and therefore of the claims."""
        return {"app": self.name}


def statefulset(workload: Workload) -> Object:
    """A set whose containers write records to all of their volumes."""
    containers = [
        {
            "name": "writer",
            "image": "lab/writer:1",
            "ports": [{"containerPort": 80, "name": "peer"}],
            "volumeMounts": [
                {"name": claim, "mountPath": f"/var/lib/{claim}"} for claim in workload.claims
            ],
        }
    ]
    template = {
        "metadata": {"labels": workload.labels},
        "spec": {"terminationGracePeriodSeconds": 10, "containers": containers, **workload.pod},
    }
    spec: Object = {
        "replicas": workload.replicas,
        "serviceName": workload.name,
        "podManagementPolicy": workload.pod_management,
        "selector": {"matchLabels": workload.labels},
        "template": template,
        "volumeClaimTemplates": [
            {"metadata": {"name": claim}, "spec": _claim_spec(workload)}
            for claim in workload.claims
        ],
    }
    if workload.first_ordinal:
        spec["ordinals"] = {"start": workload.first_ordinal}
    return _object("apps/v1", "StatefulSet", workload, workload.name, spec)


def service(workload: Workload) -> Object:
    """The headless Service that gives each replica its name."""
    spec = {"clusterIP": "None", "selector": workload.labels, "ports": [{"port": 80}]}
    return _object("v1", "Service", workload, workload.name, spec)


def disruption_budget(workload: Workload) -> Object:
    """The PodDisruptionBudget of a workload that has one."""
    spec = {
        "maxUnavailable": workload.max_unavailable,
        "selector": {"matchLabels": workload.labels},
    }
    return _object("policy/v1", "PodDisruptionBudget", workload, workload.name, spec)


def volume(workload: Workload, claim: str) -> Object:
    """A PersistentVolume as the in-tree provisioner left it, meant for `claim`."""
    uid = str(uuid4())
    annotations = {
        "kubernetes.io/createdby": "vsphere-volume-dynamic-provisioner",
        "pv.kubernetes.io/bound-by-controller": "yes",
        "pv.kubernetes.io/provisioned-by": INTREE_PROVISIONER,
    }
    if workload.origin == "by-path":
        annotations["lab/attached-by-path"] = "true"
    file = f"{workload.folder}/kubernetes-dynamic-pvc-{uid}.vmdk"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{uid}", "annotations": annotations},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": f"{workload.mebibytes}Mi"},
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
            | {"namespace": workload.namespace, "name": claim},
            "persistentVolumeReclaimPolicy": workload.reclaim_policy,
            "storageClassName": workload.storage_class,
            "volumeMode": "Filesystem",
            "vsphereVolume": {"volumePath": f"[{workload.datastore}] {file}", "fsType": "ext4"},
        },
    }


def claim(workload: Workload, name: str, volume_name: str) -> Object:
    """The claim that the StatefulSet would have made, bound to a volume of old."""
    spec = {**_claim_spec(workload), "volumeName": volume_name}
    body = _object("v1", "PersistentVolumeClaim", workload, name, spec)
    body["metadata"]["annotations"] = {
        "volume.beta.kubernetes.io/storage-provisioner": CSI_DRIVER,
        "volume.kubernetes.io/storage-provisioner": CSI_DRIVER,
    }
    return body


def _claim_spec(workload: Workload) -> Object:
    return {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{workload.mebibytes}Mi"}},
        "storageClassName": workload.storage_class,
    }


def _object(version: str, kind: str, workload: Workload, name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": workload.namespace, "labels": workload.labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

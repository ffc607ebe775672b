"""What a workload on in-tree volumes looks like in Kubernetes: pure builders."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
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
        storage_classes: of each claim template, if not `storage_class` for all; may be empty.
        mebibytes: the size of each volume.
        max_unavailable: of its PodDisruptionBudget; None for a set without one.
        pod: fields of the pod template's spec to add or replace.
        manifest: the StatefulSet as it is, see `from_manifest`.
        beside: what is created before the set, in place of its Service and budget.
        volume_labels: of the volumes, by the ordinal of their replica.
        volume_affinity: nodeAffinity of the volumes, likewise.
        extra_labels: of the set, its pods, claims and volumes, beside those that select them.
        annotations: of the same.
        mount_options: of the volumes.
    """

    namespace: str
    name: str = "web"
    replicas: int = 3
    claims: tuple[str, ...] = ("data",)
    first_ordinal: int = 0
    pod_management: Literal["OrderedReady", "Parallel"] = "OrderedReady"
    reclaim_policy: Literal["Delete", "Retain"] = "Delete"
    storage_class: str = "standard"
    storage_classes: tuple[str, ...] = ()
    origin: Origin = "registered"
    datastore: str = DATASTORES[0]
    folder: str = "kubevols"
    mebibytes: int = 64
    max_unavailable: int | None = 1
    pod: dict[str, Any] = field(default_factory=dict)
    manifest: Object | None = None
    beside: tuple[Object, ...] = ()
    volume_labels: Callable[[int], dict[str, str]] | None = None
    volume_affinity: Callable[[int], Object] | None = None
    extra_labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    mount_options: tuple[str, ...] = ()

    @classmethod
    def from_manifest(
        cls, manifest: Object, *, beside: Sequence[Object] = (), **fields: Any
    ) -> Workload:
        """Any StatefulSet with claim templates, and the namespaced objects that it needs."""
        metadata, spec = manifest["metadata"], manifest["spec"]
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            replicas=spec["replicas"],
            claims=tuple(each["metadata"]["name"] for each in spec["volumeClaimTemplates"]),
            first_ordinal=spec.get("ordinals", {}).get("start", 0),
            pod_management=spec.get("podManagementPolicy", "OrderedReady"),
            manifest=manifest,
            beside=tuple(beside),
            **fields,
        )

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
    def csi_class(self) -> str:
        """The StorageClass that it is migrated to."""
        return self.storage_class.replace("standard", "standard-rwo")

    @property
    def labels(self) -> dict[str, str]:
        """Of the pods, and therefore of the claims."""
        if self.manifest:
            selected: dict[str, str] = self.manifest["spec"]["selector"]["matchLabels"]
            return selected
        return {"app": self.name}


def statefulset(workload: Workload) -> Object:
    """A set whose containers write records to all of their volumes."""
    if workload.manifest:
        return copy.deepcopy(workload.manifest)
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
        "metadata": _extra(workload, workload.labels),
        "spec": {"terminationGracePeriodSeconds": 10, "containers": containers, **workload.pod},
    }
    spec: Object = {
        "replicas": workload.replicas,
        "serviceName": workload.name,
        "podManagementPolicy": workload.pod_management,
        "selector": {"matchLabels": workload.labels},
        "template": template,
        "volumeClaimTemplates": [
            {
                "metadata": {"name": claim, **_extra(workload)},
                "spec": _simple_claim_spec(workload, number),
            }
            for number, claim in enumerate(workload.claims)
        ],
    }
    if workload.first_ordinal:
        spec["ordinals"] = {"start": workload.first_ordinal}
    return _object("apps/v1", "StatefulSet", workload, workload.name, spec)


def beside(workload: Workload) -> list[Object]:
    """What is created before the set."""
    if workload.manifest:
        return list(workload.beside)
    budget = [disruption_budget(workload)] if workload.max_unavailable is not None else []
    return [service(workload), *budget]


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
    wanted = claim_template(workload, claim)["spec"]
    uid = str(uuid4())
    annotations = {
        "kubernetes.io/createdby": "vsphere-volume-dynamic-provisioner",
        "pv.kubernetes.io/bound-by-controller": "yes",
        "pv.kubernetes.io/provisioned-by": INTREE_PROVISIONER,
    }
    if workload.origin == "by-path":
        annotations["lab/attached-by-path"] = "true"
    file = f"{workload.folder}/kubernetes-dynamic-pvc-{uid}.vmdk"
    labels = workload.volume_labels(_ordinal(claim)) if workload.volume_labels else {}
    metadata = {"name": f"pvc-{uid}", **_extra(workload, labels, annotations)}
    affinity = workload.volume_affinity(_ordinal(claim)) if workload.volume_affinity else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": metadata,
        "spec": {
            "accessModes": wanted["accessModes"],
            "capacity": {"storage": wanted["resources"]["requests"]["storage"]},
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
            | {"namespace": workload.namespace, "name": claim},
            "persistentVolumeReclaimPolicy": workload.reclaim_policy,
            "storageClassName": wanted.get("storageClassName", workload.storage_class),
            "volumeMode": wanted.get("volumeMode", "Filesystem"),
            "vsphereVolume": {"volumePath": f"[{workload.datastore}] {file}", "fsType": "ext4"},
            **({"nodeAffinity": affinity} if affinity else {}),
            **({"mountOptions": list(workload.mount_options)} if workload.mount_options else {}),
        },
    }


def mebibytes(volume: Object) -> int:
    """The capacity of a volume, which is in Mi or Gi."""
    text = volume["spec"]["capacity"]["storage"]
    return int(text[:-2]) * {"Mi": 1, "Gi": 1024}[text[-2:]]


def claim(workload: Workload, name: str, volume_name: str) -> Object:
    """The claim that the StatefulSet would have made, bound to a volume of old."""
    template = claim_template(workload, name)
    body = _object(
        "v1",
        "PersistentVolumeClaim",
        workload,
        name,
        {**template["spec"], "volumeName": volume_name},
    )
    metadata = template["metadata"]
    body["metadata"]["labels"] = metadata.get("labels", {}) | workload.labels
    body["metadata"]["annotations"] = metadata.get("annotations", {}) | {
        "volume.beta.kubernetes.io/storage-provisioner": CSI_DRIVER,
        "volume.kubernetes.io/storage-provisioner": CSI_DRIVER,
    }
    return body


def claim_template(workload: Workload, claim: str) -> Object:
    """The volumeClaimTemplate that a claim's name stands for; for any other name the first,
    as for a claim that takes the place of one.
    """
    templates: list[Object] = statefulset(workload)["spec"]["volumeClaimTemplates"]
    stem = claim.rpartition("-")[0]
    own = (t for t in templates if stem == f"{t['metadata']['name']}-{workload.name}")
    return next(own, templates[0])


def _extra(
    workload: Workload,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """Labels and annotations of an object's own, and those that all have; if there are any."""
    both = {
        "labels": {**(labels or {}), **workload.extra_labels},
        "annotations": {**(annotations or {}), **workload.annotations},
    }
    return {field: given for field, given in both.items() if given}


def _ordinal(claim: str) -> int:
    return int(claim.rpartition("-")[2])


def _simple_claim_spec(workload: Workload, number: int) -> Object:
    classes = workload.storage_classes or (workload.storage_class,) * len(workload.claims)
    return {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{workload.mebibytes}Mi"}},
        "storageClassName": classes[number],
    }


def _object(version: str, kind: str, workload: Workload, name: str, spec: Object) -> Object:
    own = {"name": name, "namespace": workload.namespace}
    metadata = {**own, **_extra(workload, workload.labels)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

"""A healthy StatefulSet of two replicas with one claim, as objects of a server."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from csi_migration.model.disk import Disk, DiskFile, DiskPath
from csi_migration.model.plan import Window
from csi_migration.model.snapshot import (
    DatastoreLook,
    DirectoryLook,
    DiskAttachment,
    DiskLook,
    DryRun,
    Machine,
    Request,
    Snapshot,
)

Raw = dict[str, Any]

NAMESPACE = "shop"
LABELS = {"app": "web"}
REVISION = "web-5f7d"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def metadata(name: str, **more: Any) -> Raw:
    return {"name": name, "uid": f"uid-{name}", "resourceVersion": "7", **more}


def pod_template() -> Raw:
    return {
        "metadata": {"labels": dict(LABELS), "annotations": {"team": "shop"}},
        "spec": {
            "containers": [{"name": "db", "image": "db:1"}],
            "volumes": [{"name": "config", "configMap": {"name": "web"}}],
        },
    }


def statefulset() -> Raw:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(
            "web", namespace=NAMESPACE, generation=1, labels={"owner": "shop"}, managedFields=[{}]
        ),
        "spec": {
            "replicas": 2,
            "serviceName": "web",
            "selector": {"matchLabels": dict(LABELS)},
            "template": pod_template(),
            "volumeClaimTemplates": [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": "data"},
                    "spec": {"storageClassName": "standard", "accessModes": ["ReadWriteOnce"]},
                    "status": {"phase": "Pending"},
                }
            ],
        },
        "status": {
            "observedGeneration": 1,
            "replicas": 2,
            "readyReplicas": 2,
            "currentRevision": REVISION,
            "updateRevision": REVISION,
        },
    }


def revision() -> Raw:
    template = pod_template() | {"$patch": "replace"}
    return {"metadata": metadata(REVISION), "data": {"spec": {"template": template}}}


def pod(ordinal: int) -> Raw:
    name = f"web-{ordinal}"
    labels = LABELS | {
        "controller-revision-hash": REVISION,
        "apps.kubernetes.io/pod-index": str(ordinal),
    }
    owner = {"kind": "StatefulSet", "name": "web", "uid": "uid-web", "controller": True}
    return {
        "metadata": metadata(name, namespace=NAMESPACE, labels=labels, ownerReferences=[owner]),
        "spec": {
            "containers": [{"name": "db", "image": "db:1"}],
            "nodeName": "node-1",
            "terminationGracePeriodSeconds": 20,
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}}],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def claim(ordinal: int) -> Raw:
    name = f"data-web-{ordinal}"
    return {
        "metadata": metadata(
            name,
            namespace=NAMESPACE,
            labels=dict(LABELS),
            annotations={"pv.kubernetes.io/bind-completed": "yes", "note": "kept"},
            finalizers=["kubernetes.io/pvc-protection"],
        ),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "standard",
            "volumeName": f"pvc-{ordinal}",
        },
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
    }


def volume(ordinal: int) -> Raw:
    return {
        "metadata": metadata(
            f"pvc-{ordinal}",
            annotations={"pv.kubernetes.io/provisioned-by": "kubernetes.io/vsphere-volume"},
            finalizers=["kubernetes.io/pv-protection"],
        ),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "namespace": NAMESPACE,
                "name": f"data-web-{ordinal}",
                "uid": f"uid-data-web-{ordinal}",
            },
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": "standard",
            "volumeMode": "Filesystem",
            "vsphereVolume": {"volumePath": f"[ds] kubevols/disk-{ordinal}.vmdk"},
        },
        "status": {"phase": "Bound"},
    }


def csi_volume(name: str, disk_id: str) -> Raw:
    source = {"driver": "csi.vsphere.vmware.com", "volumeHandle": disk_id}
    spec = {"csi": source, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    return {"metadata": metadata(name), "spec": spec}


def storage_class(name: str, provisioner: str) -> Raw:
    return {
        "metadata": metadata(name),
        "provisioner": provisioner,
        "allowVolumeExpansion": True,
    }


def csi_driver() -> Raw:
    return {"metadata": metadata("csi.vsphere.vmware.com"), "spec": {"attachRequired": True}}


def csi_node(name: str) -> Raw:
    marks = {"storage.alpha.kubernetes.io/migrated-plugins": "kubernetes.io/vsphere-volume"}
    driver = {
        "name": "csi.vsphere.vmware.com",
        "topologyKeys": ["topology.csi.vmware.com/zone", "topology.csi.vmware.com/region"],
    }
    return {"metadata": metadata(name, annotations=marks), "spec": {"drivers": [driver]}}


def node(name: str, **spec: Any) -> Raw:
    """A node that is Ready, on a VM of its name."""
    return {
        "metadata": metadata(name, labels={"topology.csi.vmware.com/zone": "a"}),
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def attachment(volume: str, node_name: str = "node-1") -> Raw:
    return {
        "metadata": metadata(f"csi-{volume}-{node_name}"),
        "spec": {
            "attacher": "csi.vsphere.vmware.com",
            "nodeName": node_name,
            "source": {"persistentVolumeName": volume},
        },
        "status": {"attached": True},
    }


def look(ordinal: int) -> DiskLook:
    path = DiskPath("ds", f"kubevols/disk-{ordinal}.vmdk")
    disk = Disk(f"fcd-{ordinal}", "n", path, 1 << 30, keep_after_delete_vm=True)
    file = DiskFile(path, "datastore-1", "/DC0", 1 << 30)
    return DiskLook(file, disk, disk.id, (DiskAttachment("node-1", vm_id="vm-1"),))


def budget(allowed: int) -> Raw:
    return {
        "metadata": metadata("web"),
        "spec": {"selector": {"matchLabels": dict(LABELS)}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 2, "desiredHealthy": 2},
    }


def autoscaler(kind: str = "StatefulSet", name: str = "web") -> Raw:
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    return {"metadata": metadata("web"), "spec": {"scaleTargetRef": target}}


def accepted(returned: Raw) -> DryRun:
    return DryRun("statefulset/web", accepted=True, returned=returned)


def refused(message: str) -> DryRun:
    return DryRun("pvc/data-web-0", accepted=False, message=message)


def healthy() -> Snapshot:
    return Snapshot(
        request=Request(NAMESPACE, "web", "standard", "standard-rwo", Window.REPLICA),
        server_version="v1.34.4",
        statefulset=statefulset(),
        revisions={REVISION: revision()},
        pods={o: pod(o) for o in range(2)},
        claims={f"data-web-{o}": claim(o) for o in range(2)},
        volumes={f"pvc-{o}": volume(o) for o in range(2)},
        classes={
            "standard": storage_class("standard", "kubernetes.io/vsphere-volume"),
            "standard-rwo": storage_class("standard-rwo", "csi.vsphere.vmware.com"),
        },
        namespace_pods=tuple(pod(o) for o in range(2)),
        budgets=(budget(1),),
        autoscalers=(),
        namespace={"metadata": metadata(NAMESPACE)},
        namespace_claims={f"data-web-{o}": claim(o) for o in range(2)},
        quotas=(),
        volume_snapshots=(),
        nodes={"node-1": node("node-1")},
        csi_drivers={"csi.vsphere.vmware.com": csi_driver()},
        webhooks={},
        directory=DirectoryLook("work"),
        machines={"node-1": Machine("node-1", "vmx-19", id="vm-1")},
        vcenter_version="8.0.2.0",
        attachments=tuple(attachment(f"pvc-{o}") for o in range(2)),
        all_attachments=tuple(attachment(f"pvc-{o}") for o in range(2)),
        csi_nodes={"node-1": csi_node("node-1")},
        disks={f"data-web-{o}": look(o) for o in range(2)},
        datastores={"datastore-1": DatastoreLook("ds")},
        dry_runs=(accepted(statefulset()),),
    )


def changed(base: Any, path: str, value: Any) -> Any:
    """A copy of an object with one member set: `spec.replicas`, `volumes.pvc-0.spec.x`.

    Snapshot members come first in the path; `None` takes the member away.
    """
    first, _, rest = path.partition("/")
    if isinstance(base, Snapshot):
        part = getattr(base, first)
        return replace(base, **{first: changed(part, rest, value) if rest else value})
    again = copy.deepcopy(base)
    at = again
    *folders, last = path.split("/")
    for folder in folders:
        at = at[_key(at, folder)]
    if value is None:
        del at[_key(at, last)]
    else:
        at[_key(at, last)] = value
    return again


def _key(at: Any, text: str) -> Any:
    return int(text) if isinstance(at, list) or (text.isdigit() and int(text) in at) else text

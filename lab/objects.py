"""The objects that a lab's clusters hold before any workload: pure builders."""

from __future__ import annotations

import base64
from typing import Any

from lab.client import Object
from lab.vcenter import DATACENTER_PATH, DATASTORES, DRIVER

INTREE_PROVISIONER = "kubernetes.io/vsphere-volume"
CSI_DRIVER = "csi.vsphere.vmware.com"
USER_CLUSTER = "user-cluster"
DRIVER_NAMESPACE = "vmware-system-csi"
CONFIG_SECRET = "vsphere-config-secret"


def admin_cluster(user_kubeconfig: str) -> list[Object]:
    """The admin cluster's record of the user cluster: its kubeconfig in a Secret."""
    content = {"admin.conf": user_kubeconfig}
    return [_namespace(USER_CLUSTER), _secret("admin", USER_CLUSTER, content)]


def workload_cluster(vcenter: dict[str, Any]) -> list[Object]:
    """The CSI driver's configuration and the StorageClasses on both sides."""
    return [
        _namespace(DRIVER_NAMESPACE),
        _secret(CONFIG_SECRET, DRIVER_NAMESPACE, {"csi-vsphere.conf": driver_config(vcenter)}),
        _driver_deployment(),
        _intree_class("standard", "Immediate"),
        _intree_class("standard-wffc", "WaitForFirstConsumer"),
        _csi_class("standard-rwo", "Immediate", default=True),
        _csi_class("standard-rwo-wffc", "WaitForFirstConsumer", default=False),
    ]


def driver_config(vcenter: dict[str, Any]) -> str:
    """`csi-vsphere.conf`, in the gcfg dialect: backslash and quote are escaped."""
    password = vcenter["driver_password"].replace("\\", "\\\\").replace('"', '\\"')
    return f"""\
[Global]
cluster-id = "{USER_CLUSTER}"

[VirtualCenter "{vcenter["host"]}"]
insecure-flag = "false"
user = "{DRIVER}"
password = "{password}"
port = "{vcenter["port"]}"
datacenters = "{DATACENTER_PATH}"
thumbprint = "{vcenter["thumbprint"]}"
"""


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _secret(name: str, namespace: str, content: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in content.items()},
    }


def _driver_deployment() -> Object:
    """As in the driver's manifest, but without replicas: the lab plays its controller."""
    labels = {"app": "vsphere-csi-controller"}
    container = {
        "name": "vsphere-csi-controller",
        "image": "registry.k8s.io/csi-vsphere/driver:v3.7.3",
        "volumeMounts": [{"name": "config", "mountPath": "/etc/cloud", "readOnly": True}],
    }
    volume = {"name": "config", "secret": {"secretName": CONFIG_SECRET}}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "volumes": [volume]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "vsphere-csi-controller", "namespace": DRIVER_NAMESPACE},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


def _intree_class(name: str, binding: str) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": INTREE_PROVISIONER,
        "parameters": {"datastore": DATASTORES[0]},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": binding,
    }


def _csi_class(name: str, binding: str, *, default: bool) -> Object:
    annotations = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": annotations},
        "provisioner": CSI_DRIVER,
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": binding,
    }

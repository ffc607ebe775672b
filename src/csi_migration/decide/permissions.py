"""What the tool asks of the Kubernetes API, permission by permission.

`deploy/rbac-user-cluster.yaml` grants exactly this; a test keeps the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass

_ADMISSION = "admissionregistration.k8s.io"


@dataclass(frozen=True, slots=True)
class Permission:
    """`verb` on `resource` (with its API group), in the set's namespace or the cluster."""

    verb: str
    group: str
    resource: str
    namespaced: bool

    def __str__(self) -> str:
        dotted = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {dotted}"


def _grants(group: str, resource: str, verbs: str, *, namespaced: bool) -> list[Permission]:
    return [Permission(verb, group, resource, namespaced) for verb in verbs.split()]


READING: tuple[Permission, ...] = (
    *_grants("apps", "statefulsets", "get", namespaced=True),
    *_grants("apps", "controllerrevisions", "get list", namespaced=True),
    *_grants("", "pods", "get list", namespaced=True),
    *_grants("", "persistentvolumeclaims", "get list", namespaced=True),
    *_grants("", "configmaps", "get list", namespaced=True),
    *_grants("policy", "poddisruptionbudgets", "list", namespaced=True),
    *_grants("", "namespaces", "get", namespaced=False),
    *_grants("", "nodes", "get", namespaced=False),
    *_grants("", "persistentvolumes", "get list", namespaced=False),
    *_grants("storage.k8s.io", "storageclasses", "get", namespaced=False),
    *_grants("storage.k8s.io", "csinodes", "get", namespaced=False),
    *_grants("storage.k8s.io", "volumeattachments", "get list", namespaced=False),
    *_grants("cns.vmware.com", "cnsvspherevolumemigrations", "get list", namespaced=False),
)
"""What preflight needs to look at everything."""

COMPLETING: tuple[Permission, ...] = (
    *_grants("autoscaling", "horizontalpodautoscalers", "list", namespaced=True),
    *_grants("apps", "replicasets", "list", namespaced=True),
    *_grants("apps", "daemonsets", "list", namespaced=True),
    *_grants("batch", "jobs", "list", namespaced=True),
    *_grants("", "replicationcontrollers", "list", namespaced=True),
    *_grants("", "resourcequotas", "list", namespaced=True),
    *_grants("snapshot.storage.k8s.io", "volumesnapshots", "list", namespaced=True),
    *_grants("", "nodes", "list", namespaced=False),
    *_grants("storage.k8s.io", "csinodes", "list", namespaced=False),
    *_grants("storage.k8s.io", "csidrivers", "list", namespaced=False),
    *_grants(_ADMISSION, "mutatingwebhookconfigurations", "list", namespaced=False),
    *_grants(_ADMISSION, "validatingwebhookconfigurations", "list", namespaced=False),
)
"""What only makes preflight complete: without it, a check says that it can't tell."""

INVENTORY: tuple[Permission, ...] = (
    *_grants("apps", "statefulsets", "list", namespaced=True),
    *_grants("apps", "controllerrevisions", "list", namespaced=True),
    *_grants("", "pods", "list", namespaced=True),
    *_grants("", "persistentvolumeclaims", "list", namespaced=True),
    *_grants("", "persistentvolumes", "list", namespaced=False),
    *_grants("", "nodes", "list", namespaced=False),
    *_grants("policy", "poddisruptionbudgets", "list", namespaced=True),
    *_grants("autoscaling", "horizontalpodautoscalers", "list", namespaced=True),
    *_grants("storage.k8s.io", "storageclasses", "list", namespaced=False),
    *_grants("storage.k8s.io", "csinodes", "list", namespaced=False),
)
"""What `inventory` lists (deploy/rbac-inventory.yaml): what is namespaced in all namespaces,
or in the only one that was asked for.
"""

INVENTORY_COMPLETING: tuple[Permission, ...] = (
    *_grants("", "configmaps", "list", namespaced=True),
)
"""What shows `inventory` the migrations that have not ended, by their backups."""

WRITING: tuple[Permission, ...] = (
    *_grants("apps", "statefulsets", "create delete patch watch", namespaced=True),
    *_grants("", "pods", "create delete watch", namespaced=True),
    *_grants("", "persistentvolumeclaims", "create delete patch watch", namespaced=True),
    *_grants("", "configmaps", "create delete", namespaced=True),
    *_grants("coordination.k8s.io", "leases", "get create update delete", namespaced=True),
    *_grants("", "persistentvolumes", "create delete patch watch", namespaced=False),
    *_grants("cns.vmware.com", "triggercsifullsyncs", "get patch", namespaced=False),
    *_grants("storage.k8s.io", "volumeattachments", "watch", namespaced=False),
)
"""What a migration changes, and watches while it waits. Preflight needs the creates for
its dry-runs.
"""

"""The kinds of object that the tool touches, and their paths on an API server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, as its API path spells it.

    Attributes:
        group_version: `v1`, or group and version (`apps/v1`).
        plural: the last word of its path (`statefulsets`).
        namespaced: whether its objects live in namespaces.
        kind: as its manifests spell it (`StatefulSet`).
    """

    group_version: str
    plural: str
    namespaced: bool
    kind: str

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.group_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The API version without its group."""
        return self.group_version.rpartition("/")[2]

    def namespace_in(self, namespace: str | None) -> str | None:
        """The namespace that its objects have in this one: none for a kind without."""
        return namespace if self.namespaced else None

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """The path of one object, or of the collection when there is no name.

        A namespaced kind without namespace is the collection of all namespaces.

        Raises:
            ValueError: the parts would make the path of something else. An
                empty name is one: its path is the whole collection's.
        """
        if namespace is not None and not self.namespaced:
            raise ValueError(f"{self.plural} have no namespace, got {namespace!r}")
        if name is not None and namespace is None and self.namespaced:
            raise ValueError(f"{self.plural} {name!r} needs a namespace")
        if subresource and name is None:
            raise ValueError(f"subresource {subresource!r} of {self.plural} needs a name")
        parts = ["apis" if self.group else "api", *self.group_version.split("/")]
        if namespace is not None:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment(name))
        if subresource:
            parts.append(_segment(subresource))
        return "/" + "/".join(parts)


def _segment(text: str) -> str:
    """Refuse what Kubernetes refuses as a path segment (IsValidPathSegmentName)."""
    if text in {"", ".", ".."} or "/" in text or "%" in text:
        raise ValueError(f"{text!r} cannot be part of an API path")
    return quote(text, safe="")


def _in_namespaces(group_version: str, plural: str, kind: str) -> Resource:
    return Resource(group_version, plural, namespaced=True, kind=kind)


def _in_cluster(group_version: str, plural: str, kind: str) -> Resource:
    return Resource(group_version, plural, namespaced=False, kind=kind)


STATEFULSETS = _in_namespaces("apps/v1", "statefulsets", "StatefulSet")
CONTROLLER_REVISIONS = _in_namespaces("apps/v1", "controllerrevisions", "ControllerRevision")
REPLICA_SETS = _in_namespaces("apps/v1", "replicasets", "ReplicaSet")
DAEMON_SETS = _in_namespaces("apps/v1", "daemonsets", "DaemonSet")
JOBS = _in_namespaces("batch/v1", "jobs", "Job")
REPLICATION_CONTROLLERS = _in_namespaces("v1", "replicationcontrollers", "ReplicationController")
QUOTAS = _in_namespaces("v1", "resourcequotas", "ResourceQuota")
VOLUME_SNAPSHOTS = _in_namespaces("snapshot.storage.k8s.io/v1", "volumesnapshots", "VolumeSnapshot")
DEPLOYMENTS = _in_namespaces("apps/v1", "deployments", "Deployment")
PODS = _in_namespaces("v1", "pods", "Pod")
CLAIMS = _in_namespaces("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
VOLUMES = _in_cluster("v1", "persistentvolumes", "PersistentVolume")
CONFIG_MAPS = _in_namespaces("v1", "configmaps", "ConfigMap")
SECRETS = _in_namespaces("v1", "secrets", "Secret")
EVENTS = _in_namespaces("v1", "events", "Event")
NODES = _in_cluster("v1", "nodes", "Node")
NAMESPACES = _in_cluster("v1", "namespaces", "Namespace")
STORAGE_CLASSES = _in_cluster("storage.k8s.io/v1", "storageclasses", "StorageClass")
VOLUME_ATTACHMENTS = _in_cluster("storage.k8s.io/v1", "volumeattachments", "VolumeAttachment")
CSI_NODES = _in_cluster("storage.k8s.io/v1", "csinodes", "CSINode")
CSI_DRIVERS = _in_cluster("storage.k8s.io/v1", "csidrivers", "CSIDriver")
MUTATING_WEBHOOKS = _in_cluster(
    "admissionregistration.k8s.io/v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
)
VALIDATING_WEBHOOKS = _in_cluster(
    "admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
)
DISRUPTION_BUDGETS = _in_namespaces("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget")
AUTOSCALERS = _in_namespaces(
    "autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
)
LEASES = _in_namespaces("coordination.k8s.io/v1", "leases", "Lease")
VOLUME_MIGRATIONS = _in_cluster(
    "cns.vmware.com/v1alpha1", "cnsvspherevolumemigrations", "CnsVSphereVolumeMigration"
)
FULL_SYNC_TRIGGERS = _in_cluster(
    "cns.vmware.com/v1alpha1", "triggercsifullsyncs", "TriggerCsiFullSync"
)

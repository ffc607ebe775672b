"""Speaks with Kubernetes API servers; nothing else in the tool knows HTTP to them."""

from csi_migration.kube.client import Client
from csi_migration.kube.connection import Connection
from csi_migration.kube.errors import (
    AlreadyExists,
    Conflict,
    CredentialsFailed,
    Forbidden,
    Gone,
    Invalid,
    KubeconfigError,
    KubernetesError,
    MaybeApplied,
    NotFound,
    NotSent,
    ReadFailed,
    Rejected,
    TooManyRequests,
    Unauthenticated,
)
from csi_migration.kube.kubeconfig import from_mapping, load
from csi_migration.kube.resources import Resource
from csi_migration.kube.user_cluster import user_cluster_connection
from csi_migration.kube.watch import Event

__all__ = [
    "AlreadyExists",
    "Client",
    "Conflict",
    "Connection",
    "CredentialsFailed",
    "Event",
    "Forbidden",
    "Gone",
    "Invalid",
    "KubeconfigError",
    "KubernetesError",
    "MaybeApplied",
    "NotFound",
    "NotSent",
    "ReadFailed",
    "Rejected",
    "Resource",
    "TooManyRequests",
    "Unauthenticated",
    "from_mapping",
    "load",
    "user_cluster_connection",
]

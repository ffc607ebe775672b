"""Finds a user cluster's kubeconfig in the Secrets of the admin cluster."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from csi_migration.kube import kubeconfig
from csi_migration.kube.errors import Forbidden, KubeconfigError, NotFound
from csi_migration.kube.resources import SECRETS
from csi_migration.model.errors import AuthenticationFailed

if TYPE_CHECKING:
    from csi_migration.kube.client import Client
    from csi_migration.kube.connection import Connection

_NOT_ALLOWED = "not allowed to read it"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Place:
    """A key of a Secret that may hold a kubeconfig."""

    namespace: str
    name: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read NAMESPACE/NAME/KEY.

        Raises:
            KubeconfigError: the text is not of that form.
        """
        namespace, _, rest = text.partition("/")
        name, _, key = rest.partition("/")
        if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(name) and key):
            raise KubeconfigError(
                f"{text!r} does not name a key of a Secret",
                resolution="Give it as NAMESPACE/NAME/KEY.",
            )
        return cls(namespace, name, key)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}/{self.key}"


def known_places(cluster_name: str) -> list[Place]:
    """Where admin clusters keep a user cluster's kubeconfig, in the order to look.

    The first two are Google Distributed Cloud's, the others Cluster API's
    (https://cluster-api.sigs.k8s.io/developer/core/certificates#secret-types).

    Raises:
        KubeconfigError: the name is not one that a cluster can have.
    """
    if not _NAME.fullmatch(cluster_name):
        raise KubeconfigError(f"{cluster_name!r} is no cluster name")
    return [
        Place(cluster_name, "admin", "admin.conf"),
        Place(f"{cluster_name}-gke-onprem-mgmt", "admin", "admin.conf"),
        Place(cluster_name, f"{cluster_name}-kubeconfig", "value"),
        Place("default", f"{cluster_name}-kubeconfig", "value"),
    ]


def user_cluster_connection(
    admin: Client, cluster_name: str, *, secret: str | None = None
) -> Connection:
    """The connection to a user cluster, from the kubeconfig in its Secret.

    Args:
        admin: the admin cluster.
        cluster_name: the user cluster.
        secret: NAMESPACE/NAME/KEY to look at in place of the known places.

    Raises:
        KubeconfigError: there is none in any place, or it cannot be used.
        AuthenticationFailed: no place may be read.
        KubernetesError: the admin cluster could not be asked.
    """
    places = [Place.parse(secret)] if secret else known_places(cluster_name)
    seen: list[str] = []
    for place in places:
        encoded, missing = _look(admin, place)
        if encoded:
            return _connection(encoded, f"Secret {place} of {admin.server}")
        seen.append(f"{place}: {missing}")
    if all(each.endswith(_NOT_ALLOWED) for each in seen):
        raise AuthenticationFailed(
            f"the identity may not read the kubeconfig of cluster {cluster_name!r} "
            f"in {admin.server}",
            details="\n".join(seen),
            state="Nothing was changed.",
            resolution="Grant what deploy/rbac-admin-cluster.yaml grants, or check --cluster-name "
            "and --cluster-secret: one may not read what is not there, either.",
        )
    raise KubeconfigError(
        f"no kubeconfig of cluster {cluster_name!r} in {admin.server}",
        details="\n".join(seen),
        resolution="Check --cluster-name and --kubeconfig, or name the Secret"
        " as NAMESPACE/NAME/KEY.",
    )


def _look(admin: Client, place: Place) -> tuple[str, str]:
    """What the key holds, still encoded, or else why there is nothing."""
    try:
        data = admin.get(SECRETS, place.name, place.namespace).get("data") or {}
    except NotFound:
        return "", "there is no such Secret"
    except Forbidden:
        return "", _NOT_ALLOWED
    keys = ", ".join(sorted(data)) or "none"
    return data.get(place.key, ""), f"the Secret has no key {place.key!r}, its keys: {keys}"


def _connection(encoded: str, source: str) -> Connection:
    return kubeconfig.from_mapping(_mapping(encoded, source), source)


def _mapping(encoded: str, source: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(base64.b64decode(encoded, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError, yaml.YAMLError):
        # Without the cause: a parser's words may quote a key.
        raise KubeconfigError(f"{source} holds no YAML") from None
    if not isinstance(content, dict):
        raise KubeconfigError(f"{source} holds no kubeconfig")
    return content

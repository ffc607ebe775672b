"""The objects that requests carry besides manifests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csi_migration.kube.resources import Resource


def encode(body: Any) -> bytes:
    """JSON as sent."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def delete_options(
    uid: str, resource_version: str | None, propagation: str | None, *, dry_run: bool
) -> dict[str, Any]:
    """DeleteOptions whose preconditions the server checks before it deletes.

    They never carry a grace period: the object's own holds.
    """
    conditions = {"uid": uid, "resourceVersion": resource_version}
    options: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {key: value for key, value in conditions.items() if value},
    }
    if propagation:
        options["propagationPolicy"] = propagation
    if dry_run:
        # Of a DELETE with a body, the server does not read dryRun from the query.
        options["dryRun"] = ["All"]
    return options


def access_review(
    verb: str, resource: Resource, namespace: str, name: str, subresource: str
) -> dict[str, Any]:
    """A SelfSubjectAccessReview. Empty namespace and name mean all of them."""
    attributes = {
        "verb": verb,
        "group": resource.group,
        "version": resource.version,
        "resource": resource.plural,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


def selectors(labels: str, fields: str) -> dict[str, str]:
    """The query that narrows a collection."""
    query = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in query.items() if value}

"""Asks the server what this identity may do."""

from __future__ import annotations

from collections.abc import Iterable

from csi_migration.decide.permissions import Permission
from csi_migration.kube import Client, Resource, resources


def refused(client: Client, asked: Iterable[Permission], namespace: str) -> list[str]:
    """Those of the permissions that it does not have, in words (`list pods`)."""
    return [
        str(permission)
        for permission in asked
        if not client.allowed(
            permission.verb,
            _resource(permission),
            namespace if permission.namespaced else None,
        )
    ]


def _resource(permission: Permission) -> Resource:
    every = (item for item in vars(resources).values() if isinstance(item, Resource))
    return next(
        item
        for item in every
        if (item.plural, item.group) == (permission.resource, permission.group)
    )

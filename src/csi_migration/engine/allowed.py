"""Asks the server what this identity may do."""

from __future__ import annotations

from collections.abc import Iterable

from csi_migration.decide.permissions import Permission
from csi_migration.engine.side_by_side import side_by_side
from csi_migration.kube import Client, Resource, resources


def refused(client: Client, asked: Iterable[Permission], namespace: str) -> list[str]:
    """Those of the permissions that it does not have, in words (`list pods`)."""

    def allowed(permission: Permission) -> bool:
        where = namespace if permission.namespaced else None
        return client.allowed(permission.verb, _resource(permission), where)

    every = list(asked)
    answers = side_by_side(allowed, every)
    return [str(one) for one, granted in zip(every, answers, strict=True) if not granted]


def _resource(permission: Permission) -> Resource:
    every = (item for item in vars(resources).values() if isinstance(item, Resource))
    return next(
        item
        for item in every
        if (item.plural, item.group) == (permission.resource, permission.group)
    )

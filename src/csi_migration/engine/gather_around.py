"""Reads what stands around the StatefulSet: other controllers, quotas, nodes, other runs.

None of it is needed to migrate; without the right to see it a check can't tell.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from csi_migration.decide.permissions import COMPLETING
from csi_migration.engine.allowed import refused
from csi_migration.engine.cluster_backup import refuse_if_there
from csi_migration.engine.connect import DRIVER_NAMESPACES
from csi_migration.engine.lease import Lease
from csi_migration.kube import Client, Forbidden, NotFound, Resource, resources
from csi_migration.model.errors import Locked, NeedsPerson
from csi_migration.model.objects import FEATURE_STATES, Raw, by_name, name_of
from csi_migration.model.snapshot import Request, Snapshot

# No StatefulSets: their controller claims pods of its own set's name only.
_CONTROLLERS = (
    resources.REPLICA_SETS,
    resources.DAEMON_SETS,
    resources.JOBS,
    resources.REPLICATION_CONTROLLERS,
)
_WEBHOOKS = (resources.MUTATING_WEBHOOKS, resources.VALIDATING_WEBHOOKS)


class Around:
    """Lists what may be listed, each once."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self._namespace = client, namespace
        self._refused = set(refused(client, COMPLETING, namespace))

    @property
    def is_partial(self) -> bool:
        """Whether something may not be seen, if the server knew its roles when it was asked."""
        return bool(self._refused)

    def listed(self, resource: Resource) -> tuple[Raw, ...] | None:
        """All of them; None without the right to see them, none where the kind is not there."""
        if f"list {_dotted(resource)}" in self._refused:
            return None
        try:
            namespace = resource.namespace_in(self._namespace)
            return tuple(self._client.list(resource, namespace))
        except NotFound:
            return ()

    def by_name(self, resource: Resource) -> dict[str, Raw] | None:
        """The same by name."""
        found = self.listed(resource)
        return None if found is None else by_name(found)

    def controllers(self) -> tuple[dict[str, Raw], tuple[str, ...]]:
        """All that adopt pods by a selector, by `kind/name`, and the kinds that can't be seen."""
        return self._of_kinds(_CONTROLLERS)

    def webhooks(self) -> dict[str, Raw] | None:
        """All configurations of admission webhooks by `kind/name`; None if some can't be seen."""
        found, unseen = self._of_kinds(_WEBHOOKS)
        return None if unseen else found

    def _of_kinds(self, kinds: tuple[Resource, ...]) -> tuple[dict[str, Raw], tuple[str, ...]]:
        found: dict[str, Raw] = {}
        unseen: list[str] = []
        for resource in kinds:
            items = self.listed(resource)
            if items is None:
                unseen.append(_dotted(resource))
            found |= {f"{resource.kind.lower()}/{name_of(item)}": item for item in items or ()}
        return found, tuple(unseen)

    def onto(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with what may change at any time; `with_surroundings` adds the rest."""
        controllers, unseen = self.controllers()
        return replace(
            snapshot,
            namespace=self._client.find(resources.NAMESPACES, self._namespace),
            controllers=controllers,
            unseen_controllers=unseen,
            quotas=self.listed(resources.QUOTAS),
            volume_snapshots=self.listed(resources.VOLUME_SNAPSHOTS),
            csi_drivers=self.by_name(resources.CSI_DRIVERS),
            driver_features=driver_features(self._client),
        )


def driver_features(client: Client) -> dict[str, Raw] | None:
    """The CSI driver's feature states by namespace, where they are; None where none may be read."""
    found: dict[str, Raw | None] = {}
    for namespace in DRIVER_NAMESPACES:
        with contextlib.suppress(Forbidden):
            found[namespace] = client.find(resources.CONFIG_MAPS, FEATURE_STATES, namespace)
    return {where: states for where, states in found.items() if states} if found else None


def _dotted(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def with_surroundings(client: Client, snapshot: Snapshot) -> Snapshot:
    """The snapshot with everything around the set that may be seen."""
    around = Around(client, snapshot.request.namespace)
    return replace(
        around.onto(snapshot),
        autoscalers=around.listed(resources.AUTOSCALERS),
        webhooks=around.webhooks(),
        nodes=around.by_name(resources.NODES),
        csi_nodes=around.by_name(resources.CSI_NODES) or _csi_nodes(client, snapshot),
        unfinished=tuple(_unfinished(client, snapshot.request)),
    )


def _csi_nodes(client: Client, snapshot: Snapshot) -> dict[str, Raw]:
    """Those of the replicas' nodes: what may be got without the right to list."""
    names = {pod["spec"].get("nodeName", "") for pod in snapshot.pods.values()} - {""}
    return by_name(client.find(resources.CSI_NODES, name) for name in sorted(names))


def _unfinished(client: Client, request: Request) -> Iterator[str]:
    """What `rolling-migration all` refuses to begin beside."""
    for refuse in (Lease.refuse_if_held, refuse_if_there):
        try:
            refuse(client, request.namespace, request.statefulset)
        except (Locked, NeedsPerson) as error:
            yield error.message

"""As much of an API server as the engine's small parts need, in memory."""

from __future__ import annotations

import copy
import json
from typing import Any

from csi_migration.kube import AlreadyExists, Conflict, NotFound, Resource
from csi_migration.model.objects import labels_of

Raw = dict[str, Any]


class MemoryCluster:
    """Stands in for kube.Client; counts writes and keeps uid and resourceVersion honest."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Raw] = {}
        self.writes: list[str] = []
        self._revision = 0

    def put(self, resource: Resource, body: Raw) -> Raw:
        """Place an object as somebody else would."""
        name = body["metadata"]["name"]
        stored = copy.deepcopy(body)
        stored["metadata"].setdefault("uid", f"uid-{name}")
        return self._store(resource, stored)

    def find(self, resource: Resource, name: str, _namespace: str | None = None) -> Raw | None:
        return copy.deepcopy(self.objects.get((resource.plural, name)))

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Raw:
        found = self.find(resource, name, namespace)
        if found is None:
            raise NotFound(f"{name} is not there", status=404)
        return found

    def read(self, resource: Resource, name: str, namespace: str | None = None) -> bytes:
        return json.dumps(self.get(resource, name, namespace)).encode()

    def list(
        self,
        resource: Resource,
        _namespace: str | None = None,
        *,
        labels: str = "",
        at_once: bool = False,
    ) -> list[Raw]:
        del at_once
        wanted = {tuple(label.split("=")) for label in labels.split(",") if label}
        stored = [item for (plural, _), item in self.objects.items() if plural == resource.plural]
        found = copy.deepcopy(stored)
        return [item for item in found if wanted <= labels_of(item).items()]

    def create(
        self,
        resource: Resource,
        body: Raw,
        _namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Raw:
        if not dry_run:
            self._note(f"create {body['metadata']['name']}")
        if (resource.plural, body["metadata"]["name"]) in self.objects:
            raise AlreadyExists("it is there", status=409)
        return copy.deepcopy(body) if dry_run else self.put(resource, body)

    def replace(
        self, resource: Resource, name: str, body: Raw, namespace: str | None = None
    ) -> Raw:
        self._note(f"replace {name}")
        self._require(self.get(resource, name, namespace), body["metadata"])
        return self._store(resource, copy.deepcopy(body))

    def patch(self, resource: Resource, name: str, body: Raw, _namespace: str | None = None) -> Raw:
        self._note(f"patch {name}")
        found = self.get(resource, name)
        self._require(found, body["metadata"])
        for part, fields in body.items():
            found[part] |= copy.deepcopy(fields)
        return self._store(resource, found)

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str,
        resource_version: str = "",
    ) -> None:
        self._note(f"delete {name}")
        wanted = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        self._require(self.get(resource, name, namespace), wanted)
        del self.objects[resource.plural, name]

    def _note(self, write: str) -> None:
        self.writes.append(write)

    def _require(self, found: Raw, wanted: Raw) -> None:
        for field in ("uid", "resourceVersion"):
            if field in wanted and wanted[field] != found["metadata"][field]:
                raise Conflict(f"{field} differs", status=409)

    def _store(self, resource: Resource, body: Raw) -> Raw:
        self._revision += 1
        body["metadata"]["resourceVersion"] = str(self._revision)
        self.objects[resource.plural, body["metadata"]["name"]] = body
        return copy.deepcopy(body)

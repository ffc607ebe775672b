"""A cluster that fails at a chosen write, and a backup that takes four ConfigMaps in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest

from csi_migration.engine import cluster_backup
from csi_migration.engine.backup_maps import SHA256, map_name
from csi_migration.engine.cluster_backup import (
    load,
    save,
)
from csi_migration.journal import archive as archives
from csi_migration.journal.archive import Content
from csi_migration.kube import Client, Resource
from tests.unit.journal_samples import IDENTITY
from tests.unit.memory_cluster import MemoryCluster

Raw = dict[str, Any]

FILES = {f"backup/pods/web-{i}.json": f'{{"uid":"{i * 7919}"}}'.encode() for i in range(9)}
CONTENT = Content(IDENTITY, {"window": "replica"}, FILES)
RECREATED = msgspec.structs.replace(IDENTITY, statefulset_uid="uid-2")
OTHER_UID = replace(CONTENT, identity=RECREATED)
OTHER_FILES = replace(CONTENT, files={"backup/pods/web-0.json": b"{}"})
PARTS = 4


class Crash(BaseException):
    """The process ends here."""


class Cluster(MemoryCluster):
    """Fails its n-th write: `applied` or not, with this error. Takes nothing in `denial`."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_at = 0
        self.applied = False
        self.error: BaseException = Crash()
        self.denial: Exception | None = None

    def fail(self, write: int, error: BaseException, *, applied: bool) -> None:
        self.fails_at, self.error, self.applied = len(self.writes) + write, error, applied

    def create(
        self,
        resource: Resource,
        body: Raw,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Raw:
        if self.denial:
            raise self.denial
        if dry_run:
            return super().create(resource, body, namespace, dry_run=True)
        made: Raw = self._written(super().create, resource, body, namespace)
        return made

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str,
        resource_version: str = "",
    ) -> None:
        self._written(
            super().delete, resource, name, namespace, uid=uid, resource_version=resource_version
        )

    def _written(self, write: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        failing = len(self.writes) + 1 == self.fails_at
        if failing and not self.applied:
            self.writes.append("not applied")
            raise self.error
        answer = write(*arguments, **named)
        if failing:
            raise self.error
        return answer

    @property
    def client(self) -> Client:
        return cast(Client, self)

    def map(self, number: int) -> Raw:
        """The stored object itself, for a stranger to change."""
        return self.objects["configmaps", map_name("web", number)]

    def numbers(self) -> tuple[int, ...]:
        return tuple(n for n in range(9) if ("configmaps", map_name("web", n)) in self.objects)


@pytest.fixture(name="cluster")
def cluster_with_small_maps(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster for whose ConfigMaps this content takes four."""
    size = -(-len(archives.pack(CONTENT)) // PARTS)
    monkeypatch.setattr(cluster_backup, "split", lambda archive: archives.split(archive, size))
    return Cluster()


def free() -> None:
    """A guard that lets everything pass."""


def unrecorded(_body: Raw) -> AbstractContextManager[None]:
    """Announces a creation to nobody."""
    return nullcontext()


def put(cluster: Cluster, content: Content = CONTENT) -> str:
    """Save it; the SHA-256 of what stands then."""
    save(cluster.client, content, free, unrecorded)
    return str(cluster.map(0)["metadata"]["annotations"][SHA256])


def take(cluster: Cluster) -> Content | None:
    return load(cluster.client, "shop", "web")

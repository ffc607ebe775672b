"""A lost directory is made again from the cluster, however often that is interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from csi_migration.engine.start import restore_directory
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.peek import peek
from csi_migration.model.errors import UsageError
from tests.unit.backup_cluster import (
    CONTENT,
    FILES,
    Cluster,
    cluster_with_small_maps,
    put,
)
from tests.unit.journal_samples import IDENTITY

__all__ = ["cluster_with_small_maps"]

PLACES = {"kubeconfig": "/home/second/admin.conf", "cluster_secret": None}


def restore(cluster: Cluster, path: Path) -> None:
    restore_directory(cluster.client, path, "shop", "web", PLACES)


def test_it_holds_what_the_lost_one_held(cluster: Cluster, tmp_path: Path) -> None:
    put(cluster)
    restore(cluster, tmp_path / "again")

    found = peek(tmp_path / "again")
    assert found.has_begun
    assert {name: found.load(name) for name in FILES} == FILES


def test_where_to_connect_is_what_is_said_now(cluster: Cluster, tmp_path: Path) -> None:
    put(cluster)
    restore(cluster, tmp_path / "again")

    arguments = peek(tmp_path / "again").arguments
    assert arguments | CONTENT.arguments | PLACES == arguments


def test_one_that_was_left_half_made_is_finished(cluster: Cluster, tmp_path: Path) -> None:
    put(cluster)
    name = next(iter(FILES))
    with WorkingDirectory.create(tmp_path, IDENTITY) as half:
        half.save(name, FILES[name])
    assert not peek(tmp_path).has_begun

    restore(cluster, tmp_path)
    assert {name: peek(tmp_path).load(name) for name in FILES} == FILES


def test_without_a_backup_there_is_nothing_to_make(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no backup"):
        restore(cluster, tmp_path / "again")
    assert not (tmp_path / "again").exists()

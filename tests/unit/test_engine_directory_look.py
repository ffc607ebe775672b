"""The working directory is looked at before there is anything in it, against the set's size."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from csi_migration.decide.backup_size import estimated_bytes
from csi_migration.engine.directory_look import look_at
from csi_migration.journal.condition import LEAST_BYTES
from csi_migration.model.snapshot import DirectoryLook, Snapshot
from tests.unit.snapshots import changed, healthy, pod

HUGE = "x" * 1024 * 1024
BLOCK = 4096


def with_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    blocks = free // BLOCK
    disk = os.statvfs_result((BLOCK, BLOCK, 10**9, blocks, blocks, 10**6, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: disk)


def large() -> Snapshot:
    large_pod = changed(pod(0), "metadata/annotations", {"notes": HUGE})
    return replace(healthy(), pods={0: large_pod, 1: pod(1)})


def test_a_folder_that_is_not_there_yet_will_do_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "work"
    assert look_at(path, healthy()) == DirectoryLook(str(path))
    assert not path.exists()


def test_a_folder_with_something_in_it_will_not_do(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    look = look_at(tmp_path, healthy())
    assert "is not empty: it holds mine" in look.problem
    assert look.resolution


def test_a_large_set_needs_more_room_than_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free(monkeypatch, LEAST_BYTES)

    assert look_at(tmp_path, healthy()).problem == ""
    assert "4096 KiB are free" in look_at(tmp_path, large()).problem


def test_as_much_room_as_was_estimated_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free(monkeypatch, estimated_bytes(large()) + BLOCK)
    assert look_at(tmp_path, large()).problem == ""


def test_the_estimate_is_several_times_the_json_of_what_is_saved() -> None:
    assert 5 * len(HUGE) < estimated_bytes(large()) < 50 * len(HUGE)


def test_the_set_is_counted_for_each_replica_that_it_leaves_for() -> None:
    described = changed(healthy(), "statefulset/metadata/annotations", {"notes": HUGE})
    alone = replace(described, pods={0: pod(0)})
    assert estimated_bytes(described) - estimated_bytes(alone) > len(HUGE)


def test_volumes_of_others_are_not_counted() -> None:
    other = changed(healthy().volumes["pvc-0"], "metadata/annotations", {"notes": HUGE})
    beside = replace(healthy(), volumes=healthy().volumes | {"other": other})
    assert estimated_bytes(beside) == estimated_bytes(healthy())

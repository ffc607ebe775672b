"""The second backup stands for as long as a migration is open, and never misleads."""

from __future__ import annotations

import lzma
from dataclasses import replace

import pytest

from csi_migration.engine import cluster_backup
from csi_migration.engine.backup_maps import MANAGED_BY, map_name, set_of_first
from csi_migration.engine.cluster_backup import (
    BackupDamaged,
    BackupNotWhole,
    UnfinishedMigration,
    refuse_if_there,
    remove,
)
from csi_migration.journal import archive as archives
from csi_migration.journal.archive import Content
from csi_migration.kube import Forbidden, MaybeApplied, resources
from tests.unit.backup_cluster import (
    CONTENT,
    FILES,
    OTHER_FILES,
    OTHER_UID,
    PARTS,
    RECREATED,
    Cluster,
    Crash,
    cluster_with_small_maps,
    free,
    put,
    take,
)
from tests.unit.journal_samples import IDENTITY

__all__ = ["cluster_with_small_maps"]


def test_what_is_saved_is_loaded_until_it_is_removed(cluster: Cluster) -> None:
    assert take(cluster) is None
    put(cluster)
    assert cluster.numbers() == (0, 1, 2, 3)
    assert take(cluster) == CONTENT

    remove(cluster.client, IDENTITY, free)
    assert take(cluster) is None
    assert cluster.objects == {}


def test_the_first_config_map_alone_tells_of_a_migration_that_has_not_ended(
    cluster: Cluster,
) -> None:
    put(cluster)
    first, second = cluster.map(0), cluster.map(1)
    copied = first | {"metadata": first["metadata"] | {"name": "a-copy"}}
    of_nobody = {"metadata": {"name": "csi-migration--backup-0"}}

    told = [set_of_first(item) for item in (first, second, copied, of_nobody)]
    assert told == ["web", "", "", ""]


def test_a_config_map_says_what_it_is_and_has_no_owner(cluster: Cluster) -> None:
    digest = put(cluster)
    found = cluster.map(1)

    assert found["metadata"]["name"] == "csi-migration-web-backup-1"
    assert found["metadata"]["labels"] == dict([MANAGED_BY.split("=")])
    assert "ownerReferences" not in found["metadata"]
    assert found["immutable"] is True
    notes = found["metadata"]["annotations"]
    about = notes.pop("kubernetes.io/description")
    assert about.startswith("Part 2 of 4 of a backup (tar, xz) of StatefulSet web")
    assert "Delete it by hand only when" in about
    assert {key.removeprefix("statefulset-csi-migration-tool/"): v for key, v in notes.items()} == {
        "statefulset": "web",
        "statefulset-uid": "uid-1",
        "chunk": "1",
        "chunks": "4",
        "sha256": digest,
        "version": "0.1.0",
    }


def test_number_0_is_written_last_and_deleted_first(cluster: Cluster) -> None:
    put(cluster)
    remove(cluster.client, IDENTITY, free)

    assert [write.replace("csi-migration-web-backup-", "") for write in cluster.writes] == [
        *("create 3", "create 2", "create 1", "create 0"),
        *("delete 0", "delete 1", "delete 2", "delete 3"),
    ]


def test_saving_again_writes_nothing(cluster: Cluster) -> None:
    digest = put(cluster)
    writes = list(cluster.writes)

    assert put(cluster) == digest
    assert cluster.writes == writes


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("write", range(1, PARTS + 1))
def test_a_save_that_crashed_at_any_write_is_finished(
    cluster: Cluster, write: int, applied: bool
) -> None:
    cluster.fail(write, Crash(), applied=applied)
    with pytest.raises(Crash):
        put(cluster)
    written = cluster.numbers()

    put(cluster)
    assert take(cluster) == CONTENT
    created = [w for w in cluster.writes if w.startswith("create")]
    assert len(created) == len(set(created)) == PARTS, written


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("write", range(1, PARTS + 1))
def test_a_save_that_crashed_before_number_0_stops_nobody(
    cluster: Cluster, write: int, applied: bool
) -> None:
    cluster.fail(write, Crash(), applied=applied)
    with pytest.raises(Crash):
        put(cluster)
    if 0 in cluster.numbers():
        assert take(cluster) == CONTENT
        return
    if cluster.numbers():
        with pytest.raises(BackupNotWhole, match="number 0 is missing") as caught:
            take(cluster)
        assert "nothing was changed yet" in caught.value.state
        assert "kubectl -n shop delete configmap csi-migration-web-b" in caught.value.resolution

    refuse_if_there(cluster.client, "shop", "web")
    put(cluster, OTHER_UID)
    assert take(cluster) == OTHER_UID


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("write", range(1, PARTS + 1))
def test_a_lost_answer_to_a_create_is_looked_after(
    cluster: Cluster, write: int, applied: bool
) -> None:
    cluster.fail(write, MaybeApplied("lost"), applied=applied)
    if applied:
        put(cluster)
    else:
        with pytest.raises(MaybeApplied):
            put(cluster)
        put(cluster)

    assert take(cluster) == CONTENT
    created = [w for w in cluster.writes if w.startswith("create")]
    assert len(created) == len(set(created)) == PARTS


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("write", range(1, PARTS + 1))
def test_a_removal_that_crashed_at_any_write_stops_and_misleads_nobody(
    cluster: Cluster, write: int, applied: bool
) -> None:
    put(cluster)
    cluster.fail(write, Crash(), applied=applied)
    with pytest.raises(Crash):
        remove(cluster.client, IDENTITY, free)
    if write == 1 and not applied:
        assert take(cluster) == CONTENT
    else:
        refuse_if_there(cluster.client, "shop", "web")
        if cluster.numbers():
            with pytest.raises(BackupNotWhole):
                take(cluster)
        put(cluster, OTHER_UID)
        assert take(cluster) == OTHER_UID
        return

    remove(cluster.client, IDENTITY, free)
    assert cluster.objects == {}


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("write", range(1, PARTS + 1))
def test_a_lost_answer_to_a_delete_is_looked_after(
    cluster: Cluster, write: int, applied: bool
) -> None:
    put(cluster)
    cluster.fail(write, MaybeApplied("lost"), applied=applied)
    if applied:
        remove(cluster.client, IDENTITY, free)
    else:
        with pytest.raises(MaybeApplied):
            remove(cluster.client, IDENTITY, free)
        remove(cluster.client, IDENTITY, free)

    assert cluster.objects == {}


def test_a_deletion_that_was_taken_up_and_waits_for_finalizers_counts(cluster: Cluster) -> None:
    put(cluster)

    def lingering(name: str) -> None:
        cluster.objects["configmaps", name]["metadata"]["deletionTimestamp"] = "now"
        raise MaybeApplied("lost")

    cluster.delete = lambda _resource, name, *_, **__: lingering(name)  # type: ignore[method-assign]

    remove(cluster.client, IDENTITY, free)


def test_another_config_map_of_the_name_is_not_what_was_to_be_deleted(cluster: Cluster) -> None:
    put(cluster)

    def replaced(name: str) -> None:
        cluster.objects["configmaps", name]["metadata"]["uid"] = "another"
        raise MaybeApplied("lost")

    cluster.delete = lambda _resource, name, *_, **__: replaced(name)  # type: ignore[method-assign]

    remove(cluster.client, IDENTITY, free)
    assert cluster.numbers() == (0, 1, 2, 3)


def test_what_is_gone_or_another_by_now_is_not_deleted(cluster: Cluster) -> None:
    put(cluster)
    stale = cluster.list(resources.CONFIG_MAPS, labels=MANAGED_BY)
    del cluster.objects["configmaps", map_name("web", 1)]
    cluster.map(2)["metadata"]["uid"] = "another"
    cluster.list = lambda *_, **__: stale  # type: ignore[method-assign]

    remove(cluster.client, IDENTITY, free)
    assert cluster.numbers() == (2,)


def test_another_migrations_backup_is_not_removed(cluster: Cluster) -> None:
    put(cluster)

    remove(cluster.client, RECREATED, free)
    assert take(cluster) == CONTENT


@pytest.mark.parametrize("other", [OTHER_UID, OTHER_FILES], ids=["other set", "other content"])
def test_an_unfinished_migrations_backup_is_never_written_over(
    cluster: Cluster, other: Content
) -> None:
    put(cluster)
    writes = list(cluster.writes)

    with pytest.raises(UnfinishedMigration) as caught:
        put(cluster, other)

    assert cluster.writes == writes
    assert caught.value.exit_code == 6
    assert "StatefulSet shop/web has not ended" in caught.value.message
    told = caught.value.resolution
    assert "rolling-migration resume" in told
    assert "rolling-migration rollback" in told
    names = " ".join(map_name("web", number) for number in range(PARTS))
    assert f"`kubectl -n shop delete configmap {names}`" in told


def test_a_new_run_is_refused_while_an_unfinished_ones_backup_stands(cluster: Cluster) -> None:
    refuse_if_there(cluster.client, "shop", "web")
    put(cluster)
    del cluster.objects["configmaps", map_name("web", 2)]

    with pytest.raises(UnfinishedMigration, match=r"version 0\.1\.0 for the set with uid uid-1"):
        refuse_if_there(cluster.client, "shop", "web")


@pytest.mark.parametrize(
    ("other", "error"), [(OTHER_FILES, BackupDamaged), (OTHER_UID, UnfinishedMigration)]
)
def test_an_unfinished_migrations_damaged_backup_is_not_written_over_either(
    cluster: Cluster, other: Content, error: type[Exception]
) -> None:
    put(cluster)
    del cluster.objects["configmaps", map_name("web", 2)]
    writes = list(cluster.writes)

    with pytest.raises(error):
        put(cluster, other)
    assert cluster.writes == writes


def test_a_backup_is_made_anew_when_more_was_saved_since(cluster: Cluster) -> None:
    digest = put(cluster)
    later = replace(CONTENT, files=FILES | {"todays/statefulset.json": b"{}"})

    assert put(cluster, later) != digest
    assert take(cluster) == later


def test_what_stands_stays_when_the_new_one_would_not_be_taken(cluster: Cluster) -> None:
    put(cluster)
    writes = list(cluster.writes)
    cluster.denial = Forbidden("exceeded quota", status=403)

    with pytest.raises(Forbidden):
        put(cluster, replace(CONTENT, files=FILES | {"todays/statefulset.json": b"{}"}))
    assert cluster.writes == writes
    assert take(cluster) == CONTENT


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("write", range(1, 2 * PARTS + 1))
def test_a_backup_that_was_being_made_anew_is_finished(
    cluster: Cluster, write: int, applied: bool
) -> None:
    put(cluster)
    later = replace(CONTENT, files=FILES | {"todays/statefulset.json": b"{}"})
    cluster.fail(write, Crash(), applied=applied)
    with pytest.raises(Crash):
        put(cluster, later)

    put(cluster, later)
    assert take(cluster) == later


def test_the_same_migrations_backup_is_known_though_packed_otherwise(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = put(cluster)
    pack = archives.pack
    monkeypatch.setattr(
        cluster_backup,
        "pack",
        lambda content: lzma.compress(lzma.decompress(pack(content)), preset=0),
    )
    writes = list(cluster.writes)

    assert put(cluster) == digest
    assert cluster.writes == writes


def test_a_part_that_somebody_deleted_is_put_back(cluster: Cluster) -> None:
    put(cluster)
    del cluster.objects["configmaps", map_name("web", 2)]

    put(cluster)
    assert take(cluster) == CONTENT

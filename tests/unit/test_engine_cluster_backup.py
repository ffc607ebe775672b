"""The second backup stands for as long as a migration is open, and never misleads."""

from __future__ import annotations

import base64
import copy
import lzma
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.engine import cluster_backup
from csi_migration.engine.backup_maps import MANAGED_BY, SHA256, map_name, map_of
from csi_migration.engine.cluster_backup import (
    BackupDamaged,
    BackupNotWhole,
    UnfinishedMigration,
    load,
    refuse_if_there,
    remove,
    save,
)
from csi_migration.journal import archive as archives
from csi_migration.journal.archive import Content
from csi_migration.kube import Client, MaybeApplied, Resource, resources
from csi_migration.model.errors import NeedsPerson
from tests.unit.journal_samples import IDENTITY
from tests.unit.kube_server import CUT, Received, Reply, serving, status
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
    """Fails its n-th write: `applied` or not, with this error."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_at = 0
        self.applied = False
        self.error: BaseException = Crash()

    def fail(self, write: int, error: BaseException, *, applied: bool) -> None:
        self.fails_at, self.error, self.applied = len(self.writes) + write, error, applied

    def list(
        self, resource: Resource, _namespace: str | None = None, *, labels: str = ""
    ) -> list[Raw]:
        key, _, value = labels.partition("=")
        stored = [item for (plural, _), item in self.objects.items() if plural == resource.plural]
        found = copy.deepcopy(stored)
        return [item for item in found if item["metadata"].get("labels", {}).get(key) == value]

    def create(self, resource: Resource, body: Raw, namespace: str | None = None) -> Raw:
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


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster for whose ConfigMaps this content takes four."""
    size = -(-len(archives.pack(CONTENT)) // PARTS)
    monkeypatch.setattr(cluster_backup, "split", lambda archive: archives.split(archive, size))
    return Cluster()


def free() -> None:
    """A guard that lets everything pass."""


def put(cluster: Cluster, content: Content = CONTENT) -> str:
    return save(cluster.client, content, free)


def take(cluster: Cluster) -> Content | None:
    return load(cluster.client, "shop", "web")


def test_what_is_saved_is_loaded_until_it_is_removed(cluster: Cluster) -> None:
    assert take(cluster) is None
    put(cluster)
    assert cluster.numbers() == (0, 1, 2, 3)
    assert take(cluster) == CONTENT

    remove(cluster.client, IDENTITY, free)
    assert take(cluster) is None
    assert cluster.objects == {}


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


def test_an_unfinished_migrations_damaged_backup_is_not_written_over_either(
    cluster: Cluster,
) -> None:
    put(cluster)
    del cluster.objects["configmaps", map_name("web", 2)]

    with pytest.raises(UnfinishedMigration):
        put(cluster, OTHER_FILES)


@pytest.mark.parametrize("more", [{}, {"restore/later.json": b"{}"}], ids=["same", "more files"])
def test_the_same_migrations_backup_is_known_though_packed_otherwise(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, more: dict[str, bytes]
) -> None:
    digest = put(cluster)
    pack = archives.pack
    monkeypatch.setattr(
        cluster_backup,
        "pack",
        lambda content: lzma.compress(lzma.decompress(pack(content)), preset=0),
    )
    writes = list(cluster.writes)

    assert put(cluster, replace(CONTENT, files=FILES | more)) == digest
    assert cluster.writes == writes


def test_a_part_that_somebody_deleted_is_put_back(cluster: Cluster) -> None:
    put(cluster)
    del cluster.objects["configmaps", map_name("web", 2)]

    put(cluster)
    assert take(cluster) == CONTENT


def _flipped(item: Raw) -> None:
    data = bytearray(base64.b64decode(item["binaryData"]["archive"]))
    data[7] ^= 1
    item["binaryData"]["archive"] = base64.b64encode(data).decode()


def _without_data(item: Raw) -> None:
    del item["binaryData"]


def _not_base64(item: Raw) -> None:
    item["binaryData"]["archive"] = "?"


def _no_count(item: Raw) -> None:
    item["metadata"]["annotations"]["statefulset-csi-migration-tool/chunks"] = "four"


def _other_digest(item: Raw) -> None:
    item["metadata"]["annotations"][SHA256] = "0" * 64


def _no_digest(item: Raw) -> None:
    del item["metadata"]["annotations"][SHA256]


def _other_set(item: Raw) -> None:
    item["metadata"]["annotations"]["statefulset-csi-migration-tool/statefulset"] = "db"


@pytest.mark.parametrize(
    "damage",
    [_flipped, _without_data, _not_base64, _no_count, _other_digest, _no_digest, _other_set],
)
@pytest.mark.parametrize("number", [0, 2])
def test_whatever_was_changed_is_noticed(
    cluster: Cluster, damage: Callable[[Raw], None], number: int
) -> None:
    put(cluster)
    damage(cluster.map(number))
    writes = list(cluster.writes)

    with pytest.raises((BackupDamaged, BackupNotWhole)) as caught:
        take(cluster)
    assert caught.value.exit_code == 6
    assert caught.value.resolution
    with pytest.raises(NeedsPerson):
        put(cluster)
    assert "delete" not in " ".join(cluster.writes[len(writes) :])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_missing_part_is_named(cluster: Cluster, number: int) -> None:
    put(cluster)
    del cluster.objects["configmaps", map_name("web", number)]

    with pytest.raises(BackupDamaged, match=rf"0 to 3, {number} cannot be found") as caught:
        take(cluster)
    assert "has not ended" in caught.value.state


def test_parts_of_which_two_changed_places_are_noticed(cluster: Cluster) -> None:
    put(cluster)
    one, other = cluster.map(1), cluster.map(2)
    one["binaryData"], other["binaryData"] = other["binaryData"], one["binaryData"]

    with pytest.raises(BackupDamaged, match="SHA-256"):
        take(cluster)


def test_a_backup_that_is_another_sets_inside_is_refused(cluster: Cluster) -> None:
    put(cluster)
    notes = cluster.map(0)["metadata"]["annotations"]
    notes["statefulset-csi-migration-tool/statefulset-uid"] = "uid-9"

    with pytest.raises(BackupDamaged, match="not of this one"):
        take(cluster)


def test_a_backup_of_another_version_names_the_way_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(archives, "SCHEMA", 2)
        put(cluster)

    with pytest.raises(BackupDamaged, match="another version") as caught:
        take(cluster)
    assert "Use that version" in caught.value.resolution


def test_a_strangers_config_map_is_left_alone(cluster: Cluster) -> None:
    body: Raw = {"metadata": {"name": map_name("web", 0)}, "data": {"mine": "1"}}
    stored = cluster.put(resources.CONFIG_MAPS, body)

    with pytest.raises(NeedsPerson, match="is not it") as caught:
        put(cluster)

    assert "kubectl -n shop delete configmap csi-migration-web-backup-0" in caught.value.resolution
    assert cluster.map(0) == stored


def test_a_part_that_is_being_deleted_does_not_count(cluster: Cluster) -> None:
    put(cluster)
    cluster.map(0)["metadata"]["deletionTimestamp"] = "now"

    with pytest.raises(NeedsPerson, match="is not it"):
        put(cluster)


def test_a_part_that_would_not_be_found_again_does_not_count(cluster: Cluster) -> None:
    put(cluster)
    cluster.map(0)["metadata"]["labels"] = {}

    with pytest.raises(NeedsPerson, match="is not it"):
        put(cluster)


def test_copies_under_other_names_and_other_sets_are_not_looked_at(cluster: Cluster) -> None:
    put(cluster)
    for number in range(2):
        copied = {**cluster.map(number), "metadata": dict(cluster.map(number)["metadata"])}
        copied["metadata"]["name"] = f"copy-{number}"
        cluster.put(resources.CONFIG_MAPS, copied)
    other = replace(CONTENT, identity=msgspec.structs.replace(IDENTITY, statefulset="web-backup"))
    put(cluster, other)
    odd: Raw = {"name": "odd", "labels": dict([MANAGED_BY.split("=")])}
    cluster.put(resources.CONFIG_MAPS, {"metadata": odd})

    assert take(cluster) == CONTENT
    remove(cluster.client, IDENTITY, free)
    assert cluster.numbers() == ()
    assert load(cluster.client, "shop", "web-backup") == other


def test_the_guard_is_asked_before_every_write(cluster: Cluster) -> None:
    asked: list[int] = []

    def guard() -> None:
        asked.append(len(cluster.writes))

    save(cluster.client, CONTENT, guard)
    remove(cluster.client, IDENTITY, guard)
    assert asked == list(range(2 * PARTS))


def test_nothing_is_written_against_the_guard(cluster: Cluster) -> None:
    def guard() -> None:
        raise Crash

    with pytest.raises(Crash):
        save(cluster.client, CONTENT, guard)
    assert cluster.writes == []
    put(cluster)
    with pytest.raises(Crash):
        remove(cluster.client, IDENTITY, guard)
    assert take(cluster) == CONTENT


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SETS = st.from_regex(rf"{_LABEL}(\.{_LABEL})*", fullmatch=True).filter(lambda n: len(n) <= 253)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@given(_SETS, st.integers(0, 10**9))
def test_every_sets_config_maps_have_a_name_that_kubernetes_takes(name: str, number: int) -> None:
    made = map_name(name, number)

    assert len(made) <= 253
    assert _SUBDOMAIN.fullmatch(made)


def test_long_names_that_begin_alike_stay_apart() -> None:
    long = f"{'a' * 199}.{'b' * 40}"

    assert map_name(long, 0) != map_name(f"{long}c", 0)
    assert map_name(long, 0).startswith(f"csi-migration-{'a' * 199}-")


def test_on_the_wire_a_lost_answer_is_read_and_compared() -> None:
    stored: list[Raw] = []

    def created(received: Received) -> Reply:
        stored.append(received.manifest | {})
        stored[0]["metadata"]["uid"] = "uid-of-map"
        return CUT

    empty = Reply(body={"items": [], "metadata": {}})
    with serving() as server:
        server.answers = [empty, created, lambda _: Reply(body=stored[0])]
        save(server.client(), CONTENT, free)
        listed, post, get = server.received
        server.answers = [
            lambda _: Reply(body={"items": stored, "metadata": {}}),
            CUT,
            Reply(status=404, body=status(404, "NotFound")),
        ]
        remove(server.client(), IDENTITY, free)
        deleted = server.received[4]

    assert listed.path == "/api/v1/namespaces/shop/configmaps"
    assert listed.query["labelSelector"] == MANAGED_BY
    assert (post.method, post.path) == ("POST", listed.path)
    assert get.path == deleted.path == f"{listed.path}/csi-migration-web-backup-0"
    assert deleted.manifest["preconditions"] == {"uid": "uid-of-map"}


def test_a_full_chunk_stays_well_below_what_a_config_map_may_hold() -> None:
    chunk = archives.split(b"x" * 10**6)[0]
    body = map_of(IDENTITY, chunk)

    assert len(msgspec.json.encode(body)) < 0.7 * 1024 * 1024

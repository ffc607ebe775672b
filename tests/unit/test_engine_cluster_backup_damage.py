"""A second backup that was changed is noticed, and nothing is written against the guard."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.engine.backup_maps import MANAGED_BY, SHA256, map_name, map_of
from csi_migration.engine.cluster_backup import (
    BackupDamaged,
    BackupNotWhole,
    load,
    remove,
    save,
)
from csi_migration.journal import archive as archives
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson
from tests.unit.backup_cluster import (
    CONTENT,
    PARTS,
    Cluster,
    Crash,
    Raw,
    cluster_with_small_maps,
    free,
    put,
    take,
    unrecorded,
)
from tests.unit.journal_samples import IDENTITY
from tests.unit.kube_server import CUT, Received, Reply, serving, status

__all__ = ["cluster_with_small_maps"]


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


@pytest.mark.parametrize("number", range(PARTS))
def test_every_byte_that_was_changed_is_noticed(cluster: Cluster, number: int) -> None:
    put(cluster)
    item = cluster.map(number)
    kept = base64.b64decode(item["binaryData"]["archive"])
    for place in range(len(kept)):
        damaged = bytearray(kept)
        damaged[place] ^= 1 << place % 8
        item["binaryData"]["archive"] = base64.b64encode(damaged).decode()
        with pytest.raises(BackupDamaged):
            take(cluster)
    item["binaryData"]["archive"] = base64.b64encode(kept).decode()
    assert take(cluster) == CONTENT


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

    save(cluster.client, CONTENT, guard, unrecorded)
    remove(cluster.client, IDENTITY, guard)
    assert asked == list(range(2 * PARTS))


def test_nothing_is_written_against_the_guard(cluster: Cluster) -> None:
    def guard() -> None:
        raise Crash

    with pytest.raises(Crash):
        save(cluster.client, CONTENT, guard, unrecorded)
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
        save(server.client(), CONTENT, free, unrecorded)
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

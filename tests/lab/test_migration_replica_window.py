"""The default: the StatefulSet is away only while one replica is swapped."""

from __future__ import annotations

from itertools import pairwise

from tests.lab.every_migration import EveryMigration
from tests.lab.migration import Migration
from tests.lab.witness import ADDED, DELETED

POD = {
    "initContainers": [
        {
            "name": "prepare",
            "image": "lab/prepare:1",
            "volumeMounts": [{"name": "data", "mountPath": "/var/lib/data"}],
        }
    ],
    "volumes": [
        {
            "name": "vault-token",
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"path": "token", "audience": "vault"}},
                ]
            },
        }
    ],
    "terminationGracePeriodSeconds": 10,
}


class TestReplicaWindow(
    EveryMigration, namespace="replica-window", claims=("data", "logs"), pod=POD
):
    def test_opens_a_window_for_each_replica(self, migration: Migration) -> None:
        changes = migration.witness.of("StatefulSet", "web", ADDED, DELETED)
        assert [one.type for one in changes] == [DELETED, ADDED] * 3

    def test_each_pod_leaves_and_returns_within_its_own_window(self, migration: Migration) -> None:
        changes = migration.witness.of("StatefulSet", "web", ADDED, DELETED)
        windows = list(zip(changes[::2], changes[1::2], strict=True))
        for pod, (opened, closed) in zip(migration.swapped_first, windows, strict=True):
            gone, back = (migration.moment("Pod", pod, t) for t in (DELETED, ADDED))
            assert opened.revision < gone < back < closed.revision

    def test_every_set_is_another_object_of_the_same_spec(self, migration: Migration) -> None:
        made = migration.witness.of("StatefulSet", "web", ADDED)
        assert len({one.item["metadata"]["uid"] for one in made}) == 3
        for one, other in pairwise(made):
            assert one.item["spec"] == other.item["spec"]

    def test_keeps_the_init_container_and_the_projected_token(self, migration: Migration) -> None:
        for pod in migration.after["Pod"].values():
            assert [one["name"] for one in pod["spec"]["initContainers"]] == ["prepare"]
            volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
            assert "projected" in volumes["vault-token"]

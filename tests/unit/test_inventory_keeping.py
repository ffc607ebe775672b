"""What the inventory keeps of each object: less room, and nothing that a check reads is gone."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from csi_migration.decide.permissions import INVENTORY
from csi_migration.engine.inventory import take_inventory
from csi_migration.engine.inventory_keeping import Sharing, slim, slim_node, slim_pod, slim_volume
from csi_migration.model.errors import AuthenticationFailed
from tests.unit import snapshots
from tests.unit.kube_server import Reply, serving
from tests.unit.snapshots import changed

Raw = dict[str, Any]


@pytest.mark.parametrize(
    ("keep", "item"),
    [
        (slim, snapshots.claim(0)),
        (slim, snapshots.statefulset()),
        (slim_volume, snapshots.volume(0)),
        (slim_pod, snapshots.pod(0)),
        (slim_node, snapshots.node("node-1", unschedulable=True)),
    ],
)
def test_what_is_shared_is_equal_to_what_is_kept(keep: Any, item: Raw) -> None:
    before = copy.deepcopy(item)

    assert Sharing().shared(keep(item)) == keep(item)
    assert item == before


def test_claims_of_a_set_share_all_but_what_is_their_own() -> None:
    sharing = Sharing()
    one, other = (sharing.shared(slim(snapshots.claim(ordinal))) for ordinal in range(2))

    assert one["metadata"]["labels"] is other["metadata"]["labels"]
    assert one["spec"]["resources"] is other["spec"]["resources"]
    assert one["spec"]["volumeName"] != other["spec"]["volumeName"]


def test_the_number_one_is_not_taken_for_true() -> None:
    sharing = Sharing()
    first, second = (sharing.shared({"spec": {"x": value}}) for value in (1, True))

    assert (first["spec"]["x"] is True, second["spec"]["x"] is True) == (False, True)


def test_who_wrote_what_and_the_last_applied_manifest_are_not_kept() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "kept"}
    kept = slim(changed(snapshots.statefulset(), "metadata/annotations", applied))

    assert "managedFields" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == {"note": "kept"}


def asked_namespaces(namespace: str | None) -> dict[str, str]:
    """In which namespace the right to list each kind is asked for; then it is refused."""
    with serving() as server, server.client() as client:
        server.answers = [Reply(201, {"status": {"allowed": False}}) for _ in INVENTORY]
        with pytest.raises(AuthenticationFailed) as raised:
            take_inventory(client, namespace=namespace)
        reviews = [each.manifest["spec"]["resourceAttributes"] for each in server.received]
    assert "list pods" in raised.value.message
    return {each["resource"]: each["namespace"] for each in reviews}


def test_for_one_namespace_rights_are_asked_for_in_that_one() -> None:
    asked = asked_namespaces("shop")

    assert {kind for kind, where in asked.items() if not where} == {
        *("persistentvolumes", "nodes", "storageclasses", "csinodes")
    }
    assert set(asked.values()) == {"", "shop"}


def test_for_all_namespaces_rights_are_asked_for_in_all() -> None:
    assert set(asked_namespaces(None).values()) == {""}

"""The inventory: from lists of a cluster to one line for each StatefulSet."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.inventory import Lists, inventory_of
from csi_migration.model.inventory import Inventory, Verdict
from csi_migration.report.inventory import inventory_json, inventory_text, size
from csi_migration.report.style import Paint
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

Raw = dict[str, Any]


def in_namespace(item: Raw, namespace: str = snapshots.NAMESPACE) -> Raw:
    found: Raw = changed(item, "metadata/namespace", namespace)
    return found


def lists(**fields: Any) -> Lists:
    whole = healthy()
    made = Lists(
        cluster="https://cluster:6443",
        version=whole.server_version,
        places=("--kubeconfig", "admin.conf"),
        namespace="",
        statefulsets=(whole.statefulset,),
        claims=tuple(whole.claims.values()),
        pods=tuple(whole.pods.values()),
        revisions=tuple(in_namespace(one) for one in whole.revisions.values()),
        budgets=tuple(in_namespace(one) for one in whole.budgets),
        autoscalers=(),
        volumes=whole.volumes,
        classes=whole.classes,
        nodes=whole.nodes or {},
        csi_nodes=whole.csi_nodes,
    )
    return replace(made, **fields)


def test_a_healthy_set_is_ready_and_its_next_command_is_preflight() -> None:
    (row,) = inventory_of(lists()).sets

    assert (row.namespace, row.name, row.verdict, row.findings) == (
        "shop",
        "web",
        Verdict.READY,
        (),
    )
    assert (row.in_tree, row.csi, row.size_bytes, row.ready, row.replicas) == (2, 0, 2 << 30, 2, 2)
    assert row.next == (
        "statefulset-csi-migration-tool preflight --kubeconfig admin.conf --sts-namespace shop "
        "--sts-name web --intree-storageclass standard --csi-storageclass standard-rwo"
    )


def test_a_blocker_is_named() -> None:
    owned = changed(snapshots.statefulset(), "metadata/finalizers", ["shop.example/own"])
    (row,) = inventory_of(lists(statefulsets=(owned,))).sets

    assert (row.verdict, row.findings) == (Verdict.BLOCKED, ("set-finalizers",))


def test_what_needs_acceptance_is_named() -> None:
    marks = {"argocd.argoproj.io/tracking-id": "x"}
    marked = changed(snapshots.statefulset(), "metadata/annotations", marks)
    (row,) = inventory_of(lists(statefulsets=(marked,))).sets

    assert (row.verdict, row.findings) == (Verdict.TO_ACCEPT, ("gitops",))


def test_a_set_that_is_partly_on_csi_is_to_be_resumed() -> None:
    half = healthy().volumes | {"pvc-1": snapshots.csi_volume("pvc-1", "fcd-1")}
    (row,) = inventory_of(lists(volumes=half)).sets

    assert (row.verdict, row.in_tree, row.csi) == (Verdict.PARTLY, 1, 1)
    assert "rolling-migration resume" in row.next


def test_a_set_without_in_tree_volumes_is_left_out() -> None:
    done = {f"pvc-{o}": snapshots.csi_volume(f"pvc-{o}", f"fcd-{o}") for o in range(2)}

    assert inventory_of(lists(volumes=done)).sets == ()


def test_with_several_classes_the_person_chooses() -> None:
    second = snapshots.storage_class("fast", "csi.vsphere.vmware.com")
    (row,) = inventory_of(lists(classes=healthy().classes | {"fast": second})).sets

    assert row.csi_class == ""
    assert row.next.endswith("--csi-storageclass CSI_STORAGECLASS")


def test_volumes_of_no_set_are_counted_by_namespace() -> None:
    loose = healthy().volumes | {"pvc-9": snapshots.volume(9)}
    found = inventory_of(lists(volumes=loose))

    assert [volume.name for volume in found.loose] == ["pvc-9"]
    assert "1 in-tree volumes belong to no StatefulSet: shop 1." in inventory_text(found)
    elsewhere = inventory_of(lists(volumes=loose, namespace="other"))
    assert elsewhere.loose == ()


def test_a_second_volume_on_a_disk_is_seen_across_namespaces() -> None:
    other = changed(snapshots.volume(0), "metadata/name", "pvc-twin")
    twins = healthy().volumes | {"pvc-twin": other}
    (row,) = inventory_of(lists(volumes=twins)).sets

    assert row.findings == ("volume-paths",)


def many() -> Inventory:
    (row,) = inventory_of(lists()).sets
    blocked = replace(
        row,
        name="a-set-with-a-long-name",
        verdict=Verdict.BLOCKED,
        findings=("set-steady", "replicas-ready", "claim-retention", "disruption-budget"),
    )
    return Inventory("https://cluster:6443", ("standard-rwo",), (row, blocked), ())


def test_the_page_at_80_columns() -> None:
    assert inventory_text(many(), width=80) == (
        "STATEFULSET                  VOLUMES  SIZE   CLASS     READY  VERDICT\n"
        "shop/web                     2        2 GiB  standard  2/2    ready\n"
        "shop/a-set-with-a-long-name  2        2 GiB  standard  2/2    blocked: set-st...\n"
        "\n"
        "2 StatefulSets with 4 in-tree volumes: 1 ready, 1 blocked.\n"
        f"Next: {many().sets[0].next}\n"
    )


def test_the_page_at_140_columns_names_all_reasons() -> None:
    assert (
        "2/2    blocked: set-steady, replicas-ready, claim-retention, disruption-budget\n"
        in inventory_text(many(), width=140)
    )


@pytest.mark.parametrize("width", [80, 140])
def test_colours_change_no_character(width: int) -> None:
    painted = inventory_text(many(), width=width, paint=Paint(on=True))

    assert "\033[32mready\033[0m" in painted
    assert re.sub(r"\033\[\d+m", "", painted) == inventory_text(many(), width=width)


def test_the_wide_page_has_the_command_of_each_set() -> None:
    told = inventory_text(many(), width=80, wide=True)

    assert told.count(" preflight --kubeconfig admin.conf ") == 3


def test_the_inventory_for_machines_holds_everything() -> None:
    told = json.loads(inventory_json(many()))

    assert (told["schemaVersion"], told["type"]) == (1, "inventory")
    assert told["sets"][0]["verdict"] == "ready"
    assert told["sets"][0]["intreeClass"] == "standard"
    assert told["summary"] == {"ready": 1, "to accept": 0, "partly on CSI": 0, "blocked": 1}


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (3 << 29, "1.5 GiB"), (10 << 40, "10 TiB")]
)
def test_sizes_are_said_in_binary_units(count: int, words: str) -> None:
    assert size(count) == words

"""The inventory as it is printed: for people and for machines."""

from __future__ import annotations

import json
import re

import pytest

from csi_migration.report.inventory import inventory_json, inventory_text, size
from csi_migration.report.style import Paint
from tests.unit.inventorykit import many


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
    assert told["summary"] == {
        "under way": 0,
        "ready": 1,
        "to accept": 0,
        "partly on CSI": 0,
        "left over": 0,
        "blocked": 1,
    }


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (3 << 29, "1.5 GiB"), (10 << 40, "10 TiB")]
)
def test_sizes_are_said_in_binary_units(count: int, words: str) -> None:
    assert size(count) == words

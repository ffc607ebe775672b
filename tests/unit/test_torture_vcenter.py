"""What vCenter holds of a set's disks is read from what the lab's vCenter has written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.layout import Layout
from tests.torture.vcenter import objects

OWN, OTHER = "[ds] kubevols/own.vmdk", "[ds] kubevols/other.vmdk"


def disk(path: str, *, kept: bool) -> dict[str, Any]:
    flags = {"relocationDisabled": False, "changedBlockTrackingEnabled": False}
    backing = {"filePath": path}
    return {"config": {"name": "n", "backing": backing, "keepAfterDeleteVm": kept, **flags}}


def entity(kind: str, name: str) -> dict[str, Any]:
    labels = [{"key": "app", "value": "web"}]
    return {"entityType": kind, "entityName": name, "clusterID": "c", "labels": labels}


def test_only_the_sets_own_disks_and_their_volumes_count(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.vcenter.mkdir()
    told = [entity("PERSISTENT_VOLUME", "pv-1"), entity("PERSISTENT_VOLUME_CLAIM", "data-web-0")]
    content = {
        "disks": {
            "1": disk(OWN, kept=True),
            "2": disk(OWN, kept=False),
            "3": disk(OTHER, kept=True),
        },
        "volumes": {known: {"metadata": {"entityMetadata": told}} for known in ("1", "3")},
    }
    (layout.vcenter / "catalog.json").write_text(json.dumps(content))
    found = objects(layout, [OWN])
    kept = {
        known: one["spec"]["keepAfterDeleteVm"] for known, one in found["FirstClassDisk"].items()
    }
    assert kept == {"1": True, "2": False}
    volume = {"clusterID": "c", "name": "pv-1", "labels": {"app": "web"}}
    assert {known: one["spec"] for known, one in found["CnsVolume"].items()} == {
        "1": {"persistentVolumes": [volume]}
    }

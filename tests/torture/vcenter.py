"""What vCenter holds of a set's VMDKs.

Read from the file that the lab's vCenter keeps for its next start, so that no case waits for
another one's judge.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from lab.client import Object
from lab.layout import Layout
from tests.lab.world import Objects

_FLAGS = ("keepAfterDeleteVm", "relocationDisabled", "changedBlockTrackingEnabled")


def objects(layout: Layout, paths: Collection[str]) -> dict[str, Objects]:
    """The First Class Disks that these VMDKs are, and their volumes in CNS, by kind and id."""
    content = json.loads((layout.vcenter / "catalog.json").read_text())
    backed = {known: disk["config"] for known, disk in content["disks"].items()}
    own = [known for known, disk in backed.items() if disk["backing"]["filePath"] in paths]
    volumes = content["volumes"]
    return {
        "FirstClassDisk": {known: _disk(known, backed[known]) for known in own},
        "CnsVolume": {known: _volume(known, volumes[known]) for known in own if known in volumes},
    }


def _disk(known: str, config: Object) -> Object:
    flags = {flag: config[flag] for flag in _FLAGS}
    spec = {"name": config["name"], "filePath": config["backing"]["filePath"], **flags}
    return {"metadata": {"name": known}, "spec": spec}


def _volume(known: str, volume: Object) -> Object:
    """Whose it is. Its name is that of whatever it was first registered for, and its claim's
    is written there by the driver some seconds later only.
    """
    entities = volume["metadata"]["entityMetadata"] or ()
    volumes = [_entity(each) for each in entities if each["entityType"] == "PERSISTENT_VOLUME"]
    return {"metadata": {"name": known}, "spec": {"persistentVolumes": volumes}}


def _entity(entity: Object) -> Object:
    labels = {each["key"]: each["value"] for each in entity["labels"] or ()}
    return {"clusterID": entity["clusterID"], "name": entity["entityName"], "labels": labels}

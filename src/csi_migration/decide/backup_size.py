"""How much room a migration takes in its working directory."""

from __future__ import annotations

import json

from csi_migration.decide.checks_volumes import pairs
from csi_migration.model.objects import Raw
from csi_migration.model.snapshot import Snapshot

# Of a whole migration the backups, the objects to restore, the plan and the journal took 4 to
# 6 times the JSON of the set's objects; taking it back saves as much again.
_TIMES = 12
_FILES_OF_EACH = 8
_BLOCK = 4096


def estimated_bytes(snapshot: Snapshot) -> int:
    """The room for a migration of all replicas and the way back, on the safe side.

    Each object is in several files, and each file takes a block of the disk at least. The
    set is saved again whenever it is taken away, which may be for each replica.
    """
    objects = [*_of_replicas(snapshot), *_of_the_set(snapshot)]
    again = len(snapshot.pods) * _size(snapshot.statefulset)
    return _TIMES * (sum(map(_size, objects)) + again) + _FILES_OF_EACH * _BLOCK * len(objects)


def _of_replicas(snapshot: Snapshot) -> list[Raw]:
    volumes = (volume for _, volume in pairs(snapshot))
    return [*snapshot.pods.values(), *snapshot.claims.values(), *volumes, *snapshot.attachments]


def _of_the_set(snapshot: Snapshot) -> list[Raw]:
    return [snapshot.statefulset, *snapshot.revisions.values(), *snapshot.classes.values()]


def _size(item: Raw) -> int:
    return len(json.dumps(item))

"""What makes a wait shorter is written under the Lease, like everything else."""

from __future__ import annotations

from typing import Any, cast

import pytest

from csi_migration.engine.full_sync import FullSync
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.nudge import Nudge
from csi_migration.kube import Client, ReadFailed, resources
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster

SYNC: Any = {"metadata": {"name": "csifullsync"}, "status": {"lastTriggerSyncID": 3}}


def taken_over() -> None:
    raise LeaseLost("Lease csi-migration-web was taken over")


def unseen() -> None:
    raise ReadFailed("the Lease could not be looked at")


@pytest.fixture
def cluster() -> Any:
    made: Any = MemoryCluster()
    made.put(resources.CLAIMS, snapshots.claim(0))
    made.put(resources.FULL_SYNC_TRIGGERS, SYNC)
    return made


def test_a_lost_lease_ends_the_touching_of_a_claim(cluster: Any) -> None:
    with pytest.raises(LeaseLost):
        Nudge(cast(Client, cluster), "shop", taken_over).touch("data-web-0", "")
    assert cluster.writes == []


def test_a_lost_lease_ends_the_asking_for_a_full_sync(cluster: Any) -> None:
    with pytest.raises(LeaseLost):
        FullSync(cast(Client, cluster), taken_over).ask_when_due(60)
    assert cluster.writes == []


def test_without_a_look_at_the_lease_nothing_is_touched_and_the_wait_goes_on(cluster: Any) -> None:
    Nudge(cast(Client, cluster), "shop", unseen).touch("data-web-0", "")
    FullSync(cast(Client, cluster), unseen).ask_when_due(60)
    assert cluster.writes == []

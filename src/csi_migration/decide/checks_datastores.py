"""Checks of the datastores that the disks lie on."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.preflight import Problem, check, unknown
from csi_migration.model.finding import Severity
from csi_migration.model.snapshot import Snapshot

_EVACUATED = ("enteringMaintenance", "inMaintenance")


@check(
    "datastores-usable",
    Severity.BLOCKER,
    "every datastore is accessible and in no maintenance",
    looks_at="summary.accessible and summary.maintenanceMode of every disk's datastore",
    source="vSphere: Datastore.Summary",
    resolution="Bring the datastore back, or end its maintenance.",
    needs="datastores",
)
def datastores_usable(snapshot: Snapshot) -> Iterator[Problem]:
    """A disk that can't be reached is neither registered nor attached, and one that is being
    evacuated is somewhere else when its replica comes back.
    """
    for store in snapshot.datastores.values():
        if not store.is_accessible:
            yield Problem(f"datastore/{store.name}", "vCenter can't reach it through any host")
        elif store.maintenance in _EVACUATED:
            message = f"it is in maintenance ({store.maintenance})"
            yield Problem(f"datastore/{store.name}", message)


@check(
    "storage-drs",
    Severity.WARNING,
    "Storage DRS moves no disks of these datastores by itself",
    looks_at="the datastore clusters of the disks' datastores: enabled, defaultVmBehavior",
    source="vsphere-csi-driver issues 565, 365, 686; datastore clusters are not supported",
    resolution="Set the datastore cluster to manual mode until its volumes are CSI volumes, "
    "or longer: the CSI driver does not support Storage DRS.",
    needs="datastores",
)
def storage_drs(snapshot: Snapshot) -> Iterator[Problem]:
    """It moves and renames disks with the VM that holds them, and volumes keep the old path.
    A disk that no VM holds stays, so none moves while its replica is away; each is looked for
    again before that.
    """
    for store in snapshot.datastores.values():
        if not store.is_pod_seen:
            message = "it is in a datastore cluster that can't be seen"
            resolution = "Grant System.Read on it, or see that Storage DRS is in manual mode."
            yield unknown(f"datastore/{store.name}", message, resolution)
        elif store.is_automated:
            message = f"Storage DRS moves disks of its datastore cluster {store.pod} by itself"
            yield Problem(f"datastore/{store.name}", message)

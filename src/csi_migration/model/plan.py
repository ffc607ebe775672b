"""What a migration will do, worked out before anything changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from csi_migration.model.disk import DiskFile
from csi_migration.model.objects import Raw


class Window(Enum):
    """How long the StatefulSet object is away: for one replica or for the run."""

    REPLICA = "replica"
    RUN = "run"


class Direction(Enum):
    """To which side a run brings the replicas."""

    TO_CSI = "to-csi"
    TO_IN_TREE = "to-in-tree"


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """One claim of a replica and its volume, on both sides of the swap.

    Attributes:
        name: the claim's name, the same before and after.
        uid: the uid of the claim that was backed up.
        old_volume: name of the in-tree PersistentVolume.
        old_volume_uid: its uid.
        reclaim_policy: the policy that the old volume had and the new one gets.
        volume_path: the old volume's `volumePath` as it stands in its spec.
        file: the VMDK, as found in vCenter.
        disk_id: the FCD id if the VMDK is one already, else empty.
        new_volume: name of the CSI PersistentVolume to come.
        new_volume_manifest: it, all but its volumeHandle.
        new_claim_manifest: the claim to come.
        old_volume_manifest: the in-tree volume, to be created again by a rollback.
        old_claim_manifest: the in-tree claim, likewise.
    """

    name: str
    uid: str
    old_volume: str
    old_volume_uid: str
    reclaim_policy: str
    volume_path: str
    file: DiskFile
    disk_id: str
    new_volume: str
    new_volume_manifest: Raw
    new_claim_manifest: Raw
    old_volume_manifest: Raw
    old_claim_manifest: Raw


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """One replica: its pod and all its claims.

    `node` is where the pod ran when it was backed up; `grace_seconds` is its own
    termination grace period.
    """

    ordinal: int
    pod: str
    pod_uid: str
    pod_manifest: Raw
    node: str
    grace_seconds: float
    claims: tuple[ClaimPlan, ...]

    def claim(self, name: str) -> ClaimPlan:
        """The replica's claim of that name."""
        return next(claim for claim in self.claims if claim.name == name)


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """The whole migration of one StatefulSet.

    Attributes:
        namespace: of the set and everything in it.
        statefulset: the set's name.
        uid: the uid of the set that was backed up.
        revision: the revision that every pod runs and must still run afterwards.
        selector: the set's label selector in its query form.
        statefulset_manifest: the set to come.
        original: the set as it was backed up.
        min_ready_seconds: how long a pod must be Ready to count as available.
        replicas: highest ordinal first, the order of the swaps.
    """

    namespace: str
    statefulset: str
    uid: str
    revision: str
    selector: str
    statefulset_manifest: Raw
    original: Raw
    min_ready_seconds: float
    replicas: tuple[ReplicaPlan, ...]

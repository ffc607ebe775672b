"""The checks that are made again right before each replica leaves."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.catalogue import findings
from csi_migration.model.objects import Raw
from csi_migration.model.snapshot import Snapshot

AGAIN = frozenset(
    {
        "selector-overlap",
        "namespace-stays",
        "classes",
        "claims-bound",
        "claims-unshared",
        "claims-settled",
        "access-modes",
        "volume-snapshots",
        "class-quota",
        "topology",
        "driver-on-nodes",
        "csi-driver",
        "driver-lets-go",
        "nodes-ready",
        "attachments",
        "datastores-usable",
        "disks-found",
        "disks-moved",
        "disks-plain",
        "machines-readable",
        "disks-catalog",
        "disks-held-here",
        "machine-snapshots",
        "dry-runs",
        "pods-admitted",
    }
)
"""What may come to fail in the hours between preflight and the last replica, and would
leave a replica away; and what preflight asks samples of, for a large set. Budgets, readiness
and the set itself are looked at anyway. A new finalizer is not among them: who sets one mostly
takes it off again, and the swap waits."""


def of_one_replica(statefulset: Raw, ordinal: int) -> Raw:
    """The set as if it had this one replica, so that a check looks at that alone."""
    spec = statefulset["spec"] | {"replicas": 1, "ordinals": {"start": ordinal}}
    return statefulset | {"spec": spec}


GOING_BACK = frozenset({"driver-lets-go"})
"""What would leave a replica away on its way back, too: its CSI volume has to be let go of."""


def objections(snapshot: Snapshot, *, only: frozenset[str] = AGAIN) -> Iterator[str]:
    """Why this replica must not leave now, in words with the check's id.

    What the person has accepted is no reason, nor what can't be told: preflight had it
    accepted before the run began.
    """
    for finding in findings(snapshot, only=only):
        if finding.forbids and finding.known:
            yield f"{finding.subject}: {finding.message} [{finding.id}]"

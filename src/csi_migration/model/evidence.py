"""What a verification looks at, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field

from csi_migration.model.disk import Disk
from csi_migration.model.objects import Raw


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that was verified.

    Attributes:
        id: the rule's name, which never changes (`claim-bound`).
        subject: the object looked at (`pvc/data-web-0`).
        is_ok: whether it is as it should be.
        message: what was seen.
        resolution: what to do; empty when it is ok.
    """

    id: str
    subject: str
    is_ok: bool
    message: str
    resolution: str = ""


@dataclass(frozen=True, slots=True)
class ClaimEvidence:
    """A claim and what is behind it; None is what is not there.

    Attributes:
        claim: the claim.
        volume: the volume that it names.
        disk: the First Class Disk that a CSI volume names, from vCenter's catalog.
        registered: whether CNS knows that disk; None when not asked.
        holders: names of the VMs that hold the VMDK; None when not asked.
    """

    claim: Raw | None
    volume: Raw | None
    disk: Disk | None = None
    registered: bool | None = None
    holders: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A StatefulSet and all that belongs to it.

    Attributes:
        statefulset: None when it is away.
        pods: the replicas' pods that are there, by name.
        claims: every planned claim, by name.
        machines: the VM of each node that runs a replica, by node name; without
            those that could not be told.
    """

    statefulset: Raw | None
    pods: dict[str, Raw]
    claims: dict[str, ClaimEvidence]
    machines: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified of which migration; `command` is that of its last run."""

    namespace: str
    statefulset: str
    cluster: str
    working_directory: str
    command: str
    is_finished: bool
    verdicts: tuple[Verdict, ...]

    @property
    def problems(self) -> tuple[Verdict, ...]:
        """What is not as it should be."""
        return tuple(verdict for verdict in self.verdicts if not verdict.is_ok)

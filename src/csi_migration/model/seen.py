"""What is seen of one replica while it is swapped.

The Kubernetes objects are read anew before every decision. What costs more to
find out (vCenter, CNS, attachments) is `None` until the decision asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from csi_migration.model.disk import Disk


class Presence(Enum):
    """Whose object stands under a name."""

    ABSENT = "absent"
    OLD = "old"
    """The one that was backed up, or that one made again by a rollback."""
    NEW = "new"
    """The one that this migration makes."""
    FOREIGN = "foreign"
    """Neither: somebody else made it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One object. `uid` is empty when it is absent."""

    presence: Presence
    uid: str = ""
    resource_version: str = ""
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class SetSeen(Seen):
    """The StatefulSet.

    `spec_changes` tells, in words, where its spec is not the expected one;
    `templates_differ` that its claim templates are not yet those that it has to end
    with.
    """

    spec_changes: tuple[str, ...] = ()
    templates_differ: bool = False


@dataclass(frozen=True, slots=True)
class PodSeen(Seen):
    """The replica's pod. `owner` is its controller's uid, empty for an orphan."""

    owner: str = ""
    ready: bool = False


@dataclass(frozen=True, slots=True)
class ClaimSeen:
    """One claim, its two volumes and its disk.

    Attributes:
        claim: the PersistentVolumeClaim.
        bound: whether the claim and the volume that it names are Bound to each other.
        old_volume: the in-tree volume.
        retain: whether the old volume's policy is Retain on the server.
        released: whether the volumes remember a claim that is gone, so that no new
            one can bind: (old, new).
        new_volume: the CSI volume.
        new_retain: whether the new volume's policy is Retain on the server.
        disk: the FCD; None when not looked up or not registered.
        disk_looked_up: whether `disk` is an answer.
        registered: whether CNS knows the disk; None when not asked.
    """

    claim: Seen
    bound: bool
    old_volume: Seen
    retain: bool
    new_volume: Seen
    disk: Disk | None = None
    disk_looked_up: bool = False
    registered: bool | None = None
    released: tuple[bool, bool] = (False, False)
    new_retain: bool = True


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """The set, the pod and the claims of the replica in hand.

    Attributes:
        statefulset: the set.
        pod: the replica's pod.
        claims: by claim name.
        attached_by: what still holds a disk of the replica, in words; None when
            not looked at, empty when nothing does.
        left_owned: objects that still carry the deleted set's uid; None when not
            looked at.
        others_gone: pods of other replicas that vanished while the set is away, so
            that nobody makes them again.
        strangers: pods that stand in the place of other replicas, while the set's
            controller has this one to make, in words.
    """

    statefulset: SetSeen
    pod: PodSeen
    claims: dict[str, ClaimSeen]
    attached_by: tuple[str, ...] | None = None
    left_owned: tuple[str, ...] | None = None
    others_gone: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()

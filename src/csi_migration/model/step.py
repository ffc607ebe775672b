"""What a migration does next."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Action(Enum):
    """A write to the cluster or to vCenter, in the order of a swap, then those of a way back."""

    OPEN_WINDOW = "open-window"
    DELETE_POD = "delete-pod"
    REGISTER_DISK = "register-disk"
    PROTECT_DISK = "protect-disk"
    DELETE_CLAIM = "delete-claim"
    DELETE_VOLUME = "delete-volume"
    CREATE_VOLUME = "create-volume"
    CREATE_CLAIM = "create-claim"
    CREATE_POD = "create-pod"
    CLOSE_WINDOW = "close-window"
    DELETE_CSI_CLAIM = "delete-csi-claim"
    DELETE_CSI_VOLUME = "delete-csi-volume"
    RESTORE_VOLUME = "restore-volume"
    RESTORE_CLAIM = "restore-claim"


SET_POLICY = "set-policy-"
"""How the actions begin that set a volume's policy; they belong to no replica's swap."""

TITLES = {
    Action.OPEN_WINDOW: "take the StatefulSet away, leaving its pods",
    Action.DELETE_POD: "stop the pod",
    Action.REGISTER_DISK: "register the VMDK as a First Class Disk",
    Action.PROTECT_DISK: "make the disk outlive its VM",
    Action.DELETE_CLAIM: "delete the in-tree claim",
    Action.DELETE_VOLUME: "delete the in-tree volume",
    Action.CREATE_VOLUME: "create the CSI volume",
    Action.CREATE_CLAIM: "create the claim on the CSI volume",
    Action.CREATE_POD: "start the pod",
    Action.CLOSE_WINDOW: "bring the StatefulSet back",
    Action.DELETE_CSI_CLAIM: "delete the claim on the CSI volume",
    Action.DELETE_CSI_VOLUME: "delete the CSI volume",
    Action.RESTORE_VOLUME: "create the in-tree volume again",
    Action.RESTORE_CLAIM: "create the claim on the in-tree volume",
}
"""What each action is called, before it is done."""


class Wait(Enum):
    """Something that others must do before the next write."""

    ORPHANED = "orphaned"
    POD_GONE = "pod-gone"
    DETACHED = "detached"
    CLAIM_GONE = "claim-gone"
    VOLUME_GONE = "volume-gone"
    UNREGISTERED = "unregistered"
    REGISTERED = "registered"
    BOUND = "bound"
    ADOPTED = "adopted"
    READY = "ready"


class Look(Enum):
    """Something that must be found out before the next decision."""

    ORPHANS = "orphans"
    ATTACHMENTS = "attachments"
    DISK = "disk"
    REGISTRATION = "registration"


@dataclass(frozen=True, slots=True)
class Act:
    """Do it. `claim` is empty for actions on the set or the pod."""

    action: Action
    claim: str = ""


@dataclass(frozen=True, slots=True)
class AwaitIt:
    """Look again until it is so. `reason` says what it is waiting for."""

    wait: Wait
    reason: str
    claim: str = ""


@dataclass(frozen=True, slots=True)
class LookAt:
    """Find it out.

    `surely` tells that by all that is known it is there: what could not be read
    does not count as missing. The answer is the same fact either way.
    """

    look: Look
    claim: str = ""
    surely: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Stop: what is seen cannot be explained, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retreat:
    """Give this replica its pod and its set back first, for a reason in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The replica stands where it should, Ready."""


Step = Act | AwaitIt | LookAt | Refuse | Retreat | Finished

_VOLUME_DELETIONS = (Action.DELETE_VOLUME, Action.DELETE_CSI_VOLUME)


def is_hard(step: Step) -> bool:
    """Whether it is hard to take back, or ends the run."""
    is_deletion = isinstance(step, Act) and step.action in _VOLUME_DELETIONS
    return is_deletion or isinstance(step, Refuse)

"""What a migration does next."""

from __future__ import annotations

from dataclasses import dataclass
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
    """Find it out."""

    look: Look
    claim: str = ""


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

"""What a run remembers of the replica in hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from csi_migration.model.disk import Disk
from csi_migration.model.step import Action, Look, LookAt, Wait

_BEFORE_A_START = (
    Action.DELETE_POD,
    Action.CREATE_CLAIM,
    Action.RESTORE_CLAIM,
    Action.CREATE_POD,
)
# A disk moves, or a snapshot makes a delta of it, at any time: no volume is made by a look
# that is older than the last thing that took its time.
_TAKING_TIME = (
    Action.REGISTER_DISK,
    Action.PROTECT_DISK,
    Action.DELETE_CLAIM,
    Action.DELETE_VOLUME,
    Action.CREATE_VOLUME,
    Action.DELETE_CSI_CLAIM,
    Action.DELETE_CSI_VOLUME,
    Action.RESTORE_VOLUME,
)
_WAITS_OF_A_CLAIM = (Wait.CLAIM_GONE, Wait.VOLUME_GONE, Wait.UNREGISTERED)
_CHANGING_REGISTRATION = (
    Action.DELETE_VOLUME,
    Action.CREATE_VOLUME,
    Action.DELETE_CSI_VOLUME,
    Action.RESTORE_VOLUME,
)


@dataclass(slots=True)
class Facts:
    """What was found out at some cost, until an action makes it old.

    `attachment` is the VolumeAttachment among `attached_by`: its name and version.
    """

    attachment: tuple[str, str] | None = None
    attached_by: tuple[str, ...] | None = None
    left_owned: tuple[str, ...] | None = None
    disks: dict[str, Disk | None] = field(default_factory=dict)
    disk_ids: dict[str, str] = field(default_factory=dict)
    registered: dict[str, bool] = field(default_factory=dict)
    pod_was_there: bool = False

    def answer(self, question: LookAt) -> object:
        """What was found out of it last; None if nothing was."""
        match question.look:
            case Look.ORPHANS:
                return self.left_owned
            case Look.ATTACHMENTS:
                return self.attached_by
            case Look.DISK:
                return self.disks.get(question.claim)
            case Look.REGISTRATION:
                return self.registered.get(question.claim)

    def forget_after(self, action: Action, claim: str) -> None:
        """Drop what the action may have changed."""
        # After the last wait before the pod's start, a last look at who holds the disks.
        if action in _BEFORE_A_START:
            self.attached_by = None
        if action is Action.OPEN_WINDOW:
            self.left_owned = None
        if action is Action.DELETE_POD:
            self.disks.clear()
        if action in _TAKING_TIME:
            self.disks.pop(claim, None)
        if action in _CHANGING_REGISTRATION:
            self.registered.pop(claim, None)

    def follow_the_pod(self, *, is_there: bool) -> None:
        """Drop what was seen while the pod could still write, whoever stopped it."""
        if self.pod_was_there and not is_there:
            self.forget_what_ages()
        self.pod_was_there = is_there

    def forget_what_ages(self) -> None:
        """Drop what others may have changed while nobody could look."""
        self.attached_by = None
        self.disks.clear()

    def forget_for(self, wait: Wait, claim: str) -> None:
        """Drop what is being waited for, and what may be another by now."""
        if wait is Wait.DETACHED:
            self.attached_by = None
            self.disks.clear()
        if wait is Wait.ORPHANED:
            self.left_owned = None
        if wait in _WAITS_OF_A_CLAIM:
            self.disks.pop(claim, None)
        if wait in (Wait.REGISTERED, Wait.UNREGISTERED):
            self.registered.pop(claim, None)

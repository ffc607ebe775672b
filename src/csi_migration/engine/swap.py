"""Swaps one replica: decide, act, see, again."""

from __future__ import annotations

import time
from collections.abc import Callable

from csi_migration.decide.next_step import is_untouched, next_step, retreat_step
from csi_migration.engine.actions import TITLES, Actor
from csi_migration.engine.full_sync import FullSync
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.nudge import Nudge
from csi_migration.engine.observe import Observer
from csi_migration.engine.run import AWAY, Run, Waiter, timeout_of
from csi_migration.journal.errors import JournalBroken
from csi_migration.kube import (
    AlreadyExists,
    Conflict,
    MaybeApplied,
    NotFound,
    TooManyRequests,
)
from csi_migration.model.errors import NeedsPerson, Stopped, ToolError
from csi_migration.model.events import StepDone, StepStarted
from csi_migration.model.objects import Raw
from csi_migration.model.plan import ReplicaPlan, Window
from csi_migration.model.seen import ReplicaSeen
from csi_migration.model.step import Act, Action, AwaitIt, Finished, LookAt, Refuse, Step, Wait
from csi_migration.vsphere.errors import RegistrationUnknown

Decide = Callable[[ReplicaPlan, ReplicaSeen, Window], Step]

# Nothing was applied and the world has moved: look again and decide anew.
_MOVED = (Conflict, AlreadyExists, NotFound, TooManyRequests)
# A write whose outcome is unknown: look again, and never repeat it blindly.
_UNKNOWN = (MaybeApplied, RegistrationUnknown)

_MOST_TRIES = 20
_CONFLICT_PAUSE_SECONDS = 0.2


class Retreated(Stopped):
    """A swap failed before it changed a claim, and was undone."""


class Swap:
    """The swap of one replica. `seconds_away` counts from its pod's deletion."""

    def __init__(self, run: Run, replica: ReplicaPlan, set_before: Raw) -> None:
        self._run = run
        self._replica = replica
        self._set_before = set_before
        self.observer = Observer(run.systems, run.plan, replica)
        self._actor = Actor(run.systems, run.plan, replica)
        self._sync = FullSync(run.systems.client)
        self._nudge = Nudge(run.systems.client, run.plan.namespace)
        self._tries: dict[Act, int] = {}
        self._waiting: AwaitIt | None = None
        self._waiter: Waiter | None = None
        self._unreachable: Waiter | None = None
        self._left_at = 0.0
        self.seconds_away = 0.0

    def forwards(self) -> ReplicaSeen:
        """Bring the replica to CSI volumes, Ready.

        A failure before its first claim was deleted is undone: the replica gets
        its pod and its set back, and the error says so.

        Raises:
            Retreated: it was undone.
            NeedsPerson: what is seen cannot be explained.
            Stopped: a wait was too long, or an API went away.
            ToolError: a write was refused.
        """
        try:
            return self._drive(next_step)
        except ToolError as error:
            if (
                isinstance(error, NeedsPerson | JournalBroken | LeaseLost)
                or not self._can_retreat()
            ):
                raise
            self._actor.statefulset_manifest = self._set_before
            self._drive(retreat_step)
            raise Retreated(
                f"{self._replica.pod}: {error.message}",
                details=error.details,
                state=f"{self._replica.pod} was not migrated; it runs again on its in-tree "
                "volumes, under its StatefulSet.",
                resolution=error.resolution,
            ) from error

    def _can_retreat(self) -> bool:
        try:
            return is_untouched(self._replica, self.observer.observe())
        except ToolError:
            return False  # the API is away, so there is nothing to retreat with

    def _drive(self, decide: Decide) -> ReplicaSeen:
        while True:
            try:
                seen = self.observer.observe()
                step = decide(self._replica, seen, self._run.options.window)
                if self._take(step, seen):
                    return seen
                self._unreachable = None
            except AWAY as error:
                self._be_patient(error)

    def _take(self, step: Step, seen: ReplicaSeen) -> bool:
        """Take one step; True when there is none left."""
        match step:
            case Finished():
                self._waited()
                return True
            case Refuse(reason):
                raise NeedsPerson(f"{self._replica.pod}: {reason}")
            case LookAt():
                self.observer.look(step)
            case AwaitIt():
                self._await(step)
            case Act():
                self._waited()
                self._act(step, seen)
        return False

    # Acting -----------------------------------------------------------------------

    def _act(self, act: Act, seen: ReplicaSeen) -> None:
        self._count(act)
        self._run.guard()
        target = self._actor.target(act, seen)
        step = f"{self._replica.pod}/{act.action.value}" + (f"/{act.claim}" if act.claim else "")
        self._run.tell(StepStarted(self._replica.pod, act.action.value, TITLES[act.action]))
        journal, started = self._run.directory.journal, time.monotonic()
        intent = journal.intent(
            step=step,
            action=act.action.value,
            object=target.reference,
            replica=self._replica.pod,
        )
        try:
            result = self._actor.perform(act, seen)
        except _UNKNOWN as error:
            journal.note(f"answer to record {intent} lost: {error.message}")
        except _MOVED as error:
            journal.failed(intent, error.message)
            time.sleep(getattr(error, "retry_after", None) or _CONFLICT_PAUSE_SECONDS)
        except ToolError as error:
            journal.failed(intent, error.message)
            raise
        else:
            journal.done(intent, result)
            self._note_times(act)
            seconds = time.monotonic() - started
            self._run.tell(StepDone(self._replica.pod, act.action.value, target.words, seconds))
            if "diskId" in result:
                self.observer.facts.disk_ids[act.claim] = result["diskId"]
        self.observer.facts.forget_after(act.action, act.claim)

    def _count(self, act: Act) -> None:
        self._tries[act] = self._tries.get(act, 0) + 1
        if self._tries[act] > _MOST_TRIES:
            raise Stopped(
                f"{self._replica.pod}: '{TITLES[act.action]}' had no effect in {_MOST_TRIES} tries"
            )

    def _note_times(self, act: Act) -> None:
        if act.action is Action.DELETE_POD:
            self._left_at = time.monotonic()

    # Waiting ----------------------------------------------------------------------

    def _await(self, step: AwaitIt) -> None:
        if self._waiting is None or (self._waiting.wait, self._waiting.claim) != (
            step.wait,
            step.claim,
        ):
            self._waited()
            limit = timeout_of(step.wait, self._run.options, self._replica.grace_seconds)
            self._waiter = self._run.waiter(self._replica.pod, step.wait.value, limit)
        self._waiting = step
        self._help_along(step)
        assert self._waiter is not None  # noqa: S101  set with _waiting
        self._waiter.pause(step.reason)
        self.observer.facts.forget_for(step.wait, step.claim)

    def _help_along(self, step: AwaitIt) -> None:
        """What makes a wait shorter without changing its outcome."""
        seconds = self._waiter.seconds if self._waiter else 0.0
        if step.wait is Wait.BOUND:
            self._nudge.touch(step.claim)
        if step.wait in (Wait.REGISTERED, Wait.UNREGISTERED):
            self._sync.ask_when_due(seconds)

    def _waited(self) -> None:
        if self._waiting is None or self._waiter is None:
            return
        if self._waiting.wait is Wait.BOUND:
            self._nudge.clear(self._waiting.claim)
        if self._waiting.wait is Wait.READY and self._left_at:
            self.seconds_away = time.monotonic() - self._left_at
        if self._waiter.told:
            step, seconds = self._waiting.wait.value, self._waiter.seconds
            self._run.tell(StepDone(self._replica.pod, step, "", seconds))
        self._waiting = self._waiter = None

    def _be_patient(self, error: ToolError) -> None:
        """An API is away: hold still, ask again, and give up only after a good while."""
        if self._unreachable is None:
            self._unreachable = self._run.waiter(
                self._replica.pod, "unreachable", self._run.options.unreachable_timeout
            )
        self._unreachable.pause(error.message)

"""Swaps one replica: decide, act, see, again."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from csi_migration.decide.back_step import back_step, templates_step
from csi_migration.decide.next_step import can_retreat, next_step, retreat_step
from csi_migration.decide.replica_rules import Decide
from csi_migration.engine.actions import Actor
from csi_migration.engine.companions import OthersNeedTheSet
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.lost_writes import outdate_lost_writes
from csi_migration.engine.observe import Observer
from csi_migration.engine.run import TRANSIENT, Run, closing, rest_as_asked, said
from csi_migration.engine.waits import Waits
from csi_migration.engine.ways_out import way_out
from csi_migration.journal.errors import JournalBroken
from csi_migration.kube import (
    AlreadyExists,
    Conflict,
    Forbidden,
    MaybeApplied,
    NotFound,
    TooManyRequests,
    Unauthenticated,
)
from csi_migration.model.errors import NeedsPerson, Stopped, ToolError
from csi_migration.model.events import Notice, StepDone, StepStarted
from csi_migration.model.objects import Raw, claim_templates_of
from csi_migration.model.plan import ReplicaPlan, Window
from csi_migration.model.seen import Presence, ReplicaSeen
from csi_migration.model.step import (
    TITLES,
    Act,
    Action,
    AwaitIt,
    Finished,
    LookAt,
    Refuse,
    Retreat,
    Step,
    is_hard,
)
from csi_migration.vsphere.errors import Faulted, RegistrationUnknown

# Nothing was applied, and it may be otherwise in a moment: look again and decide
# anew. vCenter refuses control flags for a while now and then, with no better
# reason than "not allowed in the current state" (vsphere-csi-driver issue 2165).
_MOVED = (
    Conflict,
    AlreadyExists,
    NotFound,
    TooManyRequests,
    Forbidden,
    Unauthenticated,
    Faulted,
)
# A write whose outcome is unknown: look again, and never repeat it blindly.
_UNKNOWN = (MaybeApplied, RegistrationUnknown)

# An API server that has just started knows its roles within seconds; a policy or a
# vCenter that goes on saying no means it.
_REFUSALS = (Forbidden, Unauthenticated, Faulted)
_MOST_REFUSALS = 16
_MOST_TRIES = 60
_TELLING_TRIES = 4
_SHORTEST_PAUSE_SECONDS = 0.2
_PAUSE_GROWTH = 1.5


AwaitStep = Callable[[AwaitIt, ReplicaSeen], None]

MUST_STOP = (JournalBroken, LeaseLost)
"""After these not even the way back may be written."""


class Turn(Enum):
    """What became of one step of a swap that takes turns with others."""

    ACTS = "acts"
    WAITS = "waits"
    NEEDS_THE_SET = "needs the set"
    """It is whole, and waits only for the StatefulSet to come back."""
    THROUGH = "through"
    UNDONE = "undone"


class Retreated(Stopped):
    """A swap failed before it changed a claim, and was undone.

    `may_try_again` tells that only another replica stood in its way.
    """

    may_try_again = False


class Swap:
    """The swap of one replica, in the run's direction.

    `last_set` looks at the StatefulSet as it stands, or was last seen, with all that
    the server wrote into it; it comes back with the claim templates of `templates_of`,
    or of `templates_before` if the swap is undone.

    Attributes:
        seen: what was seen of the replica when it was through.
        seconds_away: from its pod's deletion until it was seen Ready; None if an earlier
            run or somebody else stopped it.
        error: why it turned back, if it did.
    """

    def __init__(
        self,
        run: Run,
        replica: ReplicaPlan,
        last_set: Callable[[], Raw],
        templates_of: Raw,
        templates_before: Raw,
    ) -> None:
        self._run = run
        self.replica = replica
        self.observer = Observer(
            run.systems,
            run.plan,
            replica,
            made=run.made,
            in_hand=run.in_hand,
            templates=claim_templates_of(templates_of),
        )
        self._actor = Actor(run, replica, last_set, templates_of)
        self._templates_before = templates_before
        self._waits = Waits(run, replica, self.observer)
        self._tries: dict[Act, int] = {}
        self._last_refusal = ""
        self._left_at: float | None = None
        self._needs_the_set = False
        self.seconds_away: float | None = None
        self.seen: ReplicaSeen | None = None
        self.error: ToolError | None = None

    @property
    def pod(self) -> str:
        """The replica's pod."""
        return self.replica.pod

    @property
    def is_retreating(self) -> bool:
        """Whether it is being undone."""
        return self.error is not None

    def to_the_other_side(self) -> None:
        """Bring the replica to the volumes that the run is after, Ready.

        A failure before its first claim was deleted is undone: the replica gets
        its pod and its set back, and the error says so.

        Raises:
            Retreated: it was undone.
            NeedsPerson: what is seen cannot be explained.
            Stopped: a wait was too long, or an API went away.
            ToolError: a write was refused.
        """
        try:
            self.seen = self._drive(self._decide)
        except MUST_STOP:
            raise
        except ToolError as error:
            self._undo(error)
            raise

    def turn(self) -> Turn:
        """Take one step on its way without rest. The set is brought back by who sees all.

        Raises:
            ToolError: as `to_the_other_side`; nothing is undone.
        """
        decide = retreat_step if self.is_retreating else self._decide
        self.seen = self._turn(decide, self._waits.glance, closes=False)
        if self.seen is not None:
            return Turn.UNDONE if self.is_retreating else Turn.THROUGH
        if self._needs_the_set:
            return Turn.NEEDS_THE_SET
        return Turn.WAITS if self._waits.current else Turn.ACTS

    def turn_back(self, error: ToolError) -> bool:
        """Whether its next turns undo what was done, because of this error."""
        try:
            if self.is_retreating or not self._begin_retreat():
                return False
        except ToolError:
            return False
        self.error = error
        return True

    def retreated(self) -> Retreated:
        """Why it was undone, once it is."""
        return self._retreated(self.error or ToolError("nothing went wrong"))

    def set_again(self) -> None:
        """Make the set again with the templates of `templates_of`; no pod is touched.

        Raises:
            ToolError: as `to_the_other_side`; nothing is undone.
        """
        self._drive(templates_step)

    def _decide(self, replica: ReplicaPlan, seen: ReplicaSeen, window: Window) -> Step:
        decide = back_step if self._run.goes_back else next_step
        return decide(replica, seen, window)

    def _undo(self, error: ToolError) -> None:
        """Raise Retreated once the replica is back; return if there is no way back."""
        try:
            if not self._begin_retreat():
                return
            self._drive(retreat_step)
        except ToolError as second:
            if isinstance(second, NeedsPerson) and isinstance(error, OthersNeedTheSet):
                raise  # what keeps the set from making the others is what there is to say
            if second.message != error.message:
                text = f"the way back failed too: {second.message}"
                self._run.tell(Notice("warning", text, self.replica.pod))
            return
        raise self._retreated(error) from error

    def _begin_retreat(self) -> bool:
        if not self._can_retreat():
            return False
        outdate_lost_writes(self._run)
        if not self._can_retreat():
            return False  # what was sent has come meanwhile
        self._tries.clear()
        self._waits.begin_anew()
        self._actor.templates_of = self._templates_before
        return True

    def _retreated(self, error: ToolError) -> Retreated:
        pod = self.pod
        side = "CSI" if self._run.goes_back else "in-tree"
        word = "taken back" if self._run.goes_back else "migrated"
        back = Retreated(
            f"{pod}: {error.message.removeprefix(f'{pod}: ')}",
            details=error.details,
            state=f"{pod} was not {word}; it runs again on its {side} volumes.",
            resolution=error.resolution,
        )
        if isinstance(error, NeedsPerson):
            back.exit_code = error.exit_code
        back.may_try_again = isinstance(error, OthersNeedTheSet)
        return back

    def _can_retreat(self) -> bool:
        seen = self._run.patiently(self.replica.pod, self.observer.observe)
        return can_retreat(self.replica, seen, self._run.direction)

    def is_between(self) -> bool:
        """Whether only this run may start the pod: it has none, and not its old claims."""
        seen = self._run.patiently(self.replica.pod, self.observer.observe)
        has_pod = seen.pod.presence is not Presence.ABSENT
        return not has_pod and not can_retreat(self.replica, seen, self._run.direction)

    def _drive(self, decide: Decide) -> ReplicaSeen:
        while (seen := self._turn(decide, self._waits.until_changed)) is None:
            pass
        return seen

    def _turn(self, decide: Decide, wait: AwaitStep, *, closes: bool = True) -> ReplicaSeen | None:
        """Take one step; what is seen when there is none left.

        Whether it `closes` the window itself, or leaves that to others.
        """
        try:
            seen, step = self._decided(decide)
            self._needs_the_set = not closes and step == Act(Action.CLOSE_WINDOW)
            if self._needs_the_set:
                self._waits.over()
            elif self._take(step, seen, wait):
                return seen
            self._waits.server_is_there()
        except TRANSIENT as error:
            self._waits.for_a_server(error)
        return None

    def _decided(self, decide: Decide) -> tuple[ReplicaSeen, Step]:
        """The next step, and what is seen; nothing is done after a look that came in between.

        What is hard to take back goes by a second picture, for one may tell of two moments: a
        claim whose creation was not answered comes between two of its reads, and the volume
        that it is bound to looks released.
        """
        seen, step = self._observed(decide)
        has_looked = isinstance(step, LookAt)
        while isinstance(step, LookAt):
            self.observer.look(step)
            seen = self.observer.with_facts(seen)
            step = decide(self.replica, seen, self._run.window)
        if has_looked and not isinstance(step, AwaitIt):
            seen, step = self._observed(decide)
        return self._observed(decide) if is_hard(step) else (seen, step)

    def _observed(self, decide: Decide) -> tuple[ReplicaSeen, Step]:
        seen = self.observer.observe()
        if self._left_at is not None and self.seconds_away is None and seen.pod.ready:
            self.seconds_away = time.monotonic() - self._left_at
        return seen, decide(self.replica, seen, self._run.window)

    def _take(self, step: Step, seen: ReplicaSeen, wait: AwaitStep) -> bool:
        """Take one step; True when there is none left."""
        match step:
            case Finished():
                self._waits.over()
                return True
            case Refuse(reason):
                raise NeedsPerson(
                    f"{self.replica.pod}: {reason}",
                    resolution=way_out(self._run.plan, self.replica, seen),
                )
            case Retreat(reason):
                raise OthersNeedTheSet(f"{self.replica.pod}: {reason}")
            case LookAt():
                self.observer.look(step)
            case AwaitIt():
                wait(step, seen)
            case Act():
                has_waited = self._waits.current is not None
                self._waits.over()
                if step.action is Action.CREATE_POD and has_waited:
                    self.observer.facts.attached_by = None  # one more look at who holds the disks
                else:
                    self._act(step, seen)
        return False

    # Acting -----------------------------------------------------------------------

    def _act(self, act: Act, seen: ReplicaSeen) -> None:
        target, parameters = self._actor.target(act, seen), self._actor.parameters(act)
        self._run.guard()  # what was asked before may have taken its time
        self._count(act)
        pod, action = self.replica.pod, act.action.value
        self._run.tell(StepStarted(pod, action, TITLES[act.action]))
        journal, started = self._run.directory.journal, time.monotonic()
        step = "/".join(filter(None, (pod, action, act.claim)))
        intent = journal.intent(
            step=step,
            action=action,
            object=target.reference,
            replica=pod,
            parameters=parameters,
        )
        try:
            with closing(journal, intent) as result:
                result.update(self._actor.perform(act, seen))
        except (*_UNKNOWN, *_MOVED) as error:
            self._pause(act, error)
        else:
            self._waits.forget()
            seconds = time.monotonic() - started
            self._run.tell(StepDone(pod, action, target.words, seconds))
            self._note(act, result)
        finally:
            self.observer.facts.forget_after(act.action, act.claim)

    def _count(self, act: Act) -> None:
        self._tries[act] = self._tries.get(act, 0) + 1
        if self._tries[act] > _MOST_TRIES:
            raise Stopped(
                f"{self.replica.pod}: '{TITLES[act.action]}' had no effect in {_MOST_TRIES} tries",
                details=self._last_refusal,
            )

    def _pause(self, act: Act, error: ToolError) -> None:
        """Longer with every try, or as long as the server asks for.

        Not at all after a first conflict: the newer version is there to be looked at.
        """
        self._last_refusal = said(error)
        if isinstance(error, Conflict) and self._tries[act] == 1:
            return
        if isinstance(error, _REFUSALS) and self._tries[act] > _MOST_REFUSALS:
            raise Stopped(
                f"{self.replica.pod}: '{TITLES[act.action]}' is refused",
                details=self._last_refusal,
            )
        if self._tries[act] == _TELLING_TRIES:
            self._run.tell(Notice("warning", self._last_refusal, self.replica.pod))
        growing = _SHORTEST_PAUSE_SECONDS * _PAUSE_GROWTH ** min(self._tries[act], _MOST_TRIES)
        rest_as_asked(error, growing)

    def _note(self, act: Act, result: dict[str, str]) -> None:
        if act.action is Action.DELETE_POD:
            self._left_at, self.seconds_away = time.monotonic(), None
        if "diskId" in result:
            self.observer.facts.disk_ids[act.claim] = result["diskId"]

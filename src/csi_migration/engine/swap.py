"""Swaps one replica: decide, act, see, again."""

from __future__ import annotations

import time
from collections.abc import Callable

from csi_migration.decide.back_step import back_step, templates_step
from csi_migration.decide.next_step import can_retreat, next_step, retreat_step
from csi_migration.decide.replica_rules import Decide
from csi_migration.engine.actions import Actor
from csi_migration.engine.companions import OthersNeedTheSet
from csi_migration.engine.full_sync import FullSync
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.nudge import Nudge
from csi_migration.engine.observe import Observer
from csi_migration.engine.patience import Patience
from csi_migration.engine.run import TRANSIENT, Run, Waiter, closing, said, timeout_of
from csi_migration.engine.ways_out import way_out, way_out_of_wait
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
from csi_migration.model.plan import ReplicaPlan
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
    Wait,
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
_LONGEST_PAUSE_SECONDS = 5.0
_PAUSE_GROWTH = 1.5
_ROUNDS_BETWEEN_LOOKS = 5


class Retreated(Stopped):
    """A swap failed before it changed a claim, and was undone.

    `may_try_again` tells that only another replica stood in its way.
    """

    may_try_again = False


class Swap:
    """The swap of one replica, in the run's direction.

    `seconds_away` counts from its pod's deletion. `last_set` looks at the StatefulSet
    as it stands, or was last seen, with all that the server wrote into it; it comes
    back with the claim templates of `templates_of`, or of `templates_before` if the
    swap is undone.
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
        self._replica = replica
        self.observer = Observer(
            run.systems,
            run.plan,
            replica,
            known_sets=run.known_sets,
            templates=claim_templates_of(templates_of),
        )
        self._patience = Patience(run.systems.client, run.plan, replica, self.observer)
        self._actor = Actor(run, replica, last_set, templates_of)
        self._templates_before = templates_before
        self._sync = FullSync(run.systems.client)
        self._nudge = Nudge(run.systems.client, run.plan.namespace)
        self._tries: dict[Act, int] = {}
        self._last_refusal = ""
        self._waiting: AwaitIt | None = None
        self._waiters: dict[tuple[Wait, str], Waiter] = {}
        self._unreachable: Waiter | None = None
        self._left_at = 0.0
        self.seconds_away = 0.0

    def to_the_other_side(self) -> ReplicaSeen:
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
            return self._drive(back_step if self._run.goes_back else next_step)
        except ToolError as error:
            if isinstance(error, JournalBroken | LeaseLost):
                raise
            self._undo(error)
            raise

    def set_again(self) -> ReplicaSeen:
        """Make the set again with the templates of `templates_of`; no pod is touched.

        Raises:
            ToolError: as `to_the_other_side`; nothing is undone.
        """
        return self._drive(templates_step)

    def _undo(self, error: ToolError) -> None:
        """Raise Retreated once the replica is back; return if there is no way back."""
        try:
            if not self._can_retreat():
                return
            self._begin_anew()
            self._actor.templates_of = self._templates_before
            self._drive(retreat_step)
        except ToolError as second:
            if second.message != error.message:
                text = f"the way back failed too: {second.message}"
                self._run.tell(Notice("warning", text, self._replica.pod))
            return
        raise self._retreated(error) from error

    def _retreated(self, error: ToolError) -> Retreated:
        pod = self._replica.pod
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
        seen = self._run.patiently(self._replica.pod, self.observer.observe)
        return can_retreat(self._replica, seen, self._run.direction)

    def is_between(self) -> bool:
        """Whether only this run may start the pod: it has none, and not its old claims."""
        seen = self._run.patiently(self._replica.pod, self.observer.observe)
        has_pod = seen.pod.presence is not Presence.ABSENT
        return not has_pod and not can_retreat(self._replica, seen, self._run.direction)

    def _begin_anew(self) -> None:
        self._tries.clear()
        self._waiters.clear()
        self._waiting = self._unreachable = None

    def _drive(self, decide: Decide) -> ReplicaSeen:
        while True:
            try:
                seen, step = self._decided(decide)
                if self._take(step, seen):
                    return seen
                self._unreachable = None
            except TRANSIENT as error:
                self._be_patient(error)

    def _decided(self, decide: Decide) -> tuple[ReplicaSeen, Step]:
        """The next step, and what is seen; nothing is done after a look that came in between.

        Nor refused: read object by object, a picture may tell of two moments.
        """
        seen, step = self._observed(decide)
        is_old = isinstance(step, Refuse)
        while isinstance(step, LookAt):
            self.observer.look(step)
            seen, is_old = self.observer.with_facts(seen), True
            step = decide(self._replica, seen, self._run.options.window)
        return self._observed(decide) if is_old and not isinstance(step, AwaitIt) else (seen, step)

    def _observed(self, decide: Decide) -> tuple[ReplicaSeen, Step]:
        seen = self.observer.observe()
        return seen, decide(self._replica, seen, self._run.options.window)

    def _take(self, step: Step, seen: ReplicaSeen) -> bool:
        """Take one step; True when there is none left."""
        match step:
            case Finished():
                self._waited()
                return True
            case Refuse(reason):
                raise NeedsPerson(
                    f"{self._replica.pod}: {reason}",
                    resolution=way_out(self._run.plan, self._replica, seen),
                )
            case Retreat(reason):
                raise OthersNeedTheSet(f"{self._replica.pod}: {reason}")
            case LookAt():
                self.observer.look(step)
            case AwaitIt():
                self._await(step, seen)
            case Act():
                has_waited = self._waiting is not None
                self._waited()
                if step.action is Action.CREATE_POD and has_waited:
                    self.observer.facts.attached_by = None  # one more look at who holds the disks
                else:
                    self._act(step, seen)
        return False

    # Acting -----------------------------------------------------------------------

    def _act(self, act: Act, seen: ReplicaSeen) -> None:
        self._run.guard()
        self._count(act)
        target = self._actor.target(act, seen)
        pod, action = self._replica.pod, act.action.value
        self._run.tell(StepStarted(pod, action, TITLES[act.action]))
        journal, started = self._run.directory.journal, time.monotonic()
        step = "/".join(filter(None, (pod, action, act.claim)))
        intent = journal.intent(
            step=step,
            action=action,
            object=target.reference,
            replica=pod,
            parameters=self._actor.parameters(act),
        )
        try:
            with closing(journal, intent):
                result = self._actor.perform(act, seen)
        except (*_UNKNOWN, *_MOVED) as error:
            self._pause(act, error)
        else:
            self._waiters.clear()
            journal.done(intent, result)
            seconds = time.monotonic() - started
            self._run.tell(StepDone(pod, action, target.words, seconds))
            self._note(act, result)
        finally:
            self.observer.facts.forget_after(act.action, act.claim)

    def _count(self, act: Act) -> None:
        self._tries[act] = self._tries.get(act, 0) + 1
        if self._tries[act] > _MOST_TRIES:
            raise Stopped(
                f"{self._replica.pod}: '{TITLES[act.action]}' had no effect in {_MOST_TRIES} tries",
                details=self._last_refusal,
            )

    def _pause(self, act: Act, error: ToolError) -> None:
        """Longer with every try, or as long as the server asks for."""
        self._last_refusal = said(error)
        if isinstance(error, _REFUSALS) and self._tries[act] > _MOST_REFUSALS:
            raise Stopped(
                f"{self._replica.pod}: '{TITLES[act.action]}' is refused",
                details=self._last_refusal,
            )
        if self._tries[act] == _TELLING_TRIES:
            self._run.tell(Notice("warning", self._last_refusal, self._replica.pod))
        growing = _SHORTEST_PAUSE_SECONDS * _PAUSE_GROWTH ** min(self._tries[act], _MOST_TRIES)
        asked: float = getattr(error, "retry_after", None) or 0.0
        time.sleep(min(max(growing, asked), _LONGEST_PAUSE_SECONDS))

    def _note(self, act: Act, result: dict[str, str]) -> None:
        if act.action is Action.DELETE_POD:
            self._left_at = time.monotonic()
        if "diskId" in result:
            self.observer.facts.disk_ids[act.claim] = result["diskId"]

    # Waiting ----------------------------------------------------------------------

    def _await(self, step: AwaitIt, seen: ReplicaSeen) -> None:
        """Until something changes, and not for too long without a look at everything."""
        if self._waiting and (self._waiting.wait, self._waiting.claim) != (step.wait, step.claim):
            self._waited()
        self._waiting = step
        waiter, rest = self._waiter(step), self._patience.rest(step, seen)
        for _ in range(_ROUNDS_BETWEEN_LOOKS):
            self._help_along(step, waiter.seconds)
            if waiter.pause(step.reason, rest) or self.observer.misses_others(seen):
                break
        self.observer.facts.forget_for(step.wait, step.claim)

    def _waiter(self, step: AwaitIt) -> Waiter:
        """One for each kind of wait, so that taking turns does not make them endless."""
        key = (step.wait, step.claim)
        if key not in self._waiters:
            limit = timeout_of(
                step.wait,
                self._run.options,
                self._replica.grace_seconds,
                len(self._run.plan.replicas),
            )
            way_out = way_out_of_wait(self._run.plan, self._replica, step)
            self._waiters[key] = self._run.waiter(
                self._replica.pod, step.wait.value, limit, way_out
            )
        return self._waiters[key]

    def _help_along(self, step: AwaitIt, seconds: float) -> None:
        """What makes a wait shorter without changing its outcome."""
        if step.wait is Wait.BOUND:
            self._nudge.touch(step.claim)
        if step.wait in (Wait.REGISTERED, Wait.UNREGISTERED):
            self._sync.ask_when_due(seconds)

    def _waited(self) -> None:
        step, self._waiting = self._waiting, None
        if step is None:
            return
        if step.wait is Wait.BOUND:
            self._nudge.clear(step.claim)
        if step.wait is Wait.READY and self._left_at:
            self.seconds_away = time.monotonic() - self._left_at
        waiter = self._waiter(step)
        if waiter.told:
            self._run.tell(StepDone(self._replica.pod, step.wait.value, "", waiter.seconds))

    def _be_patient(self, error: ToolError) -> None:
        """A server is away: hold still, ask again, and give up only after a good while."""
        if self._unreachable is None:
            self._unreachable = self._run.waiter(
                self._replica.pod, "unreachable", self._run.options.unreachable_timeout
            )
        self._unreachable.pause(said(error))

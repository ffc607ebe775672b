"""The waits of one replica's swap: how long each may take, what is told, what helps."""

from __future__ import annotations

from csi_migration.engine.full_sync import FullSync
from csi_migration.engine.nudge import Nudge
from csi_migration.engine.observe import Observer
from csi_migration.engine.patience import Patience
from csi_migration.engine.run import Run, Waiter, said, timeout_of
from csi_migration.engine.ways_out import way_out_of_wait
from csi_migration.model.errors import ToolError
from csi_migration.model.events import StepDone
from csi_migration.model.plan import ReplicaPlan
from csi_migration.model.seen import ReplicaSeen
from csi_migration.model.step import AwaitIt, Wait

_ROUNDS_BETWEEN_LOOKS = 5


class Waits:
    """What a swap waits for, one after the other.

    Attributes:
        current: what it waits for now; None while it acts.
    """

    def __init__(self, run: Run, replica: ReplicaPlan, observer: Observer) -> None:
        client = run.systems.client
        self._run = run
        self._replica = replica
        self._observer = observer
        self._patience = Patience(client, run.plan, replica, observer)
        self._sync = FullSync(client, run.guard)
        self._nudge = Nudge(client, run.plan.namespace, run.guard)
        self._waiters: dict[tuple[Wait, str], Waiter] = {}
        self._unreachable: Waiter | None = None
        self.current: AwaitIt | None = None

    def until_changed(self, step: AwaitIt, seen: ReplicaSeen) -> None:
        """Until something changes, and not for too long without a look at everything.

        Raises:
            WaitedTooLong: its time-out has passed.
        """
        waiter, rest = self._begin(step), self._patience.rest(step, seen)
        for _ in range(_ROUNDS_BETWEEN_LOOKS):
            self._help_along(step, seen, waiter.seconds)
            if waiter.pause(step.reason, rest) or self._observer.misses_others(seen):
                break
        self._observer.facts.forget_for(step.wait, step.claim)

    def glance(self, step: AwaitIt, seen: ReplicaSeen) -> None:
        """The same without any rest, for one that has others to look after.

        Raises:
            WaitedTooLong: its time-out has passed.
        """
        waiter = self._begin(step)
        self._help_along(step, seen, waiter.seconds)
        waiter.pause(step.reason, lambda _: None)
        self._observer.facts.forget_for(step.wait, step.claim)

    def over(self) -> None:
        """What was waited for is there."""
        step, self.current = self.current, None
        if step is None:
            return
        if step.wait is Wait.BOUND:
            self._nudge.clear(step.claim)
        waiter = self._waiter(step)
        if waiter.told:
            self._run.tell(StepDone(self._replica.pod, step.wait.value, "", waiter.seconds))

    def forget(self) -> None:
        """Something was done: every wait begins anew."""
        self._waiters.clear()

    def begin_anew(self) -> None:
        """Another way begins, which nothing of this one counts for."""
        self._waiters.clear()
        self.current = self._unreachable = None

    def for_a_server(self, error: ToolError) -> None:
        """A server is away: hold still, ask again, and give up only after a good while.

        Raises:
            WaitedTooLong: it stays away.
        """
        if self._unreachable is None:
            limit = self._run.options.unreachable_timeout
            self._unreachable = self._run.waiter(self._replica.pod, "unreachable", limit)
        self._observer.facts.forget_what_ages()
        self._unreachable.pause(said(error))

    def server_is_there(self) -> None:
        """It answers again; what it was away for counts against no other wait."""
        if self._unreachable is not None:
            for waiter in self._waiters.values():
                waiter.leave_out(self._unreachable.seconds)
        self._unreachable = None

    def _begin(self, step: AwaitIt) -> Waiter:
        if self.current and (self.current.wait, self.current.claim) != (step.wait, step.claim):
            self.over()
        self.current = step
        return self._waiter(step)

    def _waiter(self, step: AwaitIt) -> Waiter:
        """One for each kind of wait, so that taking turns does not make them endless."""
        key = (step.wait, step.claim)
        if key not in self._waiters:
            run, replica = self._run, self._replica
            limit = timeout_of(
                step.wait, run.options, replica.grace_seconds, len(run.plan.replicas)
            )
            way_out = way_out_of_wait(run.plan, replica, step)
            self._waiters[key] = run.waiter(replica.pod, step.wait.value, limit, way_out)
        return self._waiters[key]

    def _help_along(self, step: AwaitIt, seen: ReplicaSeen, seconds: float) -> None:
        """What makes a wait shorter without changing its outcome."""
        if step.wait is Wait.BOUND:
            self._nudge.touch(step.claim, seen.claims[step.claim].claim.resource_version)
        if step.wait in (Wait.REGISTERED, Wait.UNREGISTERED):
            self._sync.ask_when_due(seconds)

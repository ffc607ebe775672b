"""What a whole run shares: its connections, its records, its patience, its stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from csi_migration.engine.lease import Lease
from csi_migration.engine.systems import Systems
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.journal import Journal
from csi_migration.kube import (
    Conflict,
    CredentialsFailed,
    Forbidden,
    MaybeApplied,
    NotSent,
    ReadFailed,
    TooManyRequests,
    Unauthenticated,
)
from csi_migration.model.errors import Stopped, ToolError
from csi_migration.model.events import Event, Waiting
from csi_migration.model.plan import Direction, MigrationPlan, ReplicaPlan, Window
from csi_migration.model.step import Wait
from csi_migration.vsphere.errors import Faulted, RegistrationUnknown, VCenterUnreachable

Tell = Callable[[Event], None]
Rest = Callable[[float], object]
"""Lets about so many seconds pass; what it returns says whether something happened."""

T = TypeVar("T")

TRANSIENT = (
    NotSent,
    ReadFailed,
    TooManyRequests,
    Forbidden,
    Unauthenticated,
    CredentialsFailed,
    VCenterUnreachable,
    Faulted,
)
"""A server did not answer, or not now, and nothing was changed by asking.

Preflight has shown that everything is permitted: a refusal later on is that of an
API server which has just started and knows no roles yet.
"""

_POLL_SECONDS = 0.1
_SLOW_POLL_SECONDS = 0.5
_SLOW_AFTER_SECONDS = 15.0
_TELL_AFTER_SECONDS = 0.5
_LONGEST_REST_SECONDS = 5.0
_LARGE = 50


class WaitedTooLong(Stopped):
    """A wait's time-out passed; nothing was changed since it began."""


class AskedToStop(Stopped):
    """Somebody asked for it with a signal."""


@dataclass(frozen=True, slots=True)
class Options:
    """How patient and how careful a run is. All times are in seconds.

    Attributes:
        window: how long the StatefulSet is away.
        ready_timeout: until a started pod must be Ready.
        soak: how long a swapped replica must stay Ready before the next one.
        unreachable_timeout: how long an API may be gone before the run stops.
        health_command: a shell command that must succeed after each swap.
        max_unavailable: how many replicas are swapped at once.
        intree_class: the in-tree class that was asked for.
        csi_class: the CSI class that was.
        accepted: ids of the checks whose findings the person has taken on.
    """

    window: Window = Window.REPLICA
    ready_timeout: float = 900.0
    soak: float = 30.0
    unreachable_timeout: float = 300.0
    health_command: str = ""
    max_unavailable: int = 1
    intree_class: str = ""
    csi_class: str = ""
    accepted: frozenset[str] = frozenset()


# How long each wait may take, in seconds. A forced detach by Kubernetes comes
# after 6 minutes, so the detachment waits longer than that. The cure for an event
# that the driver's syncer missed is its full sync, two rounds of half an hour:
# giving up before that would leave the replica away for good. Controllers were seen
# deaf for 99 s after an API server's third restart in a row (client-go: reflector.go).
_TIMEOUTS = {
    Wait.ORPHANED: 300.0,
    Wait.POD_GONE: 300.0,
    Wait.DETACHED: 600.0,
    Wait.CLAIM_GONE: 300.0,
    Wait.VOLUME_GONE: 300.0,
    Wait.UNREGISTERED: 4200.0,
    Wait.REGISTERED: 4200.0,
    Wait.BOUND: 300.0,
    Wait.ADOPTED: 300.0,
}


# Orphaning and adopting touch every pod of the set, one after the other.
_SECONDS_PER_REPLICA = 0.5
_OF_THE_WHOLE_SET = (Wait.ORPHANED, Wait.ADOPTED)


def timeout_of(wait: Wait, options: Options, grace_seconds: float, replicas: int) -> float:
    """How long a wait may take. A pod's own grace period comes on top of its wait."""
    if wait is Wait.READY:
        return options.ready_timeout
    extra = grace_seconds if wait is Wait.POD_GONE else 0.0
    extra += replicas * _SECONDS_PER_REPLICA if wait in _OF_THE_WHOLE_SET else 0.0
    return _TIMEOUTS[wait] + extra


def said(error: ToolError) -> str:
    """What happened, with the server's own words."""
    return f"{error.message} ({error.details})" if error.details else error.message


@contextmanager
def closing(journal: Journal, intent: int) -> Iterator[dict[str, Any]]:
    """Close the intent of the write in the block, which may add to the result that is recorded.

    One whose write may have happened, for all that is known, stays open.
    """
    result: dict[str, Any] = {}
    try:
        yield result
    except (MaybeApplied, RegistrationUnknown) as error:
        journal.note(f"answer to record {intent} lost: {error.message}")
        raise
    except ToolError as error:
        journal.failed(intent, error.message)
        raise
    journal.done(intent, result)


class StopRequest:
    """The first signal asks for a stop at the next safe point, the second stops now.

    A terminal that closes hangs up on the run, often twice: that only ever asks.
    """

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self.asked = False
        self._acknowledged = False

    def acknowledge(self) -> None:
        """Say once that the request was heard.

        Not in the handler: it may have interrupted the very stream that is told.
        """
        if self.asked and not self._acknowledged:
            self._acknowledged = True
            self._told()

    def end_if_asked(self) -> None:
        """End here if somebody asked for it.

        Raises:
            AskedToStop: somebody did.
        """
        self.acknowledge()
        if self.asked:
            raise AskedToStop("Stopped at a safe point, as asked.")

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.asked and number != signal.SIGHUP:
            raise KeyboardInterrupt(signal.Signals(number).name)
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch SIGINT, SIGTERM and, unless nohup ignores it, SIGHUP inside the block."""
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signals.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(slots=True)
class Run:
    """One run of one migration.

    `direction` is the side that it brings replicas to; `is_taken_up` tells that an
    earlier run began; `only` are the pods that a rollback is about, empty for all;
    `made` holds the uids of all that this migration made, by its journal: a server's own
    record of who wrote an object may be lost;
    `in_hand` the pods that are being swapped, whom nobody misses meanwhile; `at_once`
    is how many these may be.
    """

    systems: Systems
    plan: MigrationPlan
    options: Options
    directory: WorkingDirectory
    lease: Lease
    tell: Tell
    stop: StopRequest
    direction: Direction = Direction.TO_CSI
    is_taken_up: bool = False
    only: tuple[str, ...] = ()
    made: set[str] = field(default_factory=set)
    in_hand: set[str] = field(default_factory=set)
    at_once: int = 1
    started: float = field(default_factory=time.monotonic)

    @property
    def goes_back(self) -> bool:
        """Whether this run is a rollback."""
        return self.direction is Direction.TO_IN_TREE

    @property
    def replicas(self) -> tuple[ReplicaPlan, ...]:
        """The replicas that this run brings to its side, in their order.

        Back is the other way round: what came last goes first.
        """
        chosen = [r for r in self.plan.replicas if not self.only or r.pod in self.only]
        return tuple(reversed(chosen) if self.goes_back else chosen)

    @property
    def window(self) -> Window:
        """How long the set is away, as a single replica sees it: several share a window."""
        return self.options.window if self.at_once == 1 else Window.RUN

    @property
    def is_large(self) -> bool:
        """Whether looking at all replicas is too much to do ten times a second."""
        return len(self.plan.replicas) > _LARGE

    def guard(self) -> None:
        """Called right before every write: are we still the one who may?"""
        self.stop.acknowledge()
        self.lease.require()

    def waiter(self, replica: str, step: str, timeout: float, way_out: str = "") -> Waiter:
        """A wait that begins now."""
        return Waiter(self, replica, step, timeout, way_out)

    def patiently(self, replica: str, look: Callable[[], T], *, timeout: float | None = None) -> T:
        """Look, again and again while an API is away: for `timeout` seconds, else for as long
        as the options say.

        `look` may write only after it has compared, so that beginning it again
        after a lost answer, or when the object was changed in between, repeats
        nothing blindly.
        """
        wait = None
        while True:
            try:
                return look()
            except (*TRANSIENT, Conflict, MaybeApplied) as error:
                limit = self.options.unreachable_timeout if timeout is None else timeout
                wait = wait or self.waiter(replica, "unreachable", limit)
                wait.pause(said(error), partial(rest_as_asked, error))

    def stop_if_asked(self) -> None:
        """End the run here if somebody asked for it.

        Raises:
            AskedToStop: somebody did.
        """
        self.stop.end_if_asked()

    def unless_asked(self, look: Callable[[], T]) -> T:
        """Look, unless somebody asked for a stop: for waits that may end at any time.

        Raises:
            AskedToStop: somebody did.
        """
        self.stop_if_asked()
        return look()


def rest_as_asked(error: ToolError, pause: float) -> None:
    """Rest for `pause` seconds, or as long as a busy server asks for, within reason."""
    asked: float = getattr(error, "retry_after", None) or 0.0
    time.sleep(min(max(pause, asked), _LONGEST_REST_SECONDS))


class Waiter:
    """Counts the time of one wait, tells of it, and ends it when it is too long.

    `told` says whether anybody heard of it: short waits are nobody's business.
    """

    def __init__(self, run: Run, replica: str, step: str, timeout: float, way_out: str) -> None:
        self._run = run
        self._replica = replica
        self._step = step
        self._timeout = timeout
        self._way_out = way_out
        self._started = time.monotonic()
        self.told = False

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._started

    def leave_out(self, seconds: float) -> None:
        """Do not count these last seconds, as far as they are its own."""
        self._started += min(seconds, self.seconds)

    def pause(self, reason: str, rest: Rest | None = None) -> bool:
        """Tell why, let a moment pass, and return whether `rest` had something happen in it.

        A `rest` of its own asks for one thing only, and is given a short moment in a large
        set too.

        Raises:
            WaitedTooLong: the time-out has passed.
        """
        self._run.stop.acknowledge()
        self._run.lease.keep()
        seconds = self.seconds
        if seconds >= _TELL_AFTER_SECONDS:
            self.told = True
            self._run.tell(Waiting(self._replica, self._step, reason, seconds, self._timeout))
        if seconds > self._timeout:
            raise WaitedTooLong(
                f"{self._replica or self._run.plan.statefulset}: waited {seconds:.0f} s "
                f"for: {reason}",
                resolution=self._way_out,
            )
        is_slow = seconds > _SLOW_AFTER_SECONDS or (self._run.is_large and rest is None)
        rest = rest or time.sleep
        return bool(rest(_SLOW_POLL_SECONDS if is_slow else _POLL_SECONDS))

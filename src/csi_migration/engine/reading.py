"""A migration that was begun, to be looked at: no lock, no Lease, nothing written.

The working directory is read before the cluster, so that what is wrong with it is
said without any connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from csi_migration.engine.companions import is_ours
from csi_migration.engine.heir import follows_an_end, is_heir
from csi_migration.engine.lease import is_at_work, lease_name
from csi_migration.engine.observe import Observer
from csi_migration.engine.start import require_cluster
from csi_migration.engine.systems import Systems
from csi_migration.engine.whole_set import made_in
from csi_migration.journal.peek import Peek
from csi_migration.journal.plan_file import PLAN, plan_from
from csi_migration.journal.record import (
    Done,
    Failed,
    Intent,
    Record,
    RunEnded,
    RunStarted,
    reached_its_goal,
)
from csi_migration.kube import resources
from csi_migration.model.objects import Raw, uid_of
from csi_migration.model.plan import MigrationPlan, ReplicaPlan, Window
from csi_migration.model.status import LastRun, LeaseStatus, RunState, Write


@dataclass(frozen=True, slots=True)
class Session:
    """What the read-only commands work with.

    Attributes:
        systems: where to look.
        found: the working directory.
        plan: the migration in it.
        lease: beside the set; None when there is none.
        made: uids of all that this migration made, and of a set that took its set's place since.
    """

    systems: Systems
    found: Peek
    plan: MigrationPlan
    lease: LeaseStatus | None
    made: frozenset[str]

    @property
    def is_at_work(self) -> bool:
        """Whether a run is changing things right now."""
        return self.lease is not None and self.lease.is_alive

    @property
    def window(self) -> Window:
        """The window of the last run."""
        return Window(self.found.arguments.get("window", Window.REPLICA.value))

    def observer(self, replica: ReplicaPlan) -> Observer:
        """Looks at one replica."""
        return Observer(self.systems, self.plan, replica, made=self.made)


def plan_in(found: Peek) -> MigrationPlan:
    """The plan in a working directory.

    Raises:
        UsageError: the run ended before it was saved.
        JournalUnreadable: it is gone, was changed, or is of another version.
    """
    return plan_from(found.load(PLAN))


def session(systems: Systems, found: Peek, plan: MigrationPlan) -> Session:
    """A session on the cluster that the migration was begun in.

    Raises:
        UsageError: it is another cluster.
        KubernetesError: it could not be read.
    """
    require_cluster(systems, found.identity)
    known = made_in(found.records)
    lease = systems.client.find(resources.LEASES, lease_name(plan.statefulset), plan.namespace)
    return Session(
        systems,
        found,
        plan,
        lease_status(lease, datetime.now(UTC)) if lease else None,
        frozenset(
            known | (_heirs(systems, plan, known) if follows_an_end(found.records) else set())
        ),
    )


def _heirs(systems: Systems, plan: MigrationPlan, known: set[str]) -> set[str]:
    """The set that somebody made again after the migration had ended, by uid."""
    found = systems.client.find(resources.STATEFULSETS, plan.statefulset, plan.namespace)
    if found is None or is_ours(found, plan, known):
        return set()
    return {uid_of(found)} if is_heir(systems.client, plan, found) else set()


def lease_status(lease: Raw, now: datetime) -> LeaseStatus:
    """Who holds the Lease, and whether it is at work."""
    spec = lease["spec"]
    renewed = spec.get("renewTime")
    seconds = (now - datetime.fromisoformat(renewed)).total_seconds() if renewed else 0.0
    return LeaseStatus(
        holder=spec.get("holderIdentity") or "unknown",
        since=spec.get("acquireTime") or "",
        seconds=max(seconds, 0.0),
        is_alive=is_at_work(lease, now),
    )


def last_run(found: Peek, *, is_at_work: bool) -> LastRun:
    """The last run of the directory, and what has become of it."""
    start = next((r for r in reversed(found.records) if isinstance(r, RunStarted)), None)
    last = found.records[-1]
    end = last if isinstance(last, RunEnded) else None
    return LastRun(
        command=found.last_command,
        tool_version=start.tool_version if start else found.identity.tool_version,
        started=start.time if start else found.records[0].time,
        state=_state(end, is_at_work=is_at_work),
        ended=end.time if end else "",
        exit_code=end.exit_code if end else None,
        told=end.state if end else "",
    )


def _state(end: RunEnded | None, *, is_at_work: bool) -> RunState:
    if end is None:
        return RunState.AT_WORK if is_at_work else RunState.KILLED
    return RunState.FINISHED if reached_its_goal(end) else RunState.STOPPED


def writes_in(records: tuple[Record, ...]) -> tuple[Write, ...]:
    """The writes that were done or whose outcome is open, in the journal's order.

    A run that reached its goal has looked at everything, so what was open before
    its end is settled.
    """
    answers = {r.intent: r for r in records if isinstance(r, Done | Failed)}
    settled = max((r.seq for r in records if reached_its_goal(r)), default=0)
    return tuple(
        _write(r, answers.get(r.seq))
        for r in records
        if isinstance(r, Intent) and _counts(r, answers.get(r.seq), settled)
    )


def _counts(intent: Intent, answer: Done | Failed | None, settled: int) -> bool:
    return isinstance(answer, Done) or (answer is None and intent.seq > settled)


def _write(intent: Intent, answer: Done | Failed | None) -> Write:
    result = answer.result if isinstance(answer, Done) else {}
    return Write(
        action=intent.action,
        kind=intent.object.kind,
        name=intent.object.name,
        uid=intent.object.uid,
        result=str(result.get("uid") or result.get("diskId") or ""),
        is_open=answer is None,
        time=intent.time,
    )

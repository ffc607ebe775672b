"""Where a migration stands, by observation: reads only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from csi_migration.decide.back_step import back_step
from csi_migration.decide.disagreements import as_a_run_finds_it, disagreements
from csi_migration.decide.next_step import next_step
from csi_migration.decide.replica_rules import Decide, is_in_place
from csi_migration.engine.companions import is_ours
from csi_migration.engine.ending import way_on
from csi_migration.engine.observe import Observer
from csi_migration.engine.reading import Session, last_run, writes_in
from csi_migration.engine.standing import side_of, standing_of
from csi_migration.engine.todays_set import plan_of_today
from csi_migration.engine.whole_set import set_before_its_window
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.plan import ClaimPlan, ReplicaPlan, Window
from csi_migration.model.seen import ClaimSeen, PodSeen, Presence, ReplicaSeen, SetSeen
from csi_migration.model.status import (
    ClaimStatus,
    Disagreement,
    NextStep,
    PodState,
    ReplicaStatus,
    RunState,
    SetState,
    Status,
    StepKind,
)
from csi_migration.model.step import (
    TITLES,
    Act,
    AwaitIt,
    Finished,
    Look,
    LookAt,
    Refuse,
    Retreat,
    Step,
)
from csi_migration.vsphere.errors import Faulted, PermissionDenied

# One look for the orphans, one for the attachments, two for each claim, on either way.
_LOOKS_OF_A_REPLICA = 4
_LOOKS_OF_A_CLAIM = 4


@dataclass(frozen=True, slots=True)
class _Looked:
    """A replica, what is seen of it, and its status."""

    seen: ReplicaSeen
    status: ReplicaStatus
    is_whole: bool


@dataclass(frozen=True, slots=True)
class _Today:
    """The session with the plan of a rollback; `obstacle` is why there is none."""

    session: Session
    obstacle: str = ""


def status_of(session: Session) -> Status:
    """Look at everything and say where it stands; nothing is changed.

    Raises:
        ToolError: the cluster or vCenter could not be read.
    """
    found, today = session.found, _today(session)
    run = last_run(found, is_at_work=session.is_at_work)
    if run.state is RunState.FINISHED and not today.obstacle:
        session = today.session  # a set lives on: nothing of that asks for an explanation
    plan = session.plan
    looked = {replica.pod: _look_at(session, replica, today) for replica in plan.replicas}
    return _with_ways_on(
        Status(
            namespace=plan.namespace,
            statefulset=plan.statefulset,
            cluster=session.systems.client.server,
            working_directory=str(found.path),
            window=session.window.value,
            last_run=run,
            lease=session.lease,
            set_state=_set_state(next(iter(looked.values())).seen.statefulset),
            replicas=tuple(each.status for each in looked.values()),
            disagreements=_disagreements(session, looked, run.state),
        ),
        is_done=run.state is RunState.FINISHED and _is_one_whole(looked),
    )


def _disagreements(
    session: Session, looked: dict[str, _Looked], state: RunState
) -> tuple[Disagreement, ...]:
    found = disagreements(
        session.plan,
        {pod: each.seen for pod, each in looked.items()},
        writes_in(session.found.records),
        is_at_work=session.is_at_work,
    )
    return (*_other_run(session, state), *found)


def _other_run(session: Session, state: RunState) -> tuple[Disagreement, ...]:
    """A run that is at work with another directory, or has taken over from this one."""
    if not session.lease or not session.is_at_work or state is RunState.AT_WORK:
        return ()
    return (
        Disagreement(
            "other-run",
            f"sts/{session.plan.statefulset}",
            f"{session.lease.holder} works on it, and the last run of this directory has ended",
            "Ask whoever started it, and with which directory; a run that is just ending "
            "gives its Lease back within seconds.",
        ),
    )


def _is_one_whole(looked: dict[str, _Looked]) -> bool:
    sides = {each.status.side for each in looked.values()}
    return len(sides) == 1 and all(each.is_whole for each in looked.values())


def _with_ways_on(status: Status, *, is_done: bool) -> Status:
    is_at_work = status.lease is not None and status.lease.is_alive
    if is_done or is_at_work:
        return status
    directory = status.working_directory
    return replace(
        status, resume=way_on("resume", directory), rollback=way_on("rollback", directory)
    )


# One replica -----------------------------------------------------------------------


def _today(session: Session) -> _Today:
    plan, client = session.plan, session.systems.client
    found = client.find(resources.STATEFULSETS, plan.statefulset, plan.namespace)
    if found is not None and not is_ours(found, plan, session.made):
        return _Today(session)
    now = found or set_before_its_window(session.found.records, plan, session.found.load)
    try:
        return _Today(replace(session, plan=plan_of_today(client, plan, now)))
    except NeedsPerson as refused:
        return _Today(session, refused.message)


def _look_at(session: Session, replica: ReplicaPlan, today: _Today) -> _Looked:
    observer = session.observer(replica)
    _look_at_disks(observer, replica)
    forwards = _next(observer, replica, next_step, session.window)
    back = _back(observer, replica, today)
    seen = observer.observe()
    status = ReplicaStatus(
        ordinal=replica.ordinal,
        pod=replica.pod,
        pod_state=_pod_state(seen.pod),
        side=side_of(replica, seen).value,
        claims=tuple(_claim(replica, claim, seen) for claim in replica.claims),
        forwards=_in_words(forwards),
        back=_in_words(back),
    )
    return _Looked(seen, status, standing_of(replica, seen).is_whole)


def _look_at_disks(observer: Observer, replica: ReplicaPlan) -> None:
    """For their ids, and before anything is asked about them."""
    seen = observer.observe()
    for claim in replica.claims:
        surely = not is_in_place(seen.claims[claim.name])
        try:
            observer.look(LookAt(Look.DISK, claim.name, surely=surely))
        except (Faulted, PermissionDenied):  # one disk is no reason to tell nothing of the others
            observer.facts.disks[claim.name] = None


def _next(observer: Observer, replica: ReplicaPlan, decide: Decide, window: Window) -> Step:
    """The first step that is no look, as a run decides after it has set Retain."""
    for _ in range(_LOOKS_OF_A_REPLICA + _LOOKS_OF_A_CLAIM * len(replica.claims)):
        step = decide(replica, as_a_run_finds_it(observer.observe()), window)
        if not isinstance(step, LookAt):
            return step
        observer.look(step)
    raise AssertionError("every look answers what the decision asked for")


def _back(observer: Observer, replica: ReplicaPlan, today: _Today) -> Step:
    """As a rollback decides, which goes by the set of today."""
    if today.obstacle:
        return Refuse(today.obstacle)
    again = next(each for each in today.session.plan.replicas if each.pod == replica.pod)
    by_today = today.session.observer(again)
    by_today.facts = observer.facts
    return _next(by_today, again, back_step, today.session.window)


def _in_words(step: Step) -> NextStep:
    match step:
        case Act(action, claim):
            return NextStep(StepKind.ACT, TITLES[action], action.value, claim)
        case AwaitIt(wait, reason, claim):
            return NextStep(StepKind.WAIT, reason, wait.value, claim)
        case Refuse(reason):
            return NextStep(StepKind.REFUSE, reason)
        case Retreat(reason):
            return NextStep(StepKind.RETREAT, reason)
        case Finished():
            return NextStep(StepKind.NOTHING, "nothing")
        case LookAt():
            raise AssertionError("looks are taken, not told")


def _set_state(seen: SetSeen) -> SetState:
    if seen.presence is Presence.ABSENT:
        return SetState.AWAY
    if seen.presence is Presence.FOREIGN:
        return SetState.FOREIGN
    return SetState.LEAVING if seen.terminating else SetState.IN_PLACE


def _pod_state(seen: PodSeen) -> PodState:
    if seen.presence is Presence.ABSENT:
        return PodState.AWAY
    if seen.presence is Presence.FOREIGN:
        return PodState.FOREIGN
    if seen.terminating:
        return PodState.LEAVING
    return PodState.READY if seen.ready else PodState.NOT_READY


def _claim(replica: ReplicaPlan, claim: ClaimPlan, seen: ReplicaSeen) -> ClaimStatus:
    there: ClaimSeen = seen.claims[claim.name]
    return ClaimStatus(
        name=claim.name,
        side=side_of(replace(replica, claims=(claim,)), seen).value,
        is_bound=there.bound,
        in_tree_volume=claim.old_volume if _is_there(there.old_volume.presence) else "",
        csi_volume=claim.new_volume if _is_there(there.new_volume.presence) else "",
        disk_id=there.disk.id if there.disk else "",
        disk_path=str(claim.file.path),
    )


def _is_there(presence: Presence) -> bool:
    return presence is not Presence.ABSENT

"""Looks after the replicas that are not in hand: may this one leave, were they left alone?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from csi_migration.decide.checks_around import budgets_covering
from csi_migration.decide.replica_rules import spec_changed, stranger_words
from csi_migration.decide.todays_set import all_pods, claims_made_since
from csi_migration.engine.lost_writes import creations_on_their_way
from csi_migration.engine.run import Run, timeout_of
from csi_migration.engine.ways_out import (
    put_the_spec_back,
    remove_foreign,
    remove_the_set,
    remove_what_a_controller_made,
)
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson, Stopped
from csi_migration.model.events import Notice
from csi_migration.model.objects import (
    REVISION_LABEL,
    Raw,
    by_name,
    controller_uid_of,
    has_left,
    is_made_here,
    is_ready,
    is_terminating,
    labels_of,
    name_of,
    spec_changes,
    uid_of,
)
from csi_migration.model.plan import ClaimPlan, MigrationPlan, ReplicaPlan, Window
from csi_migration.model.step import Wait

_ROOM_SECONDS = 900.0

Objections = Callable[[ReplicaPlan], Iterator[str]]


class OthersNeedTheSet(Stopped):
    """Another replica is not there or not Ready, so this one may not leave now."""


def pods_by_name(run: Run) -> dict[str, Raw]:
    """The set's pods, in one call."""
    found = run.systems.client.list(resources.PODS, run.plan.namespace, labels=run.plan.selector)
    names = all_pods(run.plan)
    return {name_of(pod): pod for pod in found if name_of(pod) in names}


def await_room(
    run: Run,
    replica: ReplicaPlan,
    look_after: Callable[[], None],
    recheck: Objections,
    beside: Collection[str] = (),
) -> bool:
    """Wait until the application can do without this replica.

    While the set is there its budgets count; once it is away they take its
    pods for unmanaged ones and say nothing of use
    (kubernetes: disruption.go:getExpectedPodCount). `look_after` is called as long
    as another replica is missed. `recheck` tells what else is in the way. Nobody misses
    the pods `beside` it.

    Returns:
        Whether it had to wait, so that what was seen before is old.

    Raises:
        WaitedTooLong: it could not; nothing was changed.
        NeedsPerson: somebody changed the set.
    """
    wait = run.waiter(
        replica.pod,
        "room",
        _ROOM_SECONDS,
        "Clear what it waited for, then take the migration up with `resume`, or back with "
        "`rollback`.",
    )
    has_waited = False
    while problem := run.patiently(
        replica.pod, lambda: next(chain(_objections(run, replica, beside), recheck(replica)), "")
    ):
        run.stop_if_asked()
        look_after()
        wait.pause(problem)
        has_waited = True
    return has_waited


def require_others_ready(run: Run, replica: ReplicaPlan) -> None:
    """The last look before a replica leaves.

    Raises:
        OthersNeedTheSet: another one is not Ready.
    """
    problem = next(_unready_others(run, replica), "") if _serves(run, replica) else ""
    if problem:
        raise OthersNeedTheSet(f"{replica.pod} was about to leave, but {problem}")


def _objections(run: Run, replica: ReplicaPlan, beside: Collection[str]) -> Iterator[str]:
    statefulset = settled_set(run)
    yield from creations_on_their_way(run, replica.pod)
    if statefulset is None and _is_in_hand(run, replica):
        return  # an interrupted swap, which has to end before anybody can wait for others
    if not _serves(run, replica):
        return  # who serves nobody is missed by nobody
    yield from _unready_others(run, replica, beside)
    if statefulset is None:
        return
    yield from _unsettled(statefulset)
    yield from _full_budgets(run, replica)


def _is_in_hand(run: Run, replica: ReplicaPlan) -> bool:
    return run.window is Window.REPLICA or replica.pod in vanished(run)


def vanished(run: Run) -> list[str]:
    """The replicas without a pod, or with one on its way out, or over."""
    pods = pods_by_name(run)
    stay = {name for name, pod in pods.items() if not has_left(pod)}
    return [pod for pod in all_pods(run.plan) if pod not in stay]


def _serves(run: Run, replica: ReplicaPlan) -> bool:
    return not run.goes_back or _is_ready(pods_by_name(run).get(replica.pod))


def _unready_others(run: Run, replica: ReplicaPlan, beside: Collection[str] = ()) -> Iterator[str]:
    pods = pods_by_name(run)
    for other in all_pods(run.plan):
        if other not in {replica.pod, *run.in_hand, *beside} and not _is_ready(pods.get(other)):
            if other not in pods:
                _require_no_stranger(run, other)
            yield f"{other} is not Ready"


def _require_no_stranger(run: Run, pod: str) -> None:
    """The set's controller waits for ever for a name that a pod without its labels has."""
    found = run.systems.client.find(resources.PODS, pod, run.plan.namespace)
    if found is not None and not is_terminating(found) and pod not in pods_by_name(run):
        raise NeedsPerson(
            stranger_words([f"pod {pod} (uid {uid_of(found)})"]),
            resolution=remove_foreign(run.plan, [f"pod {pod}"]),
        )


def _is_ready(pod: Raw | None) -> bool:
    return pod is not None and is_ready(pod)


def _unsettled(statefulset: Raw) -> Iterator[str]:
    status = statefulset.get("status", {})
    if status.get("observedGeneration", 0) != statefulset["metadata"]["generation"]:
        yield "the StatefulSet's controller has not caught up"
    wanted = statefulset["spec"].get("replicas", 1)
    if status.get("readyReplicas", 0) != wanted:
        yield "the StatefulSet does not count all replicas Ready yet"
    elif status.get("availableReplicas", wanted) != wanted:
        yield "not all replicas have been Ready for minReadySeconds yet"


def _full_budgets(run: Run, replica: ReplicaPlan) -> Iterator[str]:
    client, namespace = run.systems.client, run.plan.namespace
    pod = client.find(resources.PODS, replica.pod, namespace)
    budgets = client.list(resources.DISRUPTION_BUDGETS, namespace)
    for budget in _without_room(budgets, [pod]):
        yield f"disruption budget {name_of(budget)} has no room"


def _without_room(budgets: list[Raw], pods: list[Raw | None]) -> Iterator[Raw]:
    """Those that cover more of these pods than they allow to be missed.

    By the labels of the pods themselves: operators mark their leader at run time.
    """
    for budget in budgets:
        covered = sum(any(budgets_covering([pod], [budget])) for pod in pods if pod)
        if covered > int(budget.get("status", {}).get("disruptionsAllowed", 0)):
            yield budget


def fitting(run: Run, replicas: list[ReplicaPlan]) -> list[ReplicaPlan]:
    """As many of them as every budget lets go together, from the first; at least that one.

    Of a set that is away budgets say nothing; what preflight found then stands.
    """
    if settled_set(run) is None:
        return replicas
    pods = pods_by_name(run)
    budgets = run.systems.client.list(resources.DISRUPTION_BUDGETS, run.plan.namespace)
    count = len(replicas)
    while count > 1 and any(_without_room(budgets, [pods.get(r.pod) for r in replicas[:count]])):
        count -= 1
    return replicas[:count]


def require_untouched(run: Run, pod_uids: dict[str, str]) -> None:
    """See that the set's return restarted nothing: same revision, and tell of other pods.

    Raises:
        NeedsPerson: a rollout began.
    """
    for name, pod in pods_by_name(run).items():
        revision = labels_of(pod).get(REVISION_LABEL)
        if revision != run.plan.revision:
            raise NeedsPerson(
                f"{name} is at revision {revision}, not {run.plan.revision}: a rollout began",
                resolution="Find out what changed the set's pod template.",
            )
        if name in pod_uids and uid_of(pod) != pod_uids[name]:
            text = f"{name} was replaced, at the same revision, while another one was swapped"
            run.tell(Notice("warning", text))


def await_adoption(run: Run, statefulset_uid: str) -> None:
    """Wait until the set's controller has taken every pod back.

    Raises:
        WaitedTooLong: it has not; the pods run on as orphans.
    """
    limit = timeout_of(Wait.ADOPTED, run.options, 0.0, len(run.plan.replicas))
    wait = run.waiter("", "adopted", limit, "See what the controller-manager says about the set.")
    while orphans := run.patiently("", lambda: _orphans(run, statefulset_uid)):
        wait.pause(f"not adopted yet: {', '.join(orphans)}")


def _orphans(run: Run, statefulset_uid: str) -> list[str]:
    pods = pods_by_name(run)
    return [
        pod
        for pod in all_pods(run.plan)
        if pod not in pods or controller_uid_of(pods[pod]) != statefulset_uid
    ]


def settled_set(run: Run) -> Raw | None:
    """The StatefulSet if it is there, as it must stay.

    Raises:
        NeedsPerson: it is somebody else's, its controller is rolling out another
            revision, or its spec is not the one that was backed up.
    """
    found = run.systems.client.find(
        resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace
    )
    if found is None:
        return None
    require_ours(run, found)
    updating = found.get("status", {}).get("updateRevision", run.plan.revision)
    if updating != run.plan.revision:
        raise NeedsPerson(
            f"the StatefulSet rolls out revision {updating} instead of {run.plan.revision}",
            resolution="Find out what changed the set's pod template.",
        )
    if changes := spec_changes(found, run.plan.original):
        raise NeedsPerson(spec_changed(changes), resolution=put_the_spec_back())
    return found


def require_ours(run: Run, statefulset: Raw) -> None:
    """See that the set is the one that was backed up, or one that this migration made.

    Raises:
        NeedsPerson: somebody else made it.
    """
    if not is_ours(statefulset, run.plan, run.made):
        raise NeedsPerson(
            f"somebody else created the StatefulSet again (uid {uid_of(statefulset)})",
            resolution=remove_the_set(run.plan),
        )


def is_ours(statefulset: Raw, plan: MigrationPlan, made: Collection[str]) -> bool:
    """Whether the set is the one that was backed up, or one that this migration made.

    `made` are the uids of those, by the journal.
    """
    return uid_of(statefulset) == plan.uid or is_made_here(statefulset, made)


@dataclass(frozen=True, slots=True)
class MissingClaim:
    """A claim whose place a controller would fill with an empty volume, or has filled.

    `words` say what is wrong; `pod` is the replica whose claim somebody else made, and
    empty for one that is not there.
    """

    name: str
    words: str
    pod: str = ""


def missing_claims(run: Run) -> list[MissingClaim]:
    """While there is one, the StatefulSet must not come back."""
    found = by_name(run.systems.client.list(resources.CLAIMS, run.plan.namespace))
    planned = [
        _missing(claim.name, found, claim, replica.pod)
        for replica in run.plan.replicas
        for claim in replica.claims
    ]
    since = [_missing(name, found) for name in claims_made_since(run.plan)]
    return [each for each in planned + since if each]


def _missing(
    name: str, found: dict[str, Raw], planned: ClaimPlan | None = None, pod: str = ""
) -> MissingClaim | None:
    """What is wrong with a claim; of one that is not planned only whether it stands."""
    claim = found.get(name)
    if claim is None:
        return MissingClaim(name, f"claim {name} is missing")
    if is_terminating(claim):
        return MissingClaim(name, f"claim {name} is going away")
    if planned is None or uid_of(claim) == planned.uid:
        return None
    volume = claim["spec"].get("volumeName", "")
    if volume in (planned.old_volume, planned.new_volume):
        return None
    on = f"on volume {volume}" if volume else "not bound"
    words = f"claim {name} (uid {uid_of(claim)}, {on}) was made by somebody else"
    return MissingClaim(name, words, pod)


def way_out_of_missing(plan: MigrationPlan, missing: Sequence[MissingClaim]) -> str:
    """What to do about claims that somebody else made; empty if there is none."""
    foreign = [each for each in missing if each.pod]
    pods = sorted({f"pod {each.pod}" for each in foreign})
    claims = [f"pvc {each.name}" for each in foreign]
    return remove_what_a_controller_made(plan, pods + claims) if foreign else ""

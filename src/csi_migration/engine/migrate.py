"""The whole run: Retain, then replica by replica, then the policies back."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from functools import partial

from csi_migration.decide.replica_rules import vanished_words
from csi_migration.engine.companions import (
    await_room,
    fitting,
    missing_claims,
    pods_by_name,
    require_untouched,
    settled_set,
    vanished,
)
from csi_migration.engine.ending import ended, ending_with, tell_end, tell_start
from csi_migration.engine.hands import Hands
from csi_migration.engine.lost_writes import outdate_lost_writes
from csi_migration.engine.recheck import Recheck
from csi_migration.engine.retain import restore_policies, retain_everything
from csi_migration.engine.run import TRANSIENT, Run
from csi_migration.engine.soak import Soak, held_before
from csi_migration.engine.standing import Side, Standing, standings
from csi_migration.engine.swap import MUST_STOP, Retreated, Swap
from csi_migration.engine.tidy import tidy_up
from csi_migration.engine.todays_set import go_by_todays_set
from csi_migration.engine.verify import verify
from csi_migration.engine.whole_set import close_the_shared_window, last_set, templates_of
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson, ToolError
from csi_migration.model.events import Notice, ReplicaDone, VolumeMoved
from csi_migration.model.objects import uid_of
from csi_migration.model.plan import ClaimPlan, ReplicaPlan, Window
from csi_migration.model.seen import ClaimSeen

_MOST_RETREATS = 10
_ILL = 2


class Migration:
    """Brings every replica of one StatefulSet to the volumes that the run is after."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._on_csi: set[str] = set()
        self._changed = run.is_taken_up
        self._hands = Hands(run)
        self._half_way: set[str] = set()
        self._ours_to_start: set[str] = set()
        self._eyes = Recheck(run)
        self._soak = Soak(run, self._bring_back_the_vanished)

    def everything(self) -> None:
        """Run it from the first replica to the last.

        However it ends, the journal and the person are told where things stand.

        Raises:
            ToolError: with the state of the set and what to do next.
        """
        tell_start(self._run)
        with ending_with(self._ended):
            self._all_replicas()
        tell_end(self._run)

    def _ended(self, error: ToolError) -> ToolError:
        is_in_hand = bool(self._hands.left)
        return ended(self._run, error, has_changed=self._changed, is_in_hand=is_in_hand)

    def _all_replicas(self) -> None:
        run = self._run
        run.stop_if_asked()
        outdate_lost_writes(run)
        if run.goes_back:
            go_by_todays_set(run)
        standing = standings(run) if run.is_taken_up else {}
        self._on_csi = {pod for pod, each in standing.items() if each.side is not Side.IN_TREE}
        retain_everything(run)
        if standing and all(each.is_whole for each in standing.values()):
            self._fit_the_templates()  # an interrupted window ends before the next one begins
        try:
            ours = {pod for pod, each in standing.items() if self._is_ours_to_start(each)}
            self._ours_to_start = set(ours)
            left = self._in_order(standing)
            first = [each for each in left if each.pod in ours]
            run.at_once = max(run.options.max_unavailable, len(first))
            while left:
                run.stop_if_asked()
                if not first:
                    self._hold_those_of_before(standing, left)
                now = first or self._next_of(left, standing)
                then = [each for each in left if each not in now][: run.options.max_unavailable]
                done = self._replicas(now, then)
                left = [each for each in left if each.pod not in done]
                first = [each for each in first if each.pod not in done]
            self._hold_those_of_before(standing, left)
        except ToolError as error:
            self._close_after(error)
            raise
        run.patiently("", self._close_the_shared_window)
        self._fit_the_templates()
        verify(run)
        outdate_lost_writes(run)  # before any volume is Delete again
        restore_policies(run)
        tidy_up(run)

    def _in_order(self, standing: dict[str, Standing]) -> list[ReplicaPlan]:
        """The replicas that are left to do; one that an earlier run left half-way comes first."""
        run = self._run
        unfinished = [pod for pod, each in standing.items() if not each.is_whole]
        self._half_way = set(unfinished)
        stray = [pod for pod in unfinished if run.only and pod not in run.only]
        if stray:
            raise NeedsPerson(
                f"{', '.join(stray)}: left half-way by an earlier run, and not named in --replica",
                resolution="Name it as well, or leave --replica out.",
            )
        left = [r for r in run.replicas if not self._is_there(standing.get(r.pod))]
        return sorted(left, key=lambda replica: self._urgency(standing.get(replica.pod)))

    def _hold_those_of_before(self, standing: dict[str, Standing], then: list[ReplicaPlan]) -> None:
        """Who came through in an earlier run that did not see it stay Ready and healthy."""
        if self._run.goes_back:
            return  # a replica that is not Ready must not keep another one from its way back
        there = {pod for pod, each in standing.items() if self._is_there(each)}
        unheld = sorted(there - held_before(self._run.directory.journal.records()))
        if unheld:
            prepare = partial(self._look_ahead, then[: self._run.options.max_unavailable])
            self._soak.hold(dict.fromkeys(unheld), prepare)

    def _is_there(self, standing: Standing | None) -> bool:
        return standing is not None and standing.is_whole and standing.side is self._goal

    @property
    def _goal(self) -> Side:
        return Side.IN_TREE if self._run.goes_back else Side.CSI

    def _next_of(self, left: list[ReplicaPlan], standing: dict[str, Standing]) -> list[ReplicaPlan]:
        """As many as may be away; while the set counts one that is ill, nobody else may leave."""
        urgencies = {each.pod: self._urgency(standing.get(each.pod)) for each in left}
        if _ILL in urgencies.values():
            left = [each for each in left if urgencies[each.pod] <= _ILL]
        return left[: self._run.options.max_unavailable]

    def _urgency(self, standing: Standing | None) -> int:
        """Lowest first. As long as a claim is missing the set can't come back, and then nobody
        makes the pods that vanished. Going back, one that is not Ready is ill where it runs,
        and keeps the others from leaving.
        """
        if standing is None:
            return _ILL + 1
        if standing.is_whole:
            is_ill = self._run.goes_back and not (standing.is_away or standing.is_ready)
            return _ILL if is_ill else _ILL + 1
        return 0 if standing.side is Side.BETWEEN else 1

    def _is_ours_to_start(self, standing: Standing) -> bool:
        """Whether it comes first, and with all others of its kind: one that misses a claim,
        over which the set can't come back, or that has no pod where it is going to, which
        no controller starts before this run has seen its disks free.
        """
        return not standing.is_whole and standing.side in (Side.BETWEEN, self._goal)

    # One replica, or as many as may be away at once -----------------------------------

    def _replicas(self, replicas: list[ReplicaPlan], then: list[ReplicaPlan]) -> set[str]:
        """The pods of those that came through, which may be fewer; `then` come the next."""
        run = self._run
        others, swaps = self._swap_when_there_is_room(replicas)
        if run.options.window is Window.REPLICA:
            run.patiently("", self._close_the_shared_window)
        held = {swap.pod: swap.seen.pod.uid for swap in swaps if swap.seen}
        self._soak.hold(held, partial(self._look_ahead, then))
        run.patiently(replicas[0].pod, lambda: require_untouched(run, others))
        for swap in swaps:
            run.patiently(swap.pod, partial(self._warn_of_leftover_records, swap))
            moved = _moved(swap, goes_back=run.goes_back)
            run.tell(ReplicaDone(swap.pod, moved, swap.seconds_away, self._goal.value))
        return {swap.pod for swap in swaps}

    def _swap_when_there_is_room(
        self, replicas: list[ReplicaPlan]
    ) -> tuple[dict[str, str], list[Swap]]:
        """Wait for room and swap; again if another replica got into trouble meanwhile."""
        run, through = self._run, list[Swap]()
        for retreats in range(_MOST_RETREATS + 1):
            # What waits for one makes the looks at those before it old.
            while any(self._had_to_wait(replica, replicas) for replica in replicas):
                pass
            leaving = self._fitting(replicas)
            others = run.patiently(leaving[0].pod, partial(self._others, leaving))
            run.stop_if_asked()
            try:
                self._swap(leaving, through)
            except Retreated as back:
                if not back.may_try_again or retreats == _MOST_RETREATS:
                    raise
                self._begin_again(back)
                if through:
                    break  # these are looked after first
            else:
                break
        return others, through

    def _fitting(self, replicas: list[ReplicaPlan]) -> list[ReplicaPlan]:
        if len(replicas) == 1:
            return replicas
        return self._run.patiently(replicas[0].pod, lambda: fitting(self._run, replicas))

    def _had_to_wait(self, replica: ReplicaPlan, together: list[ReplicaPlan]) -> bool:
        # Going back, one that is not Ready must not keep another one from it.
        beside = {each.pod for each in together} if self._run.goes_back else ()
        return await_room(self._run, replica, self._bring_back_the_vanished, self._recheck, beside)

    def _recheck(self, replica: ReplicaPlan) -> Iterator[str]:
        if self._has_left(replica.pod):
            return
        eyes = self._eyes
        try:
            if self._run.goes_back:
                yield from eyes.objections_to_going_back()
            else:
                yield from eyes.objections(replica)
        except TRANSIENT:
            self._bring_back_the_vanished()  # vCenter may stay away for long
            raise

    def _has_left(self, pod: str) -> bool:
        """Whether an earlier run stopped it, and it does not come back by waiting.

        Nor does one that runs on claims which somebody is deleting; going back cures it.
        """
        run = self._run
        if pod not in self._half_way or settled_set(run):
            return False
        return (pod in self._ours_to_start and not run.goes_back) or pod in vanished(run)

    def _look_ahead(self, replicas: list[ReplicaPlan]) -> None:
        """What can't be seen now is looked at when its turn comes: nobody waits for it here."""
        with contextlib.suppress(ToolError):
            for replica in () if self._run.goes_back else replicas:
                self._eyes.look_ahead(replica)

    def _begin_again(self, back: Retreated) -> None:
        self._run.tell(Notice("warning", f"{back.message}. {back.state}"))
        self._run.stop_if_asked()
        self._bring_the_set_back()

    def _bring_back_the_vanished(self) -> None:
        """Between two swaps of one window too, only the set's controller makes a pod again."""
        run = self._run
        if run.window is Window.RUN:
            gone = run.patiently("", lambda: _vanished(run, self._ours_to_start))
            if gone:
                run.tell(Notice("warning", vanished_words(gone)))
                self._bring_the_set_back()

    def _bring_the_set_back(self) -> None:
        """Its adoption is not waited for: the old self of a pod may take its time to go.

        Its controller starts whoever was left half-way on the side that it came from.
        """
        self._half_way &= self._ours_to_start
        close = partial(self._close_the_shared_window, awaits_adoption=False)
        self._run.patiently("", close)

    def _others(self, replicas: list[ReplicaPlan]) -> dict[str, str]:
        own, pods = {replica.pod for replica in replicas}, pods_by_name(self._run)
        return {name: uid_of(pod) for name, pod in pods.items() if name not in own}

    def _swap(self, replicas: list[ReplicaPlan], through: list[Swap]) -> None:
        def came_through(swap: Swap) -> None:
            self._on_csi, self._changed = self._on_csi_after(swap.replica), True
            self._ours_to_start.discard(swap.pod)
            through.append(swap)

        self._hands = Hands(
            self._run,
            [self._swap_of(replica) for replica in replicas],
            came_through=came_through,
            bring_the_set_back=self._bring_the_set_back,
        )
        self._hands.to_the_other_side()

    def _swap_of(self, replica: ReplicaPlan) -> Swap:
        templates = templates_of(self._run.plan, self._on_csi_after(replica))
        before = templates_of(self._run.plan, self._on_csi)
        return Swap(self._run, replica, partial(last_set, self._run), templates, before)

    def _on_csi_after(self, replica: ReplicaPlan) -> set[str]:
        if self._run.goes_back:
            return self._on_csi - {replica.pod}
        return self._on_csi | {replica.pod}

    def _fit_the_templates(self) -> None:
        """Make the set again if its claim templates are not those that its replicas need."""
        run = self._run
        wanted = templates_of(run.plan, self._on_csi)
        Swap(run, run.plan.replicas[0], partial(last_set, run), wanted, wanted).set_again()

    def _warn_of_leftover_records(self, swap: Swap) -> None:
        """A CnsVSphereVolumeMigration that stays makes the driver attach the disk
        again every minute (vsphere-csi-driver: ListVolumes reports its path).
        """
        run = self._run
        for claim in swap.replica.claims:
            disk_id = swap.observer.facts.disk_ids.get(claim.name) or claim.disk_id
            if run.goes_back or not disk_id:
                continue  # the in-tree volume's own record
            if run.systems.client.find(resources.VOLUME_MIGRATIONS, disk_id):
                text = (
                    f"the driver kept its record of {claim.old_volume}; remove it with: "
                    f"kubectl delete cnsvspherevolumemigrations {disk_id}"
                )
                run.tell(Notice("warning", text, swap.pod))

    # A window that replicas share ------------------------------------------------------

    def _close_after(self, error: ToolError) -> None:
        """Bring the set back for a run that stops early; `error` is what people hear."""
        if isinstance(error, MUST_STOP):
            return
        try:
            self._require_no_one_between()
            self._run.patiently("", self._close_the_shared_window)
        except ToolError as second:
            text = f"the StatefulSet could not be brought back: {second.message}"
            self._run.tell(Notice("warning", text))

    def _require_no_one_between(self) -> None:
        if self._run.window is not Window.RUN:
            return
        ours, run = self._ours_to_start, self._run
        gone = run.patiently("", lambda: vanished(run)) if ours else []
        if between := sorted(ours.intersection(gone).union(self._hands.is_between())):
            raise NeedsPerson(
                f"{', '.join(between)} has no pod, and a controller would start it on disks that "
                "may still be attached elsewhere"
            )

    def _close_the_shared_window(self, *, awaits_adoption: bool = True) -> None:
        templates = templates_of(self._run.plan, self._on_csi | self._hands.forwards())
        awaits_adoption = awaits_adoption and not self._hands.left
        close_the_shared_window(self._run, templates, awaits_adoption=awaits_adoption)


def _vanished(run: Run, ours: Collection[str]) -> list[str]:
    """Whom the set's controller has to make again.

    Nobody as long as a replica that is `ours` to start has no pod or misses a claim: over
    that the set can't come back, and it would start the pod before this run has seen the
    disks free.
    """
    gone = [] if settled_set(run) else vanished(run)
    if not gone or set(gone).intersection(ours):
        return []
    first = [replica for replica in run.plan.replicas if replica.pod in ours]
    claims = {claim.name for replica in first for claim in replica.claims}
    return [] if any(each.name in claims for each in missing_claims(run)) else gone


def _moved(swap: Swap, *, goes_back: bool) -> tuple[VolumeMoved, ...]:
    claims = swap.seen.claims if swap.seen else {}
    return tuple(
        _volume_moved(claim, claims[claim.name], goes_back=goes_back)
        for claim in swap.replica.claims
    )


def _volume_moved(claim: ClaimPlan, seen: ClaimSeen, *, goes_back: bool) -> VolumeMoved:
    sides = (claim.old_volume, claim.new_volume)
    before, now = reversed(sides) if goes_back else sides
    disk_id = seen.disk.id if seen.disk else claim.disk_id
    return VolumeMoved(claim.name, before, now, disk_id, str(claim.file.path))

"""The whole run: Retain, then replica by replica, then the policies back."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial

from csi_migration.decide.replica_rules import vanished_words
from csi_migration.engine.companions import (
    await_room,
    pods_by_name,
    require_untouched,
    settled_set,
    vanished,
)
from csi_migration.engine.ending import ended, tell_end, tell_start
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.patience import ROUND_SECONDS, Sighting, until_changed
from csi_migration.engine.recheck import Recheck
from csi_migration.engine.retain import restore_policies, retain_everything
from csi_migration.engine.run import Run
from csi_migration.engine.standing import Side, Standing, standings
from csi_migration.engine.swap import Retreated, Swap
from csi_migration.engine.tidy import tidy_up
from csi_migration.engine.todays_set import go_by_todays_set
from csi_migration.engine.verify import verify
from csi_migration.engine.whole_set import close_the_runs_window, last_set, templates_of
from csi_migration.journal.errors import JournalBroken
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson, Stopped, ToolError
from csi_migration.model.events import Notice, ReplicaDone, VolumeMoved
from csi_migration.model.objects import Raw, is_ready, name_of, resource_version_of, uid_of
from csi_migration.model.plan import ClaimPlan, ReplicaPlan, Window
from csi_migration.model.seen import ReplicaSeen

_HEALTH_SECONDS = 30.0
_MOST_RETREATS = 10
_REPLACED = "it was replaced right after its swap, by a drain or an eviction; holding anew"


class Migration:
    """Brings every replica of one StatefulSet to the volumes that the run is after."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._on_csi: set[str] = set()
        self._changed = run.is_taken_up
        self._in_hand = ""
        self._hand: Swap | None = None
        self._half_way: set[str] = set()
        self._eyes = Recheck(run)

    def everything(self) -> None:
        """Run it from the first replica to the last.

        However it ends, the journal and the person are told where things stand.

        Raises:
            ToolError: with the state of the set and what to do next.
        """
        tell_start(self._run)
        with self._run.stop.listening():
            try:
                self._all_replicas()
            except KeyboardInterrupt as interrupt:
                raise self._ended(Stopped("Stopped at once, as asked.")) from interrupt
            except ToolError as error:
                raise self._ended(error) from error
            except Exception as error:
                words = f"the tool itself failed: {type(error).__name__}: {error}"
                raise self._ended(ToolError(words)) from error
        tell_end(self._run)

    def _ended(self, error: ToolError) -> ToolError:
        is_in_hand = bool(self._in_hand)
        return ended(self._run, error, has_changed=self._changed, is_in_hand=is_in_hand)

    def _all_replicas(self) -> None:
        run = self._run
        if run.goes_back:
            go_by_todays_set(run)
        standing = standings(run) if run.is_taken_up else {}
        self._on_csi = {pod for pod, each in standing.items() if each.side is not Side.IN_TREE}
        retain_everything(run)
        if standing and all(each.is_whole for each in standing.values()):
            self._fit_the_templates()  # an interrupted window ends before the next one begins
        try:
            for replica in self._in_order(standing):
                run.stop_if_asked()
                self._replica(replica)
        except ToolError as error:
            self._close_after(error)
            raise
        run.patiently("", self._close_the_runs_window)
        self._fit_the_templates()
        verify(run)
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
        return sorted(left, key=lambda replica: _urgency(standing.get(replica.pod)))

    def _is_there(self, standing: Standing | None) -> bool:
        side = Side.IN_TREE if self._run.goes_back else Side.CSI
        return standing is not None and standing.is_whole and standing.side is side

    # One replica ------------------------------------------------------------------

    def _replica(self, replica: ReplicaPlan) -> None:
        run = self._run
        others, seen, swap = self._swap_when_there_is_room(replica)
        self._soak(replica, seen)
        run.patiently(replica.pod, lambda: require_untouched(run, others))
        run.patiently(replica.pod, lambda: self._warn_of_leftover_records(replica, swap))
        side = Side.IN_TREE if run.goes_back else Side.CSI
        moved = _moved(replica, seen, goes_back=run.goes_back)
        run.tell(ReplicaDone(replica.pod, moved, swap.seconds_away, side.value))

    def _swap_when_there_is_room(
        self, replica: ReplicaPlan
    ) -> tuple[dict[str, str], ReplicaSeen, Swap]:
        """Wait for room and swap; again if another replica got into trouble meanwhile."""
        run = self._run
        for retreats in range(_MOST_RETREATS + 1):
            await_room(run, replica, self._bring_back_the_vanished, self._recheck)
            others = run.patiently(replica.pod, lambda: self._others(replica))
            run.stop_if_asked()
            try:
                seen, swap = self._swap(replica)
            except Retreated as back:
                if not back.may_try_again or retreats == _MOST_RETREATS:
                    raise
                self._begin_again(replica, back)
            else:
                return others, seen, swap
        raise AssertionError("the last try raises")

    def _recheck(self, replica: ReplicaPlan) -> Iterator[str]:
        """Forwards only, and not for what an earlier run left half-way."""
        if not self._run.goes_back and replica.pod not in self._half_way:
            yield from self._eyes.objections(replica)

    def _begin_again(self, replica: ReplicaPlan, back: Retreated) -> None:
        self._run.tell(Notice("warning", f"{back.message}. {back.state}", replica.pod))
        self._run.stop_if_asked()
        self._bring_the_set_back()

    def _bring_back_the_vanished(self) -> None:
        """Between two swaps of one window too, only the set's controller makes a pod again."""
        run = self._run
        if run.options.window is Window.RUN:
            gone = run.patiently("", lambda: [] if settled_set(run) else vanished(run))
            if gone:
                run.tell(Notice("warning", vanished_words(gone)))
                self._bring_the_set_back()

    def _bring_the_set_back(self) -> None:
        """Its adoption is not waited for: the old self of a pod may take its time to go."""
        close = partial(self._close_the_runs_window, awaits_adoption=False)
        self._run.patiently("", close)

    def _others(self, replica: ReplicaPlan) -> dict[str, str]:
        pods = pods_by_name(self._run)
        return {name: uid_of(pod) for name, pod in pods.items() if name != replica.pod}

    def _swap(self, replica: ReplicaPlan) -> tuple[ReplicaSeen, Swap]:
        templates = templates_of(self._run.plan, self._on_csi_after(replica))
        before = templates_of(self._run.plan, self._on_csi)
        swap = Swap(self._run, replica, partial(last_set, self._run), templates, before)
        self._in_hand, self._hand = replica.pod, swap
        try:
            seen = swap.to_the_other_side()
        except Retreated:
            self._in_hand, self._hand = "", None
            raise
        self._in_hand, self._hand, self._changed = "", None, True
        self._on_csi = self._on_csi_after(replica)
        return seen, swap

    def _on_csi_after(self, replica: ReplicaPlan) -> set[str]:
        if self._run.goes_back:
            return self._on_csi - {replica.pod}
        return self._on_csi | {replica.pod}

    def _fit_the_templates(self) -> None:
        """Make the set again if its claim templates are not those that its replicas need."""
        run = self._run
        wanted = templates_of(run.plan, self._on_csi)
        Swap(run, run.plan.replicas[0], partial(last_set, run), wanted, wanted).set_again()

    def _soak(self, replica: ReplicaPlan, seen: ReplicaSeen) -> None:
        """Wait until the replica has stayed Ready for long enough and is healthy.

        A drain or an eviction may replace it meanwhile: then the time begins anew.
        """
        run, since, uid = self._run, time.monotonic(), seen.pod.uid
        soak = max(run.options.soak, run.plan.min_ready_seconds)
        wait = run.waiter(replica.pod, "soak", soak + run.options.ready_timeout)
        while time.monotonic() < since + soak or not self._is_healthy(replica):
            pod = run.patiently(replica.pod, lambda: self._settled_pod(replica))
            if pod is not None and uid_of(pod) != uid:
                uid = uid_of(pod)
                run.tell(Notice("warning", _REPLACED, replica.pod))
            self._bring_back_the_vanished()
            since = since if pod is not None and is_ready(pod) else time.monotonic()
            rest = partial(self._rest, pod, since + soak - time.monotonic())
            wait.pause("holding for a while to see that it stays Ready", rest)

    def _rest(self, pod: Raw | None, left: float, pause: float) -> bool:
        """Until the soak is over or the pod changes; a pod that is away is asked for."""
        if pod is None or left <= 0:
            time.sleep(pause)
            return True
        namespace, version = self._run.plan.namespace, resource_version_of(pod)
        sighting = Sighting(resources.PODS, name_of(pod), namespace, version)
        return until_changed(self._run.systems.client, sighting, min(left, ROUND_SECONDS))

    def _settled_pod(self, replica: ReplicaPlan) -> Raw | None:
        settled_set(self._run)
        client, namespace = self._run.systems.client, self._run.plan.namespace
        return client.find(resources.PODS, replica.pod, namespace)

    def _is_healthy(self, replica: ReplicaPlan) -> bool:
        command = self._run.options.health_command
        if not command:
            return True
        environment = {
            "NAMESPACE": self._run.plan.namespace,
            "STATEFULSET": self._run.plan.statefulset,
            "POD": replica.pod,
        }
        try:
            # The person's own command, meant for a shell.
            ended = subprocess.run(  # noqa: S602
                command,
                shell=True,
                check=False,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_HEALTH_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return False
        return ended.returncode == 0

    def _warn_of_leftover_records(self, replica: ReplicaPlan, swap: Swap) -> None:
        """A CnsVSphereVolumeMigration that stays makes the driver attach the disk
        again every minute (vsphere-csi-driver: ListVolumes reports its path).
        """
        run = self._run
        for claim in replica.claims:
            disk_id = swap.observer.facts.disk_ids.get(claim.name) or claim.disk_id
            if run.goes_back or not disk_id:
                continue  # the in-tree volume's own record
            if run.systems.client.find(resources.VOLUME_MIGRATIONS, disk_id):
                text = (
                    f"the driver kept its record of {claim.old_volume}; remove it with: "
                    f"kubectl delete cnsvspherevolumemigrations {disk_id}"
                )
                run.tell(Notice("warning", text, replica.pod))

    # The window of a whole run ------------------------------------------------------

    def _close_after(self, error: ToolError) -> None:
        """Bring the set back for a run that stops early; `error` is what people hear."""
        if isinstance(error, JournalBroken | LeaseLost):
            return
        try:
            self._require_no_one_between()
            self._run.patiently("", self._close_the_runs_window)
        except ToolError as second:
            text = f"the StatefulSet could not be brought back: {second.message}"
            self._run.tell(Notice("warning", text))

    def _require_no_one_between(self) -> None:
        if self._hand and self._run.options.window is Window.RUN and self._hand.is_between():
            raise NeedsPerson(
                f"{self._in_hand} has no pod, and a controller would start it on disks that may "
                "still be attached elsewhere"
            )

    def _close_the_runs_window(self, *, awaits_adoption: bool = True) -> None:
        in_hand = {self._in_hand} - {""}
        templates = templates_of(self._run.plan, self._on_csi | in_hand)
        awaits_adoption = awaits_adoption and not self._in_hand
        close_the_runs_window(self._run, templates, awaits_adoption=awaits_adoption)


def _urgency(standing: Standing | None) -> int:
    """Lowest first. As long as a claim is missing the set can't come back, and then nobody
    makes the pods that vanished.
    """
    if standing is None or standing.is_whole:
        return 2
    return 0 if standing.side is Side.BETWEEN else 1


def _moved(replica: ReplicaPlan, seen: ReplicaSeen, *, goes_back: bool) -> tuple[VolumeMoved, ...]:
    return tuple(_volume_moved(claim, seen, goes_back=goes_back) for claim in replica.claims)


def _volume_moved(claim: ClaimPlan, seen: ReplicaSeen, *, goes_back: bool) -> VolumeMoved:
    sides = (claim.old_volume, claim.new_volume)
    before, now = reversed(sides) if goes_back else sides
    disk = seen.claims[claim.name].disk
    disk_id = disk.id if disk else claim.disk_id
    return VolumeMoved(claim.name, before, now, disk_id, str(claim.file.path))

"""The whole run: Retain, then replica by replica, then the policies back."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time

from csi_migration.decide.manifests import recreated
from csi_migration.engine.actions import create_statefulset
from csi_migration.engine.companions import (
    await_adoption,
    await_room,
    pods_by_name,
    require_untouched,
    settled_set,
)
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.retain import give_back_policies, restore_policies, retain_everything
from csi_migration.engine.run import Run, closing
from csi_migration.engine.state import state_of
from csi_migration.engine.swap import Retreated, Swap
from csi_migration.engine.verify import verify
from csi_migration.journal.errors import JournalBroken
from csi_migration.journal.record import ObjectRef
from csi_migration.kube import AlreadyExists, resources
from csi_migration.model.errors import ExitCode, NeedsPerson, Stopped, ToolError, Unreachable
from csi_migration.model.events import (
    Notice,
    ReplicaDone,
    RunEnded,
    RunStarted,
    StepDone,
    StepStarted,
    VolumeMoved,
)
from csi_migration.model.objects import Raw, is_made_by_tool, is_ready, uid_of
from csi_migration.model.plan import ReplicaPlan, Window
from csi_migration.model.seen import ReplicaSeen

_HEALTH_SECONDS = 30.0
# Codes that tell of a run which has changed nothing, or of no state at all.
_NOTHING_BEGUN = (ExitCode.FAILED, ExitCode.AUTHENTICATION, ExitCode.UNREACHABLE)


class Migration:
    """Brings every replica of one StatefulSet to CSI volumes."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._swapped: list[str] = []
        self._in_hand = ""
        self._hand: Swap | None = None

    def everything(self) -> None:
        """Run it from the first replica to the last.

        However it ends, the journal and the person are told where things stand.

        Raises:
            ToolError: with the state of the set and what to do next.
        """
        self._tell_start()
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
        self._tell_end()

    def _all_replicas(self) -> None:
        run = self._run
        retain_everything(run)
        try:
            for replica in run.plan.replicas:
                run.stop_if_asked()
                self._replica(replica)
        except ToolError as error:
            self._close_after(error)
            raise
        run.patiently("", self._close_the_runs_window)
        verify(run)
        restore_policies(run)

    # One replica ------------------------------------------------------------------

    def _replica(self, replica: ReplicaPlan) -> None:
        run = self._run
        await_room(run, replica)
        others = run.patiently(replica.pod, lambda: self._others(replica))
        run.stop_if_asked()
        seen, swap = self._swap(replica)
        self._swapped.append(replica.pod)
        self._soak(replica, seen)
        run.patiently(replica.pod, lambda: require_untouched(run, others))
        run.patiently(replica.pod, lambda: self._warn_of_leftover_records(replica, swap))
        run.tell(ReplicaDone(replica.pod, _moved(replica, seen), swap.seconds_away))

    def _others(self, replica: ReplicaPlan) -> dict[str, str]:
        pods = pods_by_name(self._run)
        return {name: uid_of(pod) for name, pod in pods.items() if name != replica.pod}

    def _swap(self, replica: ReplicaPlan) -> tuple[ReplicaSeen, Swap]:
        set_before = self._run.patiently(replica.pod, self._set_before)
        swap = Swap(self._run, replica, set_before)
        self._in_hand, self._hand = replica.pod, swap
        try:
            seen = swap.forwards()
        except Retreated:
            self._in_hand, self._hand = "", None
            raise
        self._in_hand, self._hand = "", None
        return seen, swap

    def _set_before(self) -> Raw:
        """What a failed swap puts back: the set as it was before this window."""
        found = settled_set(self._run)
        return recreated(found) if found else self._set_of_the_run()

    def _set_of_the_run(self) -> Raw:
        plan = self._run.plan
        return plan.statefulset_manifest if self._swapped else recreated(plan.original)

    def _soak(self, replica: ReplicaPlan, seen: ReplicaSeen) -> None:
        """Wait until the replica has stayed Ready for long enough and is healthy."""
        run, since = self._run, time.monotonic()
        soak = max(run.options.soak, run.plan.min_ready_seconds)
        wait = run.waiter(replica.pod, "soak", soak + run.options.ready_timeout)
        while time.monotonic() < since + soak or not self._is_healthy(replica):
            pod = run.patiently(replica.pod, lambda: self._settled_pod(replica))
            if pod is None or uid_of(pod) != seen.pod.uid:
                raise Stopped(f"{replica.pod} was replaced right after its swap")
            since = since if is_ready(pod) else time.monotonic()
            wait.pause("holding for a while to see that it stays Ready")

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
        for claim in replica.claims:
            disk_id = swap.observer.facts.disk_ids.get(claim.name) or claim.disk_id
            if self._run.systems.client.find(resources.VOLUME_MIGRATIONS, disk_id):
                text = (
                    f"the driver kept its record of {claim.old_volume}; remove it with: "
                    f"kubectl delete cnsvspherevolumemigrations {disk_id}"
                )
                self._run.tell(Notice("warning", text, replica.pod))

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

    def _close_the_runs_window(self) -> None:
        """With --window run, bring the set back, also when the run stops early.

        Only over claims that are all there: its controller would provision an
        empty volume in the place of a missing one.
        """
        run = self._run
        if run.options.window is not Window.RUN:
            return
        found = run.systems.client.find(
            resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace
        )
        if found is None:
            self._create_the_set()
        elif uid_of(found) == run.plan.uid:
            return  # the window was never opened
        ours = self._ours_or_refuse()
        if not self._in_hand:
            await_adoption(run, uid_of(ours))

    def _create_the_set(self) -> None:
        run = self._run
        run.guard()
        run.tell(StepStarted("", "close-window", "bring the StatefulSet back"))
        started = time.monotonic()
        reference = ObjectRef(
            kind="StatefulSet", name=run.plan.statefulset, namespace=run.plan.namespace
        )
        journal = run.directory.journal
        intent = journal.intent(step="close-window", action="close-window", object=reference)
        with contextlib.suppress(AlreadyExists):  # whose it is, is looked at next
            with closing(journal, intent):
                created = create_statefulset(run, self._set_of_the_run())
            journal.done(intent, created)
        run.tell(StepDone("", "close-window", "", time.monotonic() - started))

    def _ours_or_refuse(self) -> Raw:
        run = self._run
        found = run.systems.client.get(
            resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace
        )
        if not is_made_by_tool(found):
            raise NeedsPerson("somebody else created the StatefulSet again")
        return found

    # Beginning and end ----------------------------------------------------------------

    def _tell_start(self) -> None:
        run = self._run
        run.tell(
            RunStarted(
                run.plan.namespace,
                run.plan.statefulset,
                run.options.window.value,
                tuple(replica.pod for replica in run.plan.replicas),
                str(run.directory.path),
            )
        )

    def _tell_end(self) -> None:
        run = self._run
        count = len(run.plan.replicas)
        state = f"all {count} replicas of {run.plan.statefulset} run on CSI volumes"
        run.directory.journal.run_ended(exit_code=int(ExitCode.DONE), state=state)
        run.tell(
            RunEnded(
                int(ExitCode.DONE),
                f"Migrated {run.plan.namespace}/{run.plan.statefulset}",
                state,
                f"keep {run.directory.path} until you are sure that you won't go back",
                time.monotonic() - run.started,
            )
        )

    def _ended(self, error: ToolError) -> ToolError:
        """The error with the state of things, told and recorded."""
        run = self._run
        error = self._as_stopped(error)
        if not self._swapped and not self._in_hand and not isinstance(error, JournalBroken):
            self._leave_nothing()
        error.state = " ".join(filter(None, (error.state, state_of(run, self._swapped))))
        error.resolution = error.resolution or (
            f"{run.directory.path} holds the backup and the journal; "
            "its README.md says how to take a replica back by hand."
        )
        with contextlib.suppress(JournalBroken):  # then that is what the error says already
            run.directory.journal.run_ended(exit_code=int(error.exit_code), state=error.state)
        run.tell(
            RunEnded(
                int(error.exit_code),
                error.message,
                error.state,
                error.resolution,
                time.monotonic() - run.started,
            )
        )
        return error

    def _as_stopped(self, error: ToolError) -> ToolError:
        """In the middle of things, any failure is a stop: what matters is where it stands."""
        has_begun = bool(self._swapped or self._in_hand)
        is_away = isinstance(error, Unreachable)
        if not is_away and not (has_begun and error.exit_code in _NOTHING_BEGUN):
            return error
        return Stopped(
            error.message, details=error.details, state=error.state, resolution=error.resolution
        )

    def _leave_nothing(self) -> None:
        try:
            give_back_policies(self._run)
        except ToolError as error:
            text = f"the in-tree volumes stay Retain: {error.message}"
            self._run.tell(Notice("warning", text))


def _moved(replica: ReplicaPlan, seen: ReplicaSeen) -> tuple[VolumeMoved, ...]:
    return tuple(
        VolumeMoved(
            claim.name,
            claim.old_volume,
            claim.new_volume,
            disk.id if (disk := seen.claims[claim.name].disk) else claim.disk_id,
            str(claim.file.path),
        )
        for claim in replica.claims
    )

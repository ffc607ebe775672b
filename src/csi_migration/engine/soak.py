"""Holds after a swap until the replicas have stayed Ready for long enough and are healthy."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from csi_migration.engine.companions import settled_set
from csi_migration.engine.patience import ROUND_SECONDS, Sighting, until_changed
from csi_migration.engine.run import Run
from csi_migration.journal.record import Intent, Note, Record
from csi_migration.kube import resources
from csi_migration.model.events import Notice
from csi_migration.model.objects import Raw, is_ready, name_of, resource_version_of, uid_of

_HEALTH_SECONDS = 30.0
# So long before it ends there is time to look at who leaves next.
_LAST_SECONDS = 3.0
_REPLACED = "it was replaced right after its swap, by a drain or an eviction; holding anew"
_HELD = "held: "
_NOT_YET = float("inf")
_HOLDING = "holding for a while to see that it stays Ready"


@dataclass(slots=True)
class _Held:
    """A replica, as which pod and since when it is Ready, and how that was last seen."""

    name: str
    uid: str | None
    since: float
    pod: Raw | None = None


def held_before(records: Sequence[Record]) -> set[str]:
    """The pods that were held to the end, and that nothing was done to since then."""
    held: set[str] = set()
    for record in records:
        if isinstance(record, Note) and record.text.startswith(_HELD):
            held.add(record.text.removeprefix(_HELD))
        elif isinstance(record, Intent):
            held.discard(record.replica)
    return held


class Soak:
    """The time after a swap; `look_after` is called now and then for the other replicas."""

    def __init__(self, run: Run, look_after: Callable[[], None]) -> None:
        self._run = run
        self._look_after = look_after
        self._seconds = max(run.options.soak, run.plan.min_ready_seconds)
        self._unhealthy: dict[str, str] = {}

    def hold(self, pods: Mapping[str, str | None], prepare: Callable[[], None]) -> None:
        """Hold until all of them have stayed Ready and are healthy.

        A drain or an eviction may replace one meanwhile: then its time begins anew.

        Args:
            pods: their names, each with the uid of the pod that is Ready at this moment;
                None if nobody has seen that.
            prepare: called in the last seconds, more than once if they are many.

        Raises:
            WaitedTooLong: one does not stay Ready, or is not healthy.
            Stopped: somebody asked for it; `resume` holds them anew.
            NeedsPerson: somebody changed the set.
        """
        now = time.monotonic()
        held = [_Held(name, uid, now if uid else _NOT_YET) for name, uid in pods.items()]
        names = ", ".join(pods)
        wait = self._run.waiter(names, "soak", self._seconds + self._run.options.ready_timeout)
        while left := self._not_over(held):
            for one in left:
                self._look(one)
            self._look_after()
            if 0 < max(map(self._seconds_left, left)) <= _LAST_SECONDS:
                prepare()
            reason = "; ".join(self._unhealthy.values()) or _HOLDING
            wait.pause(reason, partial(self._rest, left))
            self._run.stop_if_asked()
        for name in pods:
            self._run.directory.journal.note(_HELD + name)

    def _not_over(self, held: Sequence[_Held]) -> list[_Held]:
        self._unhealthy.clear()
        return [one for one in held if not self._is_over(one)]

    def _is_over(self, held: _Held) -> bool:
        return self._seconds_left(held) <= 0 and self._is_healthy(held.name)

    def _seconds_left(self, held: _Held) -> float:
        return held.since + self._seconds - time.monotonic()

    def _look(self, held: _Held) -> None:
        held.pod = pod = self._run.patiently(held.name, lambda: self._settled_pod(held.name))
        if pod is not None and uid_of(pod) != held.uid:
            if held.uid:
                self._run.tell(Notice("warning", _REPLACED, held.name))
            held.uid = uid_of(pod)
        if pod is None or not is_ready(pod):
            held.since = _NOT_YET
        elif held.since == _NOT_YET:
            held.since = time.monotonic()

    def _settled_pod(self, name: str) -> Raw | None:
        settled_set(self._run)
        client, namespace = self._run.systems.client, self._run.plan.namespace
        return client.find(resources.PODS, name, namespace)

    def _rest(self, left: Sequence[_Held], pause: float) -> bool:
        """Until the first one's time is over or its pod changes; one that is away is asked for."""
        pod, seconds = left[0].pod, self._seconds_left(left[0])
        if pod is None or seconds <= 0:
            time.sleep(pause)
            return True
        namespace, version = self._run.plan.namespace, resource_version_of(pod)
        sighting = Sighting(resources.PODS, name_of(pod), namespace, version)
        client, seconds = self._run.systems.client, min(seconds, ROUND_SECONDS)
        return until_changed(client, sighting, seconds, pause)

    def _is_healthy(self, pod: str) -> bool:
        plan, command = self._run.plan, self._run.options.health_command
        if not command:
            return True
        self._run.lease.keep()  # several commands that hang would outlast it
        own = {"NAMESPACE": plan.namespace, "STATEFULSET": plan.statefulset, "POD": pod}
        said = _tried(command, os.environ | own)
        if said:
            self._unhealthy[pod] = f"{pod}: --health-command {said}"
        return not said


def _tried(command: str, environment: Mapping[str, str]) -> str:
    """Run the person's own command; how it failed, empty if it did not."""
    started = subprocess.Popen(  # noqa: S602  it is meant for a shell
        command,
        shell=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A group of its own: what a shell has begun must not outlive it.
        start_new_session=True,
    )
    try:
        code = started.wait(_HEALTH_SECONDS)
    except subprocess.TimeoutExpired:
        _end(started)
        return f"took longer than {_HEALTH_SECONDS:.0f} s"
    except BaseException:
        _end(started)
        raise
    return f"exited with {code}" if code else ""


def _end(started: subprocess.Popen[bytes]) -> None:
    """With all that it has begun; what runs as somebody else can't be ended, nor waited for."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(started.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        started.wait(1)

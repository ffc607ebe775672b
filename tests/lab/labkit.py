"""What the lab's tests are written in: a StatefulSet on trial, and the tool as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab import cluster as lab_cluster
from lab import processes
from lab import workload as lab_workload
from lab.client import Cluster, Object
from lab.demo import tool, tool_options
from lab.facts import Facts
from lab.inspection import Inspection, Report
from lab.layout import Layout
from lab.manifests import Workload
from lab.objects import USER_CLUSTER
from lab.timeline import Observer, away, quorum_lost
from lab.waiting import until
from lab.watches import Restart
from tests.lab.world import World

API_SERVER = "kube-apiserver-"


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A run of the tool that has ended."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    def __str__(self) -> str:
        return f"exit code {self.exit_code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


@dataclass(slots=True)
class Lab:
    """The one lab of a test run."""

    layout: Layout
    facts: Facts
    restarts: list[tuple[str, Restart]] = field(default_factory=list)

    def cluster(self, name: str = "user") -> Cluster:
        """A client of the user or the admin cluster, as cluster-admin."""
        return Cluster(self.layout.kubeconfig(name, "admin"))

    def allow_admin_workloads(self) -> None:
        """Let the admin cluster run pods; takes seconds the first time only."""
        self.facts = lab_cluster.up(self.layout, admin_workloads=True)

    def pause(self, part: str) -> None:
        """Stop a part (`syncer-user`) in its tracks, as a hung process would."""
        os.kill(self.facts.part(part).pid, signal.SIGSTOP)

    def resume(self, part: str) -> None:
        os.kill(self.facts.part(part).pid, signal.SIGCONT)

    def restart(self, part: str) -> None:
        """Stop a part and start it again; waits until it is ready.

        Nobody but the one who asks hears an API server then; see `settle`.
        """
        processes.stop([self.facts.part(part)])
        if part.startswith(API_SERVER):
            cluster = part.removeprefix(API_SERVER)
            self.restarts.append((cluster, Restart(self.layout.audit_log(cluster))))
        self.facts = lab_cluster.restart(self.layout, part)

    def settle(self) -> None:
        """Wait until all that an API server's restart made deaf hears it again.

        What is still deaf starts anew, which takes seconds instead of minutes. For
        between tests only: a test sees what becomes of it.
        """
        while self.restarts:
            cluster, restart = self.restarts.pop()
            deaf = {watch.user.removeprefix("system:") for watch in restart.missing()}
            for part in sorted(deaf):
                self.restart(f"{part}-{cluster}")
            restart.settle()


class Trial:
    """A StatefulSet, the tool's working directory for it, and what watches both."""

    def __init__(self, lab: Lab, workload: Workload, where: str, directory: Path) -> None:
        self.lab, self.workload, self.where = lab, workload, where
        self.directory = directory
        self.cluster = lab.cluster(where)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        vcenter = self.lab.facts.vcenter
        self.lab.settle()
        with ExitStack() as undo:
            undo.callback(self._delete)
            lab_workload.create(self.cluster, vcenter, self.workload)
            self.inspection = Inspection(self.lab.layout, self.cluster, vcenter, self.workload)
            observer = Observer(self.cluster, self.workload.namespace)
            self.observer = undo.enter_context(observer)
            self._open = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def options(self) -> list[str]:
        """The options that `preflight` and `rolling-migration all` share."""
        kubeconfig = self.lab.layout.kubeconfig("admin", "tool")
        named = USER_CLUSTER if self.where == "user" else ""
        return tool_options(kubeconfig, self.workload, cluster_name=named)

    def preflight(self, *extra: str, env: Mapping[str, str] | None = None) -> ToolRun:
        return finish(self._begin(["preflight", *self.options, *extra], env))

    def inventory(self, *extra: str) -> ToolRun:
        return finish(self._begin(["inventory", *self.options[:4], *extra], None))

    def run_tool(self, *words: str) -> ToolRun:
        """Any command, as it is."""
        return finish(self._begin(list(words), None))

    def migrate(self, *extra: str, env: Mapping[str, str] | None = None) -> ToolRun:
        """`rolling-migration all`, run to its end."""
        return finish(self.start(*extra, env=env))

    def start(self, *extra: str, env: Mapping[str, str] | None = None) -> Running:
        """`rolling-migration all`, for a test that interrupts it. Given twice, the
        tool takes an option's last value: `extra` may replace those here.
        """
        run = ["--working-directory", str(self.directory), "--soak-seconds", "1", "--yes"]
        return self._begin(["rolling-migration", "all", *self.options, *run, *extra], env)

    def resume(self, *extra: str) -> ToolRun:
        """`rolling-migration resume`, run to its end."""
        return finish(self.take_up("resume", *extra))

    def rollback(self, *extra: str) -> ToolRun:
        """`rolling-migration rollback`, run to its end."""
        return finish(self.take_up("rollback", *extra))

    def take_up(self, command: str, *extra: str) -> Running:
        """`resume` or `rollback` of what `start` began, for a test that interrupts it."""
        run = ["--working-directory", str(self.directory), "--yes"]
        return self._begin(["rolling-migration", command, *run, *extra], None)

    def report(self) -> Report:
        """What has become of the set's bytes by now."""
        return self.inspection.report()

    def seconds_away(self, pod: str) -> float:
        """Until the last change that was seen."""
        return away(self.observer.samples, pod)

    def quorum_lost(self) -> float:
        return quorum_lost(self.observer.samples, self.workload.pod_names)

    def ready(self) -> bool:
        return lab_workload.ready(self.cluster, self.workload)

    def available(self) -> bool:
        """Whether controllers count every replica."""
        return lab_workload.available(self.cluster, self.workload)

    def statefulset(self) -> Object:
        return self.cluster.get("StatefulSet", self.workload.name, self.workload.namespace)

    def pods(self) -> dict[str, Object]:
        """The set's pods by name."""
        found = self.cluster.list("Pod", self.workload.namespace)
        return {pod["metadata"]["name"]: pod for pod in found}

    def volumes(self) -> dict[str, Object]:
        """The PersistentVolume of each claim, by the claim's name."""
        return lab_workload.volumes(self.cluster, self.workload)

    def scaled(self, replicas: int) -> None:
        """Scale the set, and wait until all replicas are Ready and counted."""
        name, namespace = self.workload.name, self.workload.namespace
        self.cluster.patch("StatefulSet", name, {"spec": {"replicas": replicas}}, namespace)
        self.workload = replace(self.workload, replicas=replicas)
        until(f"{replicas} replicas Ready", self.ready)
        until(f"{replicas} replicas available", self.available)

    def assert_migrated(self) -> Report:
        """Every claim on a CSI volume with its own bytes, every replica Ready, nothing lost,
        nothing left behind.
        """
        self.assert_on_csi()
        report = self.report()
        assert [one.claim for one in report.claims if not one.records_before] == []
        until("records on every new volume", self._chains_cross)
        return self.report()

    def assert_on_csi(self) -> None:
        """Every claim on a CSI volume, however often it went there and back; nothing lost,
        nothing left behind.
        """
        report = self.report()
        assert report.problems() == []
        assert [one.claim for one in report.claims if not one.moved] == []
        assert self.ready()
        self._assert_settled(self.workload.csi_class)

    def assert_taken_back(self) -> None:
        """Every claim on an in-tree volume of the name and disk that it began with, and the
        set as it began, every replica Ready, nothing lost, nothing left behind.
        """
        self.assert_untouched()
        volumes = self.volumes().values()
        assert [one for one in volumes if "vsphereVolume" not in one["spec"]] == []
        self._assert_settled(self.workload.storage_class)

    def _assert_settled(self, storage_class: str) -> None:
        """The set on that class, each volume with the reclaim policy that it began with, and
        nothing that tells of a migration: no Lease, second backup or annotation.
        """
        templates = self.statefulset()["spec"]["volumeClaimTemplates"]
        assert {one["spec"]["storageClassName"] for one in templates} == {storage_class}
        assert self._reclaim_policies() == {self.workload.reclaim_policy}
        assert World.of(self.cluster, self.workload.namespace).marks() == []

    def _reclaim_policies(self) -> set[str]:
        """Of the volumes that the set began with; one of a later replica is of its class."""
        volumes = self.volumes()
        return {
            volumes[claim]["spec"]["persistentVolumeReclaimPolicy"]
            for claim in self.inspection.claims
        }

    def assert_untouched(self) -> None:
        """Every claim on the volume that it began with, every replica Ready, nothing lost."""
        report = self.report()
        assert report.problems() == []
        assert [one.claim for one in report.claims if one.old_volume != one.new_volume] == []
        assert self.ready()

    def _chains_cross(self) -> bool:
        return all(one.chain_crosses for one in self.report().claims)

    def _begin(self, arguments: list[str], env: Mapping[str, str] | None) -> Running:
        return Running([str(tool()), *arguments], env)

    def _delete(self) -> None:
        self.lab.settle()
        lab_workload.clear(self.lab.layout, self.cluster, self.workload.namespace)


class Running:
    """The tool while it runs. Its output goes to files, so that it never blocks."""

    def __init__(self, command: list[str], env: Mapping[str, str] | None) -> None:
        self.stdout = tempfile.TemporaryFile("w+")  # noqa: SIM115 - finish() closes them
        self.stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.begun = time.monotonic()
        self.process: subprocess.Popen[Any] = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.stdout,
            stderr=self.stderr,
        )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


def finish(running: Running, seconds: float = 900) -> ToolRun:
    """Wait for the tool's end; it is killed, and the test fails, after `seconds`."""
    try:
        exit_code = running.process.wait(seconds)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait()
        exit_code = -signal.SIGKILL
    said = []
    for stream in (running.stdout, running.stderr):
        with stream:
            stream.seek(0)
            said.append(stream.read())
    return ToolRun(exit_code, said[0], said[1], time.monotonic() - running.begun)

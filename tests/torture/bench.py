"""Where a case is tried: a lab, proxies, a StatefulSet, and the tool as a process."""

from __future__ import annotations

import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from lab.client import Cluster
from lab.demo import tool, tool_options
from lab.vcenter import disks
from lab.waiting import until
from tests.lab.labkit import Lab, Running, Trial, finish
from tests.lab.world import World
from tests.torture import vcenter
from tests.torture.case import Case, Stage
from tests.torture.endstate import HELD, State, holders_of, state_of
from tests.torture.faultproxy import Interposed
from tests.torture.meter import Meter
from tests.torture.outcome import StageRun
from tests.torture.scenario import SCENARIOS, Scenario

# A run that meets a delay of half a minute or two and still ends.
RUN_SECONDS = 300.0
SETTLE_SECONDS = 60.0
# As long as nothing becomes better or worse, nothing will any more.
STILL_SECONDS = 8.0
# A look lists everything of a namespace, which the cases beside this one pay for.
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bench:
    """Where one worker works: a lab, its own proxies, a folder."""

    lab: Lab
    cluster: Cluster
    between: Interposed
    folder: Path

    def trial(self, case: Case) -> Patient:
        """A fresh StatefulSet for a case, in a namespace of its own."""
        namespace = f"t-{zlib.crc32(str(case).encode()):08x}"
        scenario = SCENARIOS[case.scenario]
        workload = scenario.workload(namespace)
        return Patient(self, scenario, Trial(self.lab, workload, "user", self.folder / namespace))


class Patient:
    """A StatefulSet on trial, and the runs of the tool on it."""

    def __init__(self, bench: Bench, scenario: Scenario, trial: Trial) -> None:
        self.bench, self.scenario, self.trial = bench, scenario, trial
        self.paths: dict[str, str] = {}
        self.volumes: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        self.trial.__enter__()
        volumes = self.trial.volumes()
        self.volumes = frozenset(one["metadata"]["name"] for one in volumes.values())
        self.paths = {
            claim: volume["spec"]["vsphereVolume"]["volumePath"]
            for claim, volume in volumes.items()
        }
        return self

    def __exit__(self, *error: object) -> None:
        self.trial.__exit__(*error)  # type: ignore[arg-type]  # what a with block passes
        # Every tool that comes after this one would have to look at them in the catalog.
        with disks(self.bench.lab.facts.vcenter) as datacenter:
            datacenter.destroy(self.paths.values())

    def run(self, stage: Stage) -> StageRun:
        """Run the tool to its end, struck as the stage says."""
        meter = self.bench.between.meter = Meter(stage.strike)
        running = Running(self._command_line(stage), None)
        meter.aim(running.process)
        return StageRun(stage, finish(running, RUN_SECONDS), meter)

    def begin_elsewhere(self) -> None:
        """Let the next `all` have a working directory of its own."""
        old = self.trial.directory
        if old.exists() and any(old.iterdir()):
            self.trial.directory = old.with_name(f"{old.name}-again")

    def let_go(self) -> None:
        """Hand on what a run that was killed had sent."""
        self.bench.between.let_go()

    def world(self) -> World:
        """What is there now, in vCenter too."""
        cluster, paths = self.bench.cluster, set(self.paths.values())
        found = World.of(cluster, self.trial.workload.namespace, self.volumes).by_kind
        records = cluster.list("CnsVSphereVolumeMigration")
        own = {
            one["metadata"]["name"]: one for one in records if one["spec"]["volumepath"] in paths
        }
        of_the_driver = {"CnsVSphereVolumeMigration": own}
        return World(found | of_the_driver | vcenter.objects(self.bench.lab.layout, paths))

    def standing(self) -> dict[str, str]:
        """The uids of the set, its claims and volumes, without those on their way out."""
        return {
            f"{kind} {name}": item["metadata"]["uid"]
            for kind, items in self.world().by_kind.items()
            for name, item in items.items()
            if kind in HELD and "deletionTimestamp" not in item["metadata"]
        }

    def state(self) -> State:
        """What is there now, comparable with other namespaces."""
        world, namespace = self.world(), self.trial.workload.namespace
        return state_of(world, self.paths, namespace) | holders_of(world, self.paths, namespace)

    def _command_line(self, stage: Stage) -> list[str]:
        where = ["--working-directory", str(self.trial.directory)]
        begin = [str(tool()), "rolling-migration", stage.command]
        if stage.command != "all":
            only = [] if stage.replica is None else ["--replica", str(stage.replica)]
            return [*begin, *where, *only, *(["--yes"] if stage.command == "rollback" else [])]
        between = self.bench.between
        options = tool_options(between.kubeconfig, self.trial.workload)
        config = ["--vcenter-config", str(between.vcenter_config)]
        quick = ["--soak-seconds", "0", "--window", self.scenario.window, "--yes"]
        quick += ["--max-unavailable", str(self.scenario.at_once)]
        return [*begin, *options, *config, *where, *quick]


@cache
def commands() -> frozenset[str]:
    """Those of `all`, `resume` and `rollback` that this tool has."""
    asked = [str(tool()), "rolling-migration", "--help"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    listed = {line.split()[0] for line in said.splitlines() if line.startswith("  ")}
    return frozenset({"all", "resume", "rollback"} & listed)


def settled(problems: Callable[[], list[str]]) -> list[str]:
    """The problems that are left once the controllers have had their time."""
    found: list[str] = []
    since = time.monotonic()

    def done() -> bool:
        nonlocal found, since
        now = problems()
        if now != found:
            found, since = now, time.monotonic()
        return not found or time.monotonic() - since > STILL_SECONDS

    until("that nothing changes any more", done, SETTLE_SECONDS, pause=LOOK_SECONDS)
    return found

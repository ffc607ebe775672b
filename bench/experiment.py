"""What is measured, in which order, and what becomes of it: all on one cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bench import copying, floor, runbook, tool
from bench.bed import OPERATOR, Bed, Run
from bench.startup import milliseconds
from bench.tool import TOOL_USER, Waiting
from bench.usage import Usage
from lab.manifests import Workload
from lab.progress import say

REPLICA, WHOLE_RUN = "tool, --window replica", "tool, --window run"
FLOOR, RUNBOOK, COPY = "floor: delete pod", "runbook", "copy"
# In this order, again and again: what changes on the machine meanwhile meets all of them.
METHODS = (FLOOR, RUNBOOK, COPY, REPLICA, WHOLE_RUN)
WAITING_SECONDS = 8.0
_STARTS = 9

Method = Callable[[Workload], Usage | None]


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured.

    Attributes:
        runs: of each method.
        replicas: of the set of each run.
        claims: of each replica.
        soak: seconds between two replicas of the tool.
        mebibytes: what `copy` copies for each volume.
        sizes: of further sets that the tool migrates, for the calls per replica.
        large: replicas of one large set, compared with a set of one; 0 for none.
        at_once: of a set of `many` replicas, how many the tool swaps at once, run by run.
    """

    runs: int = 2
    replicas: int = 3
    claims: int = 1
    soak: float = 1
    mebibytes: int = 512
    sizes: tuple[int, ...] = (5,)
    large: int = 0
    at_once: tuple[int, ...] = ()
    many: int = 40


@dataclass(slots=True)
class Found:
    """Everything that was measured.

    Attributes:
        runs: by method.
        by_size: runs of the tool on sets of other sizes, by their number of replicas.
        at_once: runs on `many` replicas, by the number that was swapped at once.
        starts: medians in milliseconds of `wall` and `processor`, by option.
        loads: the machine's load average (1 minute) before each run.
    """

    runs: dict[str, list[Run]] = field(default_factory=dict)
    by_size: dict[int, Run] = field(default_factory=dict)
    waiting: Waiting | None = None
    at_once: dict[int, Run] = field(default_factory=dict)
    starts: dict[str, dict[str, int]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)


def starts() -> dict[str, dict[str, int]]:
    """What the tool takes to say what needs no cluster; best asked without a lab beside."""
    return {each: milliseconds((each,), _STARTS) for each in ("--help", "--version")}


def measure(bed: Bed, options: Options) -> Found:
    """Run everything but `starts`; says on stderr where it is."""
    experiment = _Experiment(bed, options)
    experiment.prepare()
    found = experiment.found
    for number in range(options.runs):
        for method in METHODS:
            experiment.run(method, number)
    for size in experiment.sizes:
        experiment.of_size(size)
    for number in options.at_once:
        experiment.at_once(number)
    say("the tool while it waits")
    found.waiting = tool.while_waiting(bed, experiment.waiting, WAITING_SECONDS)
    return found


class _Experiment:
    def __init__(self, bed: Bed, options: Options) -> None:
        self.bed, self.options, self.found = bed, options, Found()
        sizes = (*options.sizes, *((1, options.large) if options.large else ()))
        self.sizes = list(dict.fromkeys(sizes))
        self.waiting = self._workload("waiting", 1)

    def prepare(self) -> None:
        """Bring all sets to life at once; they then wait for their turn."""
        runs = [
            self._of_method(method, number)
            for number in range(self.options.runs)
            for method in METHODS
        ]
        workloads = [*runs, *map(self._of_size, self.options.sizes), self.waiting]
        say(f"{len(workloads)} StatefulSets, {sum(each.replicas for each in workloads)} replicas")
        self.bed.make(workloads)

    def run(self, method: str, number: int) -> None:
        say(f"{method}, {number + 1} of {self.options.runs}")
        by = TOOL_USER if method in (REPLICA, WHOLE_RUN) else OPERATOR
        run = self._watched(self._of_method(method, number), by, self._action(method))
        self.found.runs.setdefault(method, []).append(run)

    def of_size(self, size: int) -> None:
        workload = self._of_size(size)
        migrate = self._migrated if size in self.options.sizes else self._guest
        self.found.by_size[size] = migrate(workload, at_once=1)

    def at_once(self, number: int) -> None:
        """On a set whose budget allows that many to be away."""
        workload = self._workload(f"at-once-{number}", self.options.many)
        workload = replace(workload, max_unavailable=number)
        self.found.at_once[number] = self._guest(workload, at_once=number)

    def _guest(self, workload: Workload, at_once: int) -> Run:
        """On a set that is made for it and taken away after it: a node has room for sixty disks."""
        self.bed.make([workload])
        run = self._migrated(workload, at_once)
        self.bed.clear(workload)
        return run

    def _migrated(self, workload: Workload, at_once: int) -> Run:
        say(f"{REPLICA}, {workload.replicas} replicas, {at_once} at once")
        soak = self.options.soak
        return self._watched(
            workload,
            TOOL_USER,
            lambda work: tool.migrate(self.bed, work, "replica", soak, at_once),
        )

    def _watched(self, workload: Workload, by: str, action: Method) -> Run:
        self.found.loads.append(round(os.getloadavg()[0], 2))
        return self.bed.watched(workload, by, action)

    def _action(self, method: str) -> Method:
        bed, options = self.bed, self.options
        actions: dict[str, Method] = {
            FLOOR: lambda work: floor.restart_all(bed, work),
            RUNBOOK: lambda work: runbook.follow(bed, work),
            COPY: lambda work: copying.copy_all(bed, work, options.mebibytes),
            REPLICA: lambda work: tool.migrate(bed, work, "replica", options.soak),
            WHOLE_RUN: lambda work: tool.migrate(bed, work, "run", options.soak),
        }
        return actions[method]

    def _of_method(self, method: str, number: int) -> Workload:
        return self._workload(f"m{METHODS.index(method)}-{number}", self.options.replicas)

    def _of_size(self, size: int) -> Workload:
        return self._workload(f"size-{size}", size)

    def _workload(self, namespace: str, replicas: int) -> Workload:
        """Parallel, so that the sets are there soon; the tool swaps one replica at a time."""
        claims = tuple(f"data{number}" for number in range(self.options.claims))
        return Workload(
            namespace=namespace, replicas=replicas, claims=claims, pod_management="Parallel"
        )

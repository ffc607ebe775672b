"""What is measured, in which order, and what becomes of it: all on one cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bench import copying, floor, runbook, tool
from bench.bed import OPERATOR, Bed, Run
from bench.methods import COPY, FLOOR, METHODS, ONE_FILE, REPLICA, RUNBOOK, TRIALS, WHOLE_RUN
from bench.startup import milliseconds
from bench.tool import TOOL_USER, Waiting
from bench.usage import Usage
from lab.manifests import Workload
from lab.progress import say

WAITING_SECONDS = 8.0
_STARTS = 9

Method = Callable[[Workload], Usage | None]


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured.

    Attributes:
        runs: of each method.
        replicas: of the set of each run.
        claims: of each replica; of the trials the others, too.
        trials: how often each of TRIALS is done, for each number of claims.
        soak: seconds between two replicas of the tool.
        mebibytes: what `copy` copies for each volume.
        sizes: of further sets that the tool migrates, for the calls per replica.
        large: replicas of one large set, compared with a set of one; 0 for none.
        crowd: pods, attachments and VMs that a last set is migrated among; 0 for none.
        at_once: of a set of `many` replicas, how many the tool swaps at once, run by run.
    """

    runs: int = 2
    replicas: int = 3
    claims: tuple[int, ...] = (1,)
    trials: int = 6
    soak: float = 1
    mebibytes: int = 512
    sizes: tuple[int, ...] = (5,)
    large: int = 0
    crowd: int = 1200
    at_once: tuple[int, ...] = ()
    many: int = 40


@dataclass(slots=True)
class Found:
    """Everything that was measured.

    Attributes:
        runs: by method.
        trials: by method and number of claims.
        by_size: runs of the tool on sets of other sizes, by their number of replicas.
        crowded: a run of the tool among bystanders.
        waiting: by the number of replicas of the set.
        at_once: runs on `many` replicas, by the number that was swapped at once.
        starts: medians in milliseconds of `wall` and `processor`, by option.
        loads: the machine's load average (1 minute) before each run.
    """

    runs: dict[str, list[Run]] = field(default_factory=dict)
    trials: dict[tuple[str, int], list[Run]] = field(default_factory=dict)
    by_size: dict[int, list[Run]] = field(default_factory=dict)
    crowded: list[Run] = field(default_factory=list)
    waiting: dict[int, Waiting] = field(default_factory=dict)
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
    # What needs the most room comes first: should it not suffice, the hours after it are spared.
    for size in experiment.sizes:
        experiment.of_size(size)
    for size in filter(None, (1, options.large)):
        experiment.while_waiting(size)
    for number in options.at_once:
        experiment.at_once(number)
    for claims in options.claims:
        experiment.trials(claims)
    # Last: the crowd stays.
    if options.crowd:
        experiment.crowded()
    return found


class _Experiment:
    def __init__(self, bed: Bed, options: Options) -> None:
        self.bed, self.options, self.found = bed, options, Found()
        sizes = (*options.sizes, *((1, options.large) if options.large else ()))
        self.sizes = list(dict.fromkeys(sizes))

    def prepare(self) -> None:
        """Bring all sets to life at once; they then wait for their turn."""
        runs = [
            self._of_method(method, number)
            for number in range(self.options.runs)
            for method in METHODS
        ]
        workloads = [*runs, *map(self._of_size, self.options.sizes)]
        say(f"{len(workloads)} StatefulSets, {sum(each.replicas for each in workloads)} replicas")
        self.bed.make(workloads)

    def run(self, method: str, number: int) -> None:
        say(f"{method}, {number + 1} of {self.options.runs}")
        workload = self._of_method(method, number)
        run = self._watched(workload, _by(method), self._action(method))
        self.found.runs.setdefault(method, []).append(run)

    def trials(self, claims: int) -> None:
        """Each method in turn, on sets of one that are made for each round."""
        for number in range(self.options.trials):
            say(f"trial {number + 1} of {self.options.trials}, claims: {claims}")
            sets = {method: self._of_trial(method, claims, number) for method in TRIALS}
            self.bed.make([*sets.values()])
            for method, workload in sets.items():
                run = self._watched(workload, _by(method), self._action(method))
                self.found.trials.setdefault((method, claims), []).append(run)
            self.bed.clear([*sets.values()])

    def _of_trial(self, method: str, claims: int, number: int) -> Workload:
        namespace = f"trial-{TRIALS.index(method)}-{claims}-{number}"
        return replace(self._workload(namespace, 1), claims=_claims(claims))

    def of_size(self, size: int) -> None:
        """A set of one, which the large one is compared with, as often as each method."""
        if size in self.options.sizes:
            self.found.by_size[size] = [self._migrated(self._of_size(size), at_once=1)]
            return
        times = self.options.runs if size == 1 else 1
        self.found.by_size[size] = [
            self._guest(self._workload(f"size-{size}-{number}", size), at_once=1)
            for number in range(times)
        ]

    def while_waiting(self, size: int) -> None:
        say(f"the tool while it waits, replicas: {size}")
        workload = self._workload(f"waiting-{size}", size)
        self.bed.make([workload])
        self.found.waiting[size] = tool.while_waiting(self.bed, workload, WAITING_SECONDS)
        self.bed.clear([workload])

    def crowded(self) -> None:
        """Beside the set that the methods get, but for the crowd."""
        workload = self._workload("crowded", self.options.replicas)
        self.bed.make([workload])
        say(f"a crowd of {self.options.crowd}")
        self.bed.crowd(workload, self.options.crowd)
        self.found.crowded.append(self._migrated(workload, at_once=1))

    def at_once(self, number: int) -> None:
        """On a set whose budget allows that many to be away."""
        workload = self._workload(f"at-once-{number}", self.options.many)
        workload = replace(workload, max_unavailable=number)
        self.found.at_once[number] = self._guest(workload, at_once=number)

    def _guest(self, workload: Workload, at_once: int) -> Run:
        """On a set that is made for it and taken away after it: a node has room for sixty disks."""
        self.bed.make([workload])
        run = self._migrated(workload, at_once)
        self.bed.clear([workload])
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
            RUNBOOK: lambda work: runbook.follow(bed, work, runbook.APART),
            ONE_FILE: lambda work: runbook.follow(bed, work, runbook.TOGETHER),
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
        claims = _claims(self.options.claims[0])
        return Workload(
            namespace=namespace, replicas=replicas, claims=claims, pod_management="Parallel"
        )


def _claims(number: int) -> tuple[str, ...]:
    return tuple(f"data{each}" for each in range(number))


def _by(method: str) -> str:
    """Who makes the method's calls."""
    return TOOL_USER if method in (REPLICA, WHOLE_RUN) else OPERATOR

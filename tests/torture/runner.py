"""Runs cases side by side, in labs that are made anew now and then."""

from __future__ import annotations

import queue
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lab import cluster
from lab.layout import Layout
from lab.vcenter import LAST_WITHOUT_PROTECTION
from tests.lab.labkit import Lab
from tests.torture import baseline as baselines
from tests.torture.attempt import Attempt
from tests.torture.baseline import Baseline
from tests.torture.bench import Bench
from tests.torture.case import Case
from tests.torture.faultproxy import interposed
from tests.torture.outcome import Outcome, Verdict, verdict_of

# Shorter than the lab's own: thousands of pods are started here. Requests are struck by
# number, and no delay outlives the second that the next run takes to start.
DELAYS = {"pod_start": 0.08, "pod_stop": 0.06, "unmount": 0.04}

Tell = Callable[[Outcome], None]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class Runner:
    """Runs cases on the benches of one lab.

    Attributes:
        tell: hears of each outcome; called from several threads.
        learned: the baseline of each scenario that was needed so far.
        deadline: nothing is begun after it, in monotonic seconds.
    """

    benches: list[Bench]
    tell: Tell
    learned: dict[str, Baseline] = field(default_factory=dict)
    deadline: float = float("inf")

    def learn(self, scenarios: Sequence[str]) -> None:
        """Take the undisturbed run of each scenario that has none yet.

        Raises:
            Unsound: one did not end well.
        """
        missing = [each for each in scenarios if each not in self.learned]
        learned = self._side_by_side(missing, baselines.learn)
        self.learned |= {each.scenario: each for each in learned}

    def run(self, cases: Sequence[Case]) -> list[Outcome]:
        """Try each case and tell its outcome."""
        return self._side_by_side(cases, self._case)

    def _case(self, bench: Bench, case: Case) -> Outcome:
        outcome = attempt(bench, case, self.learned[case.scenario])
        self.tell(outcome)
        return outcome

    def _side_by_side(self, items: Sequence[T], work: Callable[[Bench, T], R]) -> list[R]:
        free: queue.SimpleQueue[Bench] = queue.SimpleQueue()
        for bench in self.benches:
            free.put(bench)

        def one(item: T) -> R | None:
            if time.monotonic() > self.deadline:
                return None
            bench = free.get()
            try:
                return work(bench, item)
            finally:
                free.put(bench)

        with ThreadPoolExecutor(len(self.benches)) as pool, self._ending_early():
            return [result for result in pool.map(one, items) if result is not None]

    @contextmanager
    def _ending_early(self) -> Iterator[None]:
        """When this thread is interrupted, those that work are not left with all the rest."""
        try:
            yield
        except BaseException:
            self.deadline = 0
            raise


@contextmanager
def runner(lab: Lab, folder: Path, jobs: int, tell: Tell) -> Iterator[Runner]:
    """A runner with a bench for each job."""
    with ExitStack() as opened:
        benches = []
        for number in range(jobs):
            own = folder / f"bench-{number}"
            between = opened.enter_context(interposed(lab, own))
            benches.append(Bench(lab, lab.cluster(), between, own))
        yield Runner(benches, tell)


@contextmanager
def quick_lab(folder: Path) -> Iterator[Lab]:
    """A lab of short delays, stopped in the end; its vCenter protects no disk by itself."""
    layout = Layout(folder)
    try:
        known = cluster.up(layout, delays=DELAYS, vcenter_version=LAST_WITHOUT_PROTECTION)
        yield Lab(layout, known)
    finally:
        cluster.down(layout)


def attempt(bench: Bench, case: Case, base: Baseline) -> Outcome:
    """Try a case; what goes wrong in the harness itself is a failure too."""
    begun = time.monotonic()
    tried, problems = None, []
    try:
        with bench.trial(case) as patient:
            tried = Attempt(patient, case, base.ends)
            tried.everything()
    except Exception as error:  # noqa: BLE001 - one broken case must not end thousands
        problems = [f"the harness failed: {error!r}", *traceback.format_exc().splitlines()]
    return _outcome(case, tried, problems, time.monotonic() - begun)


def _outcome(case: Case, tried: Attempt | None, problems: list[str], seconds: float) -> Outcome:
    done = tried.done if tried else []
    problems = [*(tried.problems if tried else []), *problems]
    untried = tried is not None and tried.untried
    verdict = verdict_of(case, done, problems, untried=untried)
    return Outcome(
        case=str(case),
        verdict=verdict,
        kills=case.kills,
        problems=problems,
        stages=[one.facts() for one in done],
        seconds=round(seconds, 1),
        account=[one.account() for one in done] if verdict is Verdict.FAILED else [],
    )

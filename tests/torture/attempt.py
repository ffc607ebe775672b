"""One case on one fresh StatefulSet: run, strike, take up, judge."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby

from tests.torture.bench import Patient, commands, settled
from tests.torture.case import Case, Stage
from tests.torture.endstate import State, difference, of_replica, taken_back
from tests.torture.fault import Fault
from tests.torture.outcome import KILLED, StageRun
from tests.torture.signature import Signature

DONE, USAGE, STOPPED, NEEDS_PERSON = 0, 2, 5, 6
# A run that ends with one of these says that it has changed nothing.
NOTHING_CHANGED = (USAGE, 3, 8, 9)
# The same of one that takes another up; with USAGE there is none to take up.
NOTHING_CHANGED_NOW = (8, 9)
# Taking back one replica leaves none half-way behind that another run left so.
_NOT_NAMED = "not named in --replica"
_GIVEN_BACK = re.compile(r"(\S+) was not (?:migrated|taken back); it runs again")
_LEASE_LEFT = "left behind or unexpected: Lease csi-migration-web"


@dataclass(frozen=True, slots=True)
class Ends:
    """The states that a scenario begins with and must come to."""

    original: State
    migrated: State


@dataclass(slots=True)
class Attempt:
    """The runs of a case so far.

    Attributes:
        untried: a command was needed that this tool does not have.
    """

    patient: Patient
    case: Case
    ends: Ends
    done: list[StageRun] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    untried: bool = False

    def everything(self) -> None:
        """Run the case's stages until one goes wrong, and judge what has come of it."""
        for stage in self.case.stages:
            if self.problems or self.untried:
                break
            if not self._is_superfluous(stage):
                self._stage(stage)
        self.patient.let_go()
        self.problems += list(self._judged())

    def _is_superfluous(self, stage: Stage) -> bool:
        """What has ended well needs no one to take it up."""
        if stage.command != "resume" or not self.done:
            return False
        last = self.done[-1]
        return last.exit_code == DONE and last.stage.command != "rollback"

    def _stage(self, stage: Stage) -> None:
        self.untried = stage.command not in commands()
        if self.untried:
            return
        stood = self.patient.standing() if self.done and stage.strike else {}
        ended = self._run(stage)
        struck = ended.meter.struck is not None
        if struck and stage.strike and stage.strike.fault.is_kill:
            # A run may have ended by itself within the moment after its last answer.
            by_itself = stage.strike.fault is Fault.KILL_ANSWERED
            self._expect(ended, *((KILLED, DONE) if by_itself else (KILLED,)))
        elif self._refuses_to_leave_others(ended):
            return
        elif struck and len(self.done) > 1 and ended.exit_code in NOTHING_CHANGED_NOW:
            self._expect_untouched(ended, stood)
        elif self._says_that_nothing_was_changed(ended, struck=struck):
            self._begin_again(ended)
        else:
            self._expect(ended, *((DONE, STOPPED) if struck else (DONE,)))
            if stage.replica is not None and ended.exit_code == DONE:
                self._expect_taken_back(stage.replica)

    def _refuses_to_leave_others(self, ended: StageRun) -> bool:
        """With a replica half-way that it was not to touch."""
        follows = any(one.exit_code in (KILLED, STOPPED) for one in self.done[:-1])
        refuses = ended.exit_code == NEEDS_PERSON and _NOT_NAMED in ended.run.stderr
        return ended.stage.replica is not None and follows and refuses

    def _expect_untouched(self, ended: StageRun, stood: dict[str, str]) -> None:
        """The next run goes on from wherever the one before this one had come."""
        stands = self.patient.standing()
        if stands != stood:
            said = f"{ended.stage}: exit code {ended.exit_code} as if nothing was changed"
            self.problems += [said, f"stood: {stood}", f"stands: {stands}"]

    def _expect_taken_back(self, ordinal: int) -> None:
        """The others stay as they were: on CSI, if the migration was through."""
        pod = self.patient.trial.workload.pod_names[ordinal]
        wanted = of_replica(self.ends.original, pod)
        whole = self.done[-2].exit_code == DONE and self.done[-2].stage.command != "rollback"
        if whole:
            migrated = self.ends.migrated
            own = of_replica(migrated, pod)
            wanted |= {name: item for name, item in migrated.items() if name not in own}

        def differs() -> list[str]:
            state = self.patient.state()
            found = state if whole else of_replica(state, pod)
            return taken_back(wanted, found)

        self.problems += settled(differs)

    def _says_that_nothing_was_changed(self, ended: StageRun, *, struck: bool) -> bool:
        """Because of a fault early on, or because the run before was killed so early
        that there is nothing to take up, or has taken everything back.
        """
        if struck:
            return ended.exit_code in NOTHING_CHANGED
        follows = any(one.was_killed or one.stage.goes_back for one in self.done[:-1])
        return ended.exit_code == USAGE and follows

    def _begin_again(self, ended: StageRun) -> None:
        """Who says so must be right; a migration then starts from scratch.

        The Lease of a run that was killed before it had a directory is then still
        there: the next migration has to take it over at once, and to remove it.
        """
        differs = self._differs_from(self.ends.original)
        if ended.stage.command != "rollback":
            differs = [each for each in differs if each != _LEASE_LEFT]
        if differs:
            said = f"{ended.stage}: exit code {ended.exit_code} as if nothing was changed"
            self.problems += [said, *differs]
        elif ended.stage.command != "rollback":
            self.patient.begin_elsewhere()
            self._expect(self._run(Stage("all")), DONE)

    def _expect(self, ended: StageRun, *codes: int) -> None:
        if ended.exit_code not in codes:
            wanted = " or ".join(map(str, codes))
            self.problems.append(f"{ended.stage}: exit code {ended.exit_code}, not {wanted}")

    def _run(self, stage: Stage) -> StageRun:
        ended = self.patient.run(stage)
        self.done.append(ended)
        if "Traceback" in ended.run.stderr:
            self.problems.append(f"{ended.stage}: a traceback in its talk")
        return ended

    # What has come of it ------------------------------------------------------------

    def _judged(self) -> Iterator[str]:
        trial = self.patient.trial
        if not self.problems and not self.untried:
            if self.case.stages[-1].replica is None:  # else it is judged already
                yield from self._differs_from(self._end())
            yield from settled(self._unread)
            yield from self._deleted_needlessly()
        yield from trial.report().problems()
        together = max(len(trial.workload.pod_names) - len(s.ready) for s in trial.observer.samples)
        if together > self.patient.scenario.at_once:
            yield f"{together} replicas were away at the same time"

    def _deleted_needlessly(self) -> Iterator[str]:
        """Each pod goes once for each way that the set takes, and again only where it was just
        its deletion that was struck, or where a run says that it gave the pod back.
        """
        ways = sum(1 for _ in groupby(one.stage.command == "rollback" for one in self.done))
        asked = Counter(chain.from_iterable(map(_asked_to_go, self.done)))
        struck = (one.meter.struck for one in self.done)
        again = Counter(sent.name for sent in struck if sent and _ends(sent))
        again.update(chain.from_iterable(map(_given_back, self.done)))
        if self.patient.scenario.at_once > 1:
            again.update(chain.from_iterable(map(_only_stopped, self.done)))
        for pod, times in asked.items():
            if times > ways + again[pod]:
                yield f"{pod} was deleted {times} times"

    def _end(self) -> State:
        return self.ends.original if self.case.goes_back else self.ends.migrated

    def _differs_from(self, expected: State) -> list[str]:
        def differs() -> list[str]:
            judge = taken_back if expected is self.ends.original else difference
            return judge(expected, self.patient.state())

        return settled(differs)

    def _unread(self) -> list[str]:
        """Claims to whose disks nobody writes through the volume that they have now."""
        return [
            f"{claim.claim}: no record on its disk came through {claim.new_volume}"
            for claim in self.patient.trial.report().claims
            if not claim.judgement.by_volume.get(claim.new_volume)
            or (claim.moved and not claim.chain_crosses and not self._went_there_and_back())
        ]

    def _went_there_and_back(self) -> bool:
        """Then a chain may cross more than once."""
        return any(stage.command == "rollback" for stage in self.case.stages)


def _asked_to_go(run: StageRun) -> list[str]:
    """The pods that it deleted, each as often."""
    return [sent.name for sent in run.meter.of("w") if _ends(sent)]


def _given_back(run: StageRun) -> set[str]:
    """The pods that it says it has deleted for nothing, as what struck it may have had it do."""
    if run.meter.struck is None:
        return set()
    return set(_asked_to_go(run)).intersection(_GIVEN_BACK.findall(run.run.stderr))


def _only_stopped(run: StageRun) -> set[str]:
    """The pods that a killed run stopped and no more: of several, the set makes some again.

    What it died of may never have come.
    """
    if not run.was_killed:
        return set()
    came = [sent for sent in run.meter.of("w") if sent != run.meter.struck]
    claims = [sent.name for sent in came if sent.resource == "persistentvolumeclaims"]
    stopped = {sent.name for sent in came if _ends(sent)}
    return {pod for pod in stopped if not any(claim.endswith(f"-{pod}") for claim in claims)}


def _ends(sent: Signature) -> bool:
    """Whether it takes a pod away."""
    return (sent.verb, sent.resource) == ("delete", "pods")

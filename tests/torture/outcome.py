"""What became of a case, for people and for the record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tests.lab.labkit import ToolRun
from tests.torture.case import Case, Stage
from tests.torture.meter import Meter

KILLED = -9


class Verdict(StrEnum):
    """`partly`: up to a command that the tool does not have, nothing was wrong.

    `not-reached`: all went well, but a run ended before the request that was to be
    struck; how often claims are touched and objects looked at is a matter of time.
    """

    PASSED = "passed"
    FAILED = "failed"
    PARTLY = "partly"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True, slots=True)
class StageRun:
    """A run of the tool within a case, and what it asked for."""

    stage: Stage
    run: ToolRun
    meter: Meter

    @property
    def exit_code(self) -> int:
        return self.run.exit_code

    @property
    def was_killed(self) -> bool:
        """Whether it died of its strike."""
        return self.meter.struck is not None and self.exit_code == KILLED

    def facts(self) -> dict[str, Any]:
        """For the record."""
        return {
            "stage": str(self.stage),
            "exit_code": self.exit_code,
            "struck": str(self.meter.struck or ""),
            "writes": len(self.meter.of("w")),
            "reads": len(self.meter.of("r")),
            "calls": len(self.meter.of("c")),
            "seconds": round(self.run.seconds, 1),
        }

    def account(self) -> str:
        """Everything that it said and asked for, for a person who looks into a failure."""
        asked = [f"w{number} {each}" for number, each in enumerate(self.meter.of("w"), 1)]
        return "\n".join([f"=== {self.stage}", str(self.run), "--- writes", *asked])


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished case.

    Attributes:
        stages: `StageRun.facts` of each run.
        seconds: of the whole case, with making the StatefulSet and clearing up.
        account: of a failed case, what each run said and wrote.
        failed_at_first: the problems of an earlier try that failed.
    """

    case: str
    verdict: Verdict
    kills: bool
    problems: list[str] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    account: list[str] = field(default_factory=list)
    failed_at_first: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def line(self) -> str:
        """For the terminal."""
        struck = " + ".join(stage["struck"] for stage in self.stages if stage["struck"])
        codes = ",".join(str(stage["exit_code"]) for stage in self.stages)
        head = f"{self.verdict:11} {self.seconds:5.1f} s  {self.case}  [{struck}] exit {codes}"
        before = [f"failed at first: {problem}" for problem in self.failed_at_first]
        return "\n".join([head, *(f"    {each}" for each in (*self.problems, *before))])


def verdict_of(case: Case, done: list[StageRun], problems: list[str], *, untried: bool) -> Verdict:
    """From what went wrong, if anything, and what was tried at all."""
    if problems:
        return Verdict.FAILED
    if untried:
        return Verdict.PARTLY
    wanted = [stage for stage in case.stages if stage.strike]
    struck = [one for one in done if one.stage.strike and one.meter.struck]
    return Verdict.PASSED if len(struck) == len(wanted) else Verdict.NOT_REACHED

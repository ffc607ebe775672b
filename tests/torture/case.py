"""A case: which commands are run one after the other, and what strikes each of them.

Its name says it all and can be given back to the command line:
`one:all@w7=kill-before,rollback@w3=kill-forwarded,resume` kills the migration of
the scenario `one` before its 7th write, then the rollback after its 3rd write,
and lets `resume` finish. `rollback-2` is `rollback --replica 2`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tests.torture.fault import Fault
from tests.torture.signature import Kind

Command = Literal["all", "resume", "rollback"]

_STAGE = re.compile(r"(all|resume|rollback)(?:(?<=back)-(\d+))?(?:@([wrctv])([1-9]\d*)=([\w-]+))?")


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault, at the `number`-th request of this kind in a run."""

    kind: Kind
    number: int
    fault: Fault

    def __str__(self) -> str:
        return f"{self.kind}{self.number}={self.fault.value}"


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the tool; a rollback may be of the replica with one ordinal only."""

    command: Command
    strike: Strike | None = None
    replica: int | None = None

    def __str__(self) -> str:
        words = self.command if self.replica is None else f"{self.command}-{self.replica}"
        return f"{words}@{self.strike}" if self.strike else words

    @property
    def goes_back(self) -> bool:
        """Whether it takes the whole set back."""
        return self.command == "rollback" and self.replica is None


@dataclass(frozen=True, slots=True)
class Case:
    """Runs of the tool on one fresh StatefulSet."""

    scenario: str
    stages: tuple[Stage, ...]

    def __str__(self) -> str:
        return f"{self.scenario}:{','.join(map(str, self.stages))}"

    @property
    def kills(self) -> bool:
        """Whether it counts as a crash point, and not as a fault survived."""
        return any(stage.strike and stage.strike.fault.is_kill for stage in self.stages)

    @property
    def goes_back(self) -> bool:
        """Whether the set must be as it was at the beginning when all is over."""
        return self.stages[-1].goes_back


def parse(name: str) -> Case:
    """The case of that name. Raises ValueError for what is none."""
    scenario, _, stages = name.partition(":")
    if not scenario or not stages.startswith("all"):
        raise ValueError(f"{name!r} is not SCENARIO:all[@STRIKE][,COMMAND[@STRIKE]…]")
    return Case(scenario, tuple(map(_stage, stages.split(","))))


def _stage(text: str) -> Stage:
    found = _STAGE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not COMMAND[-REPLICA][@(w|r|c|t|v)NUMBER=FAULT]")
    command, replica, kind, number, fault = found.groups()
    # The pattern knows the kinds and the commands.
    strike = Strike(kind, int(number), Fault(fault)) if kind else None  # type: ignore[arg-type]
    return Stage(command, strike, int(replica) if replica else None)  # type: ignore[arg-type]

"""What was found so far: kept beside the JSON, so that a second run goes on from it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lab.layout import REPOSITORY
from tests.torture.baseline import Baseline, from_record
from tests.torture.outcome import Outcome, Verdict


def commit() -> str:
    """The commit that is tried; with changes on top, nothing can be said of a second run."""
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--match=-")


def tool() -> str:
    """What is tried: the tool's sources and libraries, whatever else a commit has changed."""
    parts = ("src", "requirements.txt")
    changed = _git("status", "--porcelain", "--", *parts)
    trees = (_git("rev-parse", "--short=12", f"HEAD:{part}") for part in parts)
    return "-".join([*trees, *(["dirty"] if changed else [])])


def _git(*arguments: str) -> str:
    asked = ["git", *arguments]
    return subprocess.run(
        asked, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()


class Ledger:
    """Baselines and outcomes of one state of the tool. Safe to share between threads."""

    def __init__(self, path: Path, tool: str) -> None:
        self._path, self._tool = path, tool
        self._lock = threading.Lock()
        self.outcomes: dict[str, Outcome] = {}
        self.baselines: dict[str, Baseline] = {}
        if path.exists() and not tool.endswith("-dirty"):
            self._read()

    def add(self, outcome: Outcome) -> None:
        """Keep it, at once."""
        with self._lock:
            self.outcomes[outcome.case] = outcome
            self._append({"outcome": outcome.record()})

    def learn(self, baselines: Iterable[Baseline]) -> None:
        """Keep those that are new."""
        for each in baselines:
            if each.scenario not in self.baselines:
                self.baselines[each.scenario] = each
                self._append({"baseline": each.record()})

    def _append(self, record: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({"tool": self._tool, **record}) + "\n")

    def _read(self) -> None:
        for line in self._path.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # cut off when the last run was killed
            if record.get("tool") == self._tool:
                self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        if "baseline" in record:
            found = from_record(record["baseline"])
            self.baselines[found.scenario] = found
            return
        outcome = Outcome(**record["outcome"])
        # What failed is tried again: that is why people start a second run.
        if outcome.verdict != Verdict.FAILED:
            self.outcomes[outcome.case] = outcome


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The last lines: crash points and faults, each survived of reached."""
    reached = [one for one in outcomes if one.verdict in (Verdict.PASSED, Verdict.FAILED)]
    lines = [
        f"{words}: {sum(one.verdict == Verdict.PASSED for one in some)}/{len(some)}"
        for words, some in (
            ("crash points", [one for one in reached if one.kills]),
            ("faults survived", [one for one in reached if not one.kills]),
        )
    ]
    rest = Counter(str(one.verdict) for one in outcomes if one not in reached)
    return [*lines, *(f"{verdict}: {number}" for verdict, number in sorted(rest.items()))]


def reproducing(outcome: Outcome) -> str:
    """The command that tries this case again."""
    return f"make torture CASE={outcome.case}"


def write_json(path: Path, seed: str, outcomes: Sequence[Outcome]) -> None:
    """Everything, whole or not at all."""
    content = {
        "commit": commit(),
        "tool": tool(),
        "seed": seed,
        "summary": summary(outcomes),
        "cases": [one.record() for one in outcomes],
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(path)

"""What was found so far: kept beside the JSON, so that a second run goes on from it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.layout import REPOSITORY
from tests.torture.baseline import Baseline, from_record
from tests.torture.outcome import Outcome, Verdict

TOOL = ("src", "requirements.txt")
JUDGE = (
    "lab",
    "tests/torture",
    *(f"tests/lab/{name}.py" for name in ("labkit", "proxy", "soap", "vcenter_proxy", "world")),
)


def commit() -> str:
    """The commit that is tried; with changes on top, nothing can be said of a second run."""
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--match=-")


def tool() -> str:
    """What is tried: the tool's sources and libraries, whatever else a commit has changed."""
    trees = (_git("rev-parse", "--short=12", f"HEAD:{part}") for part in TOOL)
    return "-".join([*trees, *_dirty(*TOOL)])


def judge() -> str:
    """Who judges: the torture, the lab, and the parts of its tests that both are made of."""
    trees = hashlib.sha256(_git("ls-tree", "HEAD", "--", *JUDGE).encode())
    return "-".join([trees.hexdigest()[:12], *_dirty(*JUDGE)])


def _dirty(*parts: str) -> list[str]:
    return ["dirty"] if _git("status", "--porcelain", "--", *parts) else []


def _git(*arguments: str) -> str:
    asked = ["git", *arguments]
    return subprocess.run(
        asked, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()


class Ledger:
    """Baselines and outcomes of one state of the tool and of its judge. Safe to share between
    threads.
    """

    def __init__(self, path: Path, tool: str, judge: str) -> None:
        self._path, self._key = path, {"tool": tool, "judge": judge}
        self._lock = threading.Lock()
        self._failures: dict[str, list[str]] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.baselines: dict[str, Baseline] = {}
        if path.exists() and not any(each.endswith("-dirty") for each in (tool, judge)):
            self._read()

    def add(self, outcome: Outcome) -> Outcome:
        """Keep it, at once, with what was wrong when the case was tried before."""
        with self._lock:
            told = replace(outcome, failed_at_first=self._failures.get(outcome.case, []))
            self.outcomes[told.case] = told
            self._append({"outcome": told.record()})
        return told

    def learn(self, baselines: Iterable[Baseline]) -> None:
        """Keep those that are new."""
        for each in baselines:
            if each.scenario not in self.baselines:
                self.baselines[each.scenario] = each
                self._append({"baseline": each.record()})

    def _append(self, record: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({**self._key, **record}) + "\n")

    def _read(self) -> None:
        for line in self._path.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # cut off when the last run was killed
            if record.items() >= self._key.items():
                self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        if "baseline" in record:
            found = from_record(record["baseline"])
            self.baselines[found.scenario] = found
            return
        outcome = Outcome(**record["outcome"])
        # What failed is tried again: that is why people start a second run. It is not forgotten.
        if outcome.verdict == Verdict.FAILED:
            self._failures.setdefault(outcome.case, outcome.problems)
        else:
            self.outcomes[outcome.case] = outcome


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The last lines: crash points and faults, each survived of reached, and how many of the
    cases that now pass had failed before.
    """
    reached = [one for one in outcomes if one.verdict in (Verdict.PASSED, Verdict.FAILED)]
    lines = [
        f"{words}: {sum(one.verdict == Verdict.PASSED for one in some)}/{len(some)}"
        for words, some in (
            ("crash points", [one for one in reached if one.kills]),
            ("faults survived", [one for one in reached if not one.kills]),
        )
    ]
    rest = Counter(str(one.verdict) for one in outcomes if one not in reached)
    rest["failed at first"] = sum(bool(one.failed_at_first) for one in outcomes)
    rest += Counter()  # without those that there are none of
    return [*lines, *(f"{verdict}: {number}" for verdict, number in sorted(rest.items()))]


def reproducing(outcome: Outcome) -> str:
    """The command that tries this case again."""
    return f"make torture CASE={outcome.case}"


def write_json(path: Path, seed: str, outcomes: Sequence[Outcome]) -> None:
    """Everything, whole or not at all."""
    content = {
        "commit": commit(),
        "tool": tool(),
        "judge": judge(),
        "seed": seed,
        "summary": summary(outcomes),
        "cases": [one.record() for one in outcomes],
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(path)

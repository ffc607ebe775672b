"""Counts API calls in the lab's audit logs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.away import Span
from lab.layout import CLUSTERS, Layout
from lab.vcenter import ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        api: `user`, `admin` or `vcenter`.
        verb: Kubernetes' verb, or vCenter's method.
        resource: what the verb is said of, see `words`; vCenter's methods have none.
    """

    at: float
    api: str
    verb: str
    resource: str = ""

    @property
    def kind(self) -> str:
        """API, verb and resource."""
        return f"{self.api}: {self.verb} {self.resource}".rstrip()


class CallLog:
    """What one user asks the API servers from now on, and vCenter's administrator vCenter.

    The driver has an account of its own at vCenter, so the tool and the runbook are given the
    administrator's: its calls are theirs, for nobody else makes any meanwhile.
    """

    def __init__(self, layout: Layout, user: str) -> None:
        self._user = user
        self._logs = {cluster: _Tail(layout.audit_log(cluster)) for cluster in CLUSTERS}
        self._vcenter = _Tail(layout.vcenter / "calls.jsonl")

    def calls(self) -> list[Call]:
        """Everything since the last call of this, or since the beginning."""
        asked = [call for api, tail in self._logs.items() for call in self._kubernetes(api, tail)]
        return [*asked, *vcenter_calls(self._vcenter.lines())]

    def _kubernetes(self, api: str, tail: _Tail) -> list[Call]:
        mark = f'"username":"{self._user}"'
        return kubernetes_calls(api, (line for line in tail.lines() if mark in line), self._user)


def kubernetes_calls(api: str, lines: Iterator[str] | Sequence[str], user: str) -> list[Call]:
    """One for each request of the user; a watch is written down twice and counts once."""
    found: dict[str, Call] = {}
    for entry in map(json.loads, lines):
        if entry["user"]["username"] == user:
            at = _time(entry["requestReceivedTimestamp"])
            call = Call(at, api, entry["verb"], resource(entry))
            found.setdefault(entry["auditID"], call)
    return list(found.values())


def resource(entry: dict[str, Any]) -> str:
    """What an audit log's entry is about; a list's further pages and dry-runs are told apart."""
    address = str(entry["requestURI"])
    named = entry.get("objectRef", {}).get("resource") or address
    further = ", next page" if "continue=" in address else ""
    return f"{named}{', dry run' if 'dryRun=All' in address else ''}{further}"


def vcenter_calls(lines: Iterator[str] | Sequence[str]) -> list[Call]:
    """The administrator's."""
    entries = map(json.loads, lines)
    return [
        Call(_time(entry["time"]), "vcenter", entry["method"])
        for entry in entries
        if entry["user"] == ADMINISTRATOR
    ]


def by_verb(calls: Sequence[Call]) -> dict[str, dict[str, int]]:
    """How often each verb of each API was used, the most frequent first."""
    counted: dict[str, Counter[str]] = {}
    for call in calls:
        counted.setdefault(call.api, Counter())[call.verb] += 1
    return {api: dict(counter.most_common()) for api, counter in counted.items()}


def within(calls: Sequence[Call], span: Span) -> list[Call]:
    """Those that were made in this time."""
    return [call for call in calls if span.began <= call.at < span.ended]


class _Tail:
    """What is added to a file from now on, whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def lines(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield line.decode()


def _time(text: Any) -> float:
    """Seconds since the epoch; nanoseconds are cut, as datetime knows none."""
    whole, _, rest = str(text).removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest or 0}")

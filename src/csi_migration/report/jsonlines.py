"""Events for machines: one JSON object a line on stdout."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Self, TextIO

from csi_migration.model.events import Event, Waiting
from csi_migration.report.heartbeat import Heartbeat
from csi_migration.report.style import timestamp

SCHEMA_VERSION = 1
"""Counted up when a member goes away or changes its meaning; new ones may come any time."""


class JsonLines:
    """A Reporter whose lines are an interface: `schemaVersion`, `time`, `type`, the event."""

    def __init__(self, out: TextIO, now: Callable[[], datetime]) -> None:
        self._out = out
        self._now = now
        self._heartbeat = Heartbeat()

    def event(self, event: Event) -> None:
        """Write the event, or leave out a Waiting that says nothing new."""
        if isinstance(event, Waiting) and not self._heartbeat.is_due(event):
            return
        content = {
            "schemaVersion": SCHEMA_VERSION,
            "time": timestamp(self._now(), "milliseconds"),
            "type": _kebab(type(event).__name__),
            **camel(asdict(event)),
        }
        self._out.write(json.dumps(content, ensure_ascii=False) + "\n")
        self._out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Every line is out already."""


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def camel(value: Any) -> Any:
    """The same value with the names of all members in camelCase."""
    match value:
        case dict():
            return {_camel_name(key): camel(item) for key, item in value.items()}
        case list() | tuple():
            return [camel(item) for item in value]
        case _:
            return value


def _camel_name(name: str) -> str:
    return re.sub(r"_(.)", lambda found: found[1].upper(), name)

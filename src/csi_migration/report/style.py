"""When to use colours and which, and how times are said."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TextIO

Colour = Literal["auto", "always", "never"]


def is_terminal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the stream is a terminal on which lines can be drawn anew."""
    return stream.isatty() and environment.get("TERM") != "dumb"


def use_colour(stream: TextIO, choice: Colour, environment: Mapping[str, str]) -> bool:
    """Whether to colour what goes to this stream.

    An explicit choice wins; then NO_COLOR (no-color.org), then FORCE_COLOR, each
    only when not empty; then whether it is a terminal.
    """
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    return bool(environment.get("FORCE_COLOR")) or is_terminal(stream, environment)


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text by what it means, or leaves it as it is when `on` is False."""

    on: bool = False

    def good(self, text: str) -> str:
        """Something is as it should be."""
        return self._painted(text, "32")

    def warning(self, text: str) -> str:
        """Someone should know."""
        return self._painted(text, "33")

    def bad(self, text: str) -> str:
        """Someone must act."""
        return self._painted(text, "31")

    def strong(self, text: str) -> str:
        """A heading."""
        return self._painted(text, "1")

    def _painted(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.on else text


def duration(seconds: float) -> str:
    """A duration for people, to three digits or so: `6.4 s`, `42 s`, `2 min 5 s`, `1 h 3 min`."""
    if round(seconds, 1) < 10:  # noqa: PLR2004  below, tenths are worth saying
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def timestamp(moment: datetime, precision: str = "seconds") -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def can_encode(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has these characters."""
    try:
        text.encode(stream.encoding or sys.getdefaultencoding())
    except UnicodeEncodeError:
        return False
    return True

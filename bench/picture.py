"""A timeline as SVG, one bar a replica, so that one sees where the time goes: pure.

What whoever migrates takes has a black border; the rest of an absence are waits for the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from bench.away import OWN_PHASES, PHASES, Absence, Span
from bench.bed import Run

COLOURS = {
    "Ready": "#9bc99b",
    "terminating": "#d9a05b",
    "detaching": "#c96a5a",
    "converting": "#7d6bb3",
    "unregistering": "#b9a5d6",
    "binding": "#c7589c",
    "creating": "#444fa8",
    "starting": "#5a8fc9",
    "no StatefulSet": "#555555",
}
BORDER = "black border: the tool's or the runbook's own; without: the cluster's"
_LEFT, _WIDTH, _RIGHT = 110, 900, 70
_BAR, _ROW, _HEAD = 14, 20, 34
_MARKS, _STEPS = 12, (1, 2, 5, 10, 20, 50, 100, 200, 500)


def picture(runs: Mapping[str, Run]) -> str:
    """The runs below each other, on one scale of seconds."""
    longest = max((run.span.seconds for run in runs.values()), default=1)
    scale = _WIDTH / longest
    body = [_legend()]
    top = _HEAD + 16
    for method, run in runs.items():
        body += _section(method, run, top, scale)
        top += _HEAD + _ROW * (len(run.workload.pod_names) + 1)
    body += _axis(longest, scale, top)
    return _document(_LEFT + _WIDTH + _RIGHT, top + _HEAD, body)


def _section(method: str, run: Run, top: int, scale: float) -> list[str]:
    title = f"{method}: {run.span.seconds:.1f} s in all"
    parts = [_text(4, top + 18, title, weight="bold")]
    top += _HEAD - 6
    parts.append(_text(_LEFT - 8, top + 11, "StatefulSet", anchor="end"))
    parts += [_bar(window, run.span, top, scale, "no StatefulSet") for window in run.windows]
    for number, pod in enumerate(reversed(run.workload.pod_names), start=1):
        mine = [absence for absence in run.absences if absence.pod == pod]
        parts += _replica(pod, mine, run.span, top + number * _ROW, scale)
    return parts


def _replica(
    pod: str, absences: Sequence[Absence], whole: Span, top: int, scale: float
) -> list[str]:
    parts = [_text(_LEFT - 8, top + 11, pod, anchor="end"), _bar(whole, whole, top, scale, "Ready")]
    for absence in absences:
        parts += [
            _bar(span, whole, top, scale, phase)
            for phase, span in zip(PHASES, absence.phases, strict=True)
            if span.seconds
        ]
    seconds = sum(absence.seconds for absence in absences)
    end = _LEFT + whole.seconds * scale + 6
    return [*parts, _text(end, top + 11, f"{seconds:.1f} s")]


def _bar(span: Span, whole: Span, top: int, scale: float, what: str) -> str:
    left = _LEFT + (span.began - whole.began) * scale
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{span.seconds * scale:.1f}" height="{_BAR}"'
        f' fill="{COLOURS[what]}"{_border(what)}><title>{what} {span.seconds:.2f} s</title></rect>'
    )


def _border(what: str) -> str:
    return ' stroke="black"' if what in OWN_PHASES else ""


def _legend() -> str:
    parts, left = [], 4
    for what, colour in COLOURS.items():
        place = f'x="{left}" y="10" width="{_BAR}" height="{_BAR}"'
        parts.append(f'<rect {place} fill="{colour}"{_border(what)}/>')
        parts.append(_text(left + _BAR + 4, 21, what))
        left += _BAR + 24 + 7 * len(what)
    parts.append(_text(4, 40, BORDER))
    return "\n".join(parts)


def _axis(longest: float, scale: float, top: int) -> list[str]:
    step = next((each for each in _STEPS if longest / each <= _MARKS), _STEPS[-1])
    seconds = range(0, int(longest) + 1, step)
    return [_text(_LEFT + each * scale, top + 18, f"{each} s", anchor="middle") for each in seconds]


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text {place} text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _document(width: int, height: int, body: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>\n"])

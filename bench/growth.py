"""Which calls a replica costs more in a larger set, or in a more crowded cluster: pure.

A wait that takes longer is polled more often, and that is no growth with the size: of each kind
of call only that counts which the longer turn does not account for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from bench.away import Span
from bench.bed import Run
from bench.calls import Call, within


@dataclass(frozen=True, slots=True)
class Turn:
    """From a replica's going to the next one's, or for the last to the end of the run."""

    pod: str
    span: Span
    calls: list[Call]
    is_last: bool


@dataclass(frozen=True, slots=True)
class PerReplica:
    """Medians of turns: the seconds, and the calls by their kind."""

    seconds: float
    calls: Mapping[str, float]

    @property
    def all_calls(self) -> float:
        return sum(self.calls.values())


def turns(run: Run) -> list[Turn]:
    """Of a run that has one replica away at a time."""
    begins = [absence.span.began for absence in run.absences]
    spans = [Span(*pair) for pair in pairwise([*begins, run.span.ended])]
    return [
        Turn(absence.pod, span, within(run.calls, span), number == len(spans))
        for number, (absence, span) in enumerate(zip(run.absences, spans, strict=True), start=1)
    ]


def per_replica(runs: Sequence[Run]) -> PerReplica | None:
    """Without the last replica of each run, in whose turn the run is brought to its end.

    None when no set had two replicas.
    """
    found = [turn for run in runs for turn in turns(run) if not turn.is_last]
    if not found:
        return None
    counted = [Counter(call.kind for call in turn.calls) for turn in found]
    kinds = sorted(set().union(*counted))
    return PerReplica(
        median(turn.span.seconds for turn in found),
        {kind: median(each[kind] for each in counted) for kind in kinds},
    )


def growth(small: PerReplica, large: PerReplica) -> dict[str, int]:
    """Whole calls of each kind beyond what the longer turn accounts for."""
    longer = max(1.0, large.seconds / small.seconds)
    more = {
        kind: int(calls - longer * small.calls.get(kind, 0)) for kind, calls in large.calls.items()
    }
    return {kind: calls for kind, calls in more.items() if calls > 0}

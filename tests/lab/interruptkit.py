"""Hands on a tool that runs: what it has said so far, and what is put in its way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lab import processes
from lab.client import suppress_not_found
from lab.waiting import until
from tests.lab.labkit import Lab, Running, Trial

HOLD = "example.com/hold"
PROVISIONER = "external-provisioner-user"
# Its pod's way to a node may take one of the scheduler's minutes (lab/waiting.py).
LONGEST_SWAP_SECONDS = 300
QUICK = ("--soak-seconds", "0")


def said(tool: Running) -> str:
    """What it has said on stderr so far, on one line.

    Read without moving the offset, which the tool's own writing shares.
    """
    text = os.pread(tool.stderr.fileno(), 1 << 22, 0).decode(errors="replace")
    return " ".join(text.split())


def await_words(tool: Running, words: str, seconds: float = LONGEST_SWAP_SECONDS) -> None:
    """Wait until the tool has said `words`; not longer than it lives."""

    def seen() -> bool:
        ended = tool.process.poll() is not None
        if words in said(tool):
            return True
        assert not ended, f"ended with {tool.process.returncode} before {words!r}: {said(tool)}"
        return False

    until(f"the tool says {words!r}; it said: {said(tool)}", seen, seconds)


@contextmanager
def started(trial: Trial, *extra: str) -> Iterator[Running]:
    """`rolling-migration all`, not left running when the test ends."""
    with _ended(trial.start(*extra)) as tool:
        yield tool


@contextmanager
def taken_up(trial: Trial, command: str, *extra: str) -> Iterator[Running]:
    """`resume` or `rollback`, not left running when the test ends."""
    with _ended(trial.take_up(command, *extra)) as tool:
        yield tool


@contextmanager
def _ended(tool: Running) -> Iterator[Running]:
    try:
        yield tool
    finally:
        if tool.process.poll() is None:
            tool.process.kill()
            tool.process.wait()
        tool.stdout.close()
        tool.stderr.close()


@contextmanager
def begun(trial: Trial, *extra: str) -> Iterator[Running]:
    """A run that has passed preflight and stands right before its first swap.

    It waits for the provisioner, which hangs until `held` has put something in
    the run's way.
    """
    with paused(trial.lab, PROVISIONER), started(trial, *extra) as tool:
        await_words(tool, "retain: waiting")
        yield tool


@contextmanager
def paused(lab: Lab, part: str) -> Iterator[None]:
    """A part hangs."""
    lab.pause(part)
    try:
        yield
    finally:
        lab.resume(part)


@contextmanager
def stopped(lab: Lab, part: str) -> Iterator[None]:
    """A part is down; it is up and ready again when the `with` block has ended."""
    processes.stop([lab.facts.part(part)])
    try:
        yield
    finally:
        lab.restart(part)


@contextmanager
def held(trial: Trial, kind: str, name: str) -> Iterator[None]:
    """The object can't go: somebody's finalizer is on it. A run that has `begun` goes on."""
    found = trial.cluster.get(kind, name, trial.workload.namespace)
    kept = found["metadata"].get("finalizers") or []
    _finalizers(trial, kind, name, [*kept, HOLD])
    trial.lab.resume(PROVISIONER)
    try:
        yield
    finally:
        with suppress_not_found():
            now = trial.cluster.get(kind, name, trial.workload.namespace)
            left = [each for each in now["metadata"].get("finalizers") or [] if each != HOLD]
            _finalizers(trial, kind, name, left)


def _finalizers(trial: Trial, kind: str, name: str, finalizers: list[str]) -> None:
    patch = {"metadata": {"finalizers": finalizers}}
    trial.cluster.patch(kind, name, patch, trial.workload.namespace)


def volume_sources(trial: Trial) -> dict[str, str]:
    """What each claim of the set stands on: `in-tree` or `CSI`; absent claims are left out."""
    return {
        claim: "CSI" if "csi" in volume["spec"] else "in-tree"
        for claim, volume in trial.volumes().items()
    }


def policies(trial: Trial) -> set[str]:
    """The reclaim policies of the volumes that the set's claims hold."""
    found = trial.volumes().values()
    return {volume["spec"]["persistentVolumeReclaimPolicy"] for volume in found}


def bring_to(end: str, made: Trial) -> None:
    """The way on (`resume`) or the way back (`rollback`) of what was stopped, to its end."""
    run = made.resume() if end == "resume" else made.rollback()
    assert run.exit_code == 0, str(run)
    made.assert_migrated() if end == "resume" else made.assert_taken_back()


def assert_nothing_lost(trial: Trial) -> None:
    """Whatever the state: every byte is there, and one writer wrote it."""
    assert trial.report().problems() == []

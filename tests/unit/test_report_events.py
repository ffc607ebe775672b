from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from csi_migration.model.events import (
    Event,
    Notice,
    ReplicaDone,
    RunEnded,
    RunStarted,
    StepDone,
    StepStarted,
    VolumeMoved,
    Waiting,
)
from csi_migration.report.heartbeat import Heartbeat
from csi_migration.report.jsonlines import JsonLines
from csi_migration.report.plain import PlainLines
from csi_migration.report.reporter import reporter_for
from csi_migration.report.style import Paint
from csi_migration.report.terminal import TerminalView

MOVED = VolumeMoved("data-web-1", "pvc-1", "csi-1", "fcd-1", "[ds] kubevols/1.vmdk")
STARTED = RunStarted("shop", "web", "replica", ("web-1", "web-0"), "/backup")
IN_USE = "node-1 still reports the volume in use"
RUN: tuple[Event, ...] = (
    STARTED,
    StepStarted("", "open-window", "Delete the StatefulSet, keep its pods"),
    StepDone("", "open-window", "", 0.31),
    StepStarted("web-1", "delete-pod", "Delete the pod"),
    Waiting("web-1", "detached", IN_USE, 0.0, 300.0),
    Waiting("web-1", "detached", IN_USE, 12.0, 300.0),
    StepDone("web-1", "detached", "no VM holds the disk", 12.5),
    Notice("warning", "its event was missed; asking for a full sync", "web-1"),
    Notice("info", "the budget leaves room for one"),
    ReplicaDone("web-1", (MOVED,), 21.4),
    RunEnded(5, "Stopped before web-0.", "web-1 is on CSI, web-0 in-tree.", "Run it again.", 33.0),
)
TABLE = (
    "REPLICA   CLAIM        OLD-VOLUME   NEW-VOLUME   FCD     AWAY\n"
    "web-1     data-web-1   pvc-1        csi-1        fcd-1   21.4s\n"
)


class Clock:
    """A second passes with each look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 20, 9, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_plain_lines_say_when_where_and_what() -> None:
    out, err = io.StringIO(), io.StringIO()
    with PlainLines(out, err, Clock(), Paint()) as reporter:
        for event in RUN:
            reporter.event(event)

    assert err.getvalue() == (
        "2026-11-22T20:10:00Z StatefulSet shop/web, window replica, replicas web-1, web-0; "
        "backup in /backup\n"
        "2026-11-22T20:10:01Z open-window: Delete the StatefulSet, keep its pods\n"
        "2026-11-22T20:10:02Z open-window: done in 0.3 s\n"
        "2026-11-22T20:10:03Z web-1 delete-pod: Delete the pod\n"
        "2026-11-22T20:10:04Z web-1 detached: waiting 0 s of at most 300 s: "
        "node-1 still reports the volume in use\n"
        "2026-11-22T20:10:05Z web-1 detached: done in 12 s: no VM holds the disk\n"
        "2026-11-22T20:10:06Z web-1: warning: its event was missed; asking for a full sync\n"
        "2026-11-22T20:10:07Z the budget leaves room for one\n"
        "2026-11-22T20:10:08Z web-1: done, 1 volume on CSI, away for 21 s\n"
        "2026-11-22T20:10:09Z Stopped before web-0. (33 s)\n"
        "  State: web-1 is on CSI, web-0 in-tree.\n"
        "  Next:  Run it again.\n"
    )
    assert out.getvalue() == TABLE


def test_json_lines_carry_schema_time_type_and_the_event() -> None:
    out = io.StringIO()
    with JsonLines(out, Clock()) as reporter:
        for event in RUN:
            reporter.event(event)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]

    assert [line["type"] for line in lines] == [
        "run-started",
        "step-started",
        "step-done",
        "step-started",
        "waiting",
        "step-done",
        "notice",
        "notice",
        "replica-done",
        "run-ended",
    ]
    assert lines[8] == {
        "schemaVersion": 1,
        "time": "2026-11-22T20:10:08.000Z",
        "type": "replica-done",
        "replica": "web-1",
        "volumes": [
            {
                "claim": "data-web-1",
                "oldVolume": "pvc-1",
                "newVolume": "csi-1",
                "diskId": "fcd-1",
                "diskPath": "[ds] kubevols/1.vmdk",
            }
        ],
        "secondsAway": 21.4,
        "side": "CSI",
    }


@pytest.mark.parametrize(
    ("events", "due"),
    [
        ([("a", 0.0), ("a", 1.0), ("a", 29.9)], [True, False, False]),
        ([("a", 0.0), ("a", 30.0), ("a", 59.0), ("a", 60.0)], [True, True, False, True]),
        ([("a", 0.0), ("b", 1.0), ("a", 2.0)], [True, True, True]),
        ([("a", 40.0), ("a", 0.0)], [True, True]),
    ],
    ids=["first sight", "each 30 s", "new reason", "a new wait of the same kind"],
)
def test_a_wait_is_told_at(events: list[tuple[str, float]], due: list[bool]) -> None:
    heartbeat = Heartbeat()

    assert [heartbeat.is_due(Waiting("r", "s", why, at, 60)) for why, at in events] == due


class Stopwatch:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def drawing(events: tuple[Event, ...], *, later: float = 0.0, encoding: str = "utf-8") -> str:
    """What a terminal of 80 columns shows some time after the events."""
    watch = Stopwatch()
    err = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    view = TerminalView(io.StringIO(), err, watch, Paint())
    for event in events:
        view.event(event)
    watch.seconds += later
    picture = io.StringIO()
    Console(file=picture, width=80, force_terminal=False).print(view.drawing())
    return "".join(f"{line.rstrip()}\n" for line in picture.getvalue().splitlines())


def test_the_terminal_has_one_line_a_replica() -> None:
    assert drawing(RUN[:1]) == "·  web\n·  web-1\n·  web-0\n"


def test_a_step_shows_how_long_it_is_taking() -> None:
    assert drawing((STARTED, *RUN[3:4]), later=65.0) == (
        "·  web\n▸  web-1  Delete the pod" + " " * 47 + "1 min 5 s\n·  web-0\n"
    )


def test_a_wait_shows_its_reason_and_time_out_and_its_clock_runs_on() -> None:
    assert drawing((STARTED, *RUN[3:6]), later=2.0) == (
        "·  web\n"
        "◦  web-1  waiting: node-1 still reports the volume in use       14 s / 5 min 0 s\n"
        "·  web-0\n"
    )


def test_a_long_reason_is_cut_to_the_line() -> None:
    event = Waiting("web-1", "ready", "x" * 200, 1.0, 600.0)

    lines = drawing((STARTED, event)).splitlines()

    assert [len(line) for line in lines] == [6, 80, 8]
    assert "…" in lines[1]


def test_a_replica_that_is_done_says_how_long_it_was_away() -> None:
    assert drawing((STARTED, *RUN[3:4], RUN[9])) == (
        "·  web\n✓  web-1  1 volume on CSI, away for 21 s\n·  web-0\n"
    )


def test_a_run_that_stops_marks_the_replica_in_hand() -> None:
    assert drawing((STARTED, *RUN[3:4], RUN[10])) == "·  web\n✗  web-1  Delete the pod\n·  web-0\n"


def test_a_step_of_the_whole_run_stands_beside_the_set_until_it_is_done() -> None:
    assert "▸  web    Delete the StatefulSet" in drawing(RUN[:2])
    assert drawing(RUN[:3]) == drawing(RUN[:1])


def test_a_terminal_without_unicode_gets_plain_symbols() -> None:
    assert drawing((STARTED, *RUN[3:4], RUN[9]), encoding="ascii") == (
        "   web\n+  web-1  1 volume on CSI, away for 21 s\n   web-0\n"
    )


SCRIPT = """
import os, sys
from csi_migration.model.events import *
from csi_migration.report.reporter import reporter_for
moved = VolumeMoved("data-web-0", "pvc-1", "csi-1", "fcd-1", "[ds] 1.vmdk")
with reporter_for("text", sys.stdout, sys.stderr, environment=os.environ) as reporter:
    reporter.event(RunStarted("shop", "web", "replica", ("web-0",), "/backup"))
    reporter.event(StepStarted("web-0", "delete-pod", "Delete the pod"))
    reporter.event(Notice("warning", "take care"))
    reporter.event(ReplicaDone("web-0", (moved,), 6.4))
    reporter.event(RunEnded(0, "Migrated.", "All on CSI.", "", 9.0))
print("rich" in sys.modules)
"""


def on_a_terminal(**environment: str) -> tuple[str, str]:
    """Run the script with a terminal as its stderr; what stdout and the terminal got."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={"TERM": "xterm", "COLUMNS": "80", "PYTHONUTF8": "1", **environment},
        check=True,
        timeout=30,
    )
    os.close(theirs)
    shown = b""
    while piece := _read(ours):
        shown += piece
    os.close(ours)
    return done.stdout.decode(), shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO is how a terminal says that the other side is gone
        return b""


def test_on_a_real_terminal_the_last_picture_and_the_ending_stay() -> None:
    out, shown = on_a_terminal()

    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "")
    assert out.endswith("6.4s\nTrue\n")
    assert "warning: take care\n" in text
    assert re.search(r"✓  web-0  1 volume on CSI, away for 6.4 s *\nMigrated. \(9.0 s\)\n", text)
    assert text.endswith("  State: All on CSI.\n")
    assert "\x1b[32mMigrated." in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # the cursor is given back


def test_no_color_on_a_terminal_draws_without_colours() -> None:
    _, shown = on_a_terminal(NO_COLOR="1")

    assert "✓" in shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown)


def test_a_dumb_terminal_gets_lines_and_does_not_load_the_drawing_library() -> None:
    out, shown = on_a_terminal(TERM="dumb")

    assert out.endswith("6.4s\nFalse\n")
    assert "\x1b" not in shown
    assert re.search(r"Z web-0 delete-pod: Delete the pod\r\n", shown)


def test_json_goes_to_stdout_alone() -> None:
    out, err = io.StringIO(), io.StringIO()
    with reporter_for("json", out, err, environment={}, now=Clock()) as reporter:
        reporter.event(RUN[2])

    assert json.loads(out.getvalue())["step"] == "open-window"
    assert err.getvalue() == ""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from csi_migration.model.errors import NeedsPerson, ToolError
from csi_migration.model.events import ReplicaDone, RunEnded, VolumeMoved
from csi_migration.model.finding import Finding, Severity
from csi_migration.report.errors import error_json, error_text
from csi_migration.report.findings import findings_json, findings_text
from csi_migration.report.plain import moved
from csi_migration.report.result import ending, result_table
from csi_migration.report.style import Colour, Paint, duration, timestamp, use_colour
from csi_migration.report.wrapping import labelled

DONE = [
    ReplicaDone(
        "web-1",
        (
            VolumeMoved("data-web-1", "pvc-11", "csi-11", "fcd-11", "[ds] kubevols/11.vmdk"),
            VolumeMoved("logs-web-1", "pvc-12", "csi-12", "fcd-12", "[ds] kubevols/12.vmdk"),
        ),
        6.44,
    ),
    ReplicaDone("web-0", (VolumeMoved("data-web-0", "pvc-1", "csi-1", "", "[ds] 1.vmdk"),), 11.0),
]
FINDINGS = [
    Finding("claims-bound", Severity.PASSED, "sts/web", "6 claims are bound"),
    Finding(
        "replicas-ready",
        Severity.BLOCKER,
        "pod/web-1",
        "not Ready for 4 min: container app is in CrashLoopBackOff",
        "Repair the replica first; a migration needs every other replica Ready while one is away.",
    ),
    Finding("budget", Severity.WARNING, "pdb/web", "allows no disruption", "Raise maxUnavailable."),
    Finding("reclaim", Severity.NOTE, "pv/pvc-1", "has Delete; it is Retain during the run"),
]


class Stream(io.StringIO):
    """A stream that claims to be a terminal, or not."""

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


def test_the_result_has_one_row_for_each_claim() -> None:
    assert result_table(DONE) == (
        "REPLICA   CLAIM        OLD-VOLUME   NEW-VOLUME   FCD      AWAY\n"
        "web-1     data-web-1   pvc-11       csi-11       fcd-11   6.4s\n"
        "web-1     logs-web-1   pvc-12       csi-12       fcd-12   6.4s\n"
        "web-0     data-web-0   pvc-1        csi-1        <none>   11.0s\n"
    )


def test_how_long_a_pod_was_away_that_another_run_stopped_is_not_said() -> None:
    (first, *_) = DONE
    assert "<none>" in result_table([replace(first, seconds_away=None)])
    assert moved(replace(first, seconds_away=None)) == "2 volumes on CSI"


def test_without_a_swap_there_is_no_table() -> None:
    assert result_table([]) == ""


def test_an_ending_says_state_and_next_step() -> None:
    event = RunEnded(5, "Stopped before web-0.", "web-1 is on CSI.", "Run it again.", 125.2)

    assert ending(event, Paint()) == (
        "Stopped before web-0. (2 min 5 s)\n  State: web-1 is on CSI.\n  Next:  Run it again.\n"
    )


def test_an_ending_leaves_out_what_there_is_nothing_to_say_about() -> None:
    assert ending(RunEnded(0, "Migrated.", "", "", 3.0), Paint(on=True)) == (
        "\033[32mMigrated.\033[0m (3.0 s)\n"
    )


def test_findings_stand_in_groups_with_the_heaviest_nearest_to_the_prompt() -> None:
    assert findings_text(FINDINGS) == (
        "Passed (1)\n"
        "  claims-bound\n"
        "\n"
        "Notes (1)\n"
        "  pv/pvc-1: has Delete; it is Retain during the run [reclaim]\n"
        "\n"
        "Warnings (1)\n"
        "  pdb/web: allows no disruption [budget]\n"
        "    To do: Raise maxUnavailable.\n"
        "\n"
        "Blockers (1)\n"
        "  pod/web-1: not Ready for 4 min: container app is in CrashLoopBackOff\n"
        "  [replicas-ready]\n"
        "    To do: Repair the replica first; a migration needs every other replica Ready\n"
        "           while one is away.\n"
        "\n"
        "Not ready to migrate: 1 blocker, 1 warning, 1 check passed.\n"
    )


def test_what_needs_acceptance_names_the_way_on_and_says_when_it_was_taken() -> None:
    gitops = Finding("gitops", Severity.NEEDS_ACCEPTANCE, "sts/web", "Flux manages it", "Pause it.")

    assert findings_text([gitops]) == (
        "To accept (1)\n"
        "  sts/web: Flux manages it [gitops]\n"
        "    To do: Pause it.\n"
        "    Or:    go on in spite of it with --accept gitops\n"
        "\n"
        "Not ready to migrate: no blockers, 1 to accept, no warnings, no checks passed.\n"
    )
    assert findings_text([replace(gitops, accepted=True)]) == (
        "To accept (1)\n"
        "  sts/web: Flux manages it [gitops, accepted]\n"
        "    To do: Pause it.\n"
        "\n"
        "Ready to migrate: no blockers, no warnings, no checks passed.\n"
    )


def test_the_same_thing_about_many_objects_is_said_once() -> None:
    many = [
        Finding("disks-found", Severity.BLOCKER, f"pvc/data-{n}", "not there", "", known=n > 8)
        for n in range(10, 110)
    ]

    assert "pvc/data-10, pvc/data-11, pvc/data-12 and 97 more: not there" in findings_text(many)


def test_without_blockers_it_is_ready_to_migrate() -> None:
    assert findings_text(FINDINGS[:1]) == (
        "Passed (1)\n"
        "  claims-bound\n"
        "\n"
        "Ready to migrate: no blockers, no warnings, 1 check passed.\n"
    )


def test_findings_for_machines_hold_everything_and_the_counts() -> None:
    told = json.loads(findings_json(FINDINGS[:2]))

    assert told == {
        "schemaVersion": 1,
        "type": "findings",
        "findings": [
            {
                "id": "claims-bound",
                "severity": "passed",
                "subject": "sts/web",
                "message": "6 claims are bound",
                "resolution": "",
                "known": True,
                "accepted": False,
            },
            {
                "id": "replicas-ready",
                "severity": "blocker",
                "subject": "pod/web-1",
                "message": FINDINGS[1].message,
                "resolution": FINDINGS[1].resolution,
                "known": True,
                "accepted": False,
            },
        ],
        "summary": {
            "blocker": 1,
            "needs acceptance": 0,
            "warning": 0,
            "note": 0,
            "passed": 1,
        },
        "ready": False,
    }


def test_an_error_says_what_happened_what_was_said_how_things_stand_and_what_to_do() -> None:
    error = NeedsPerson(
        "The claim data-web-0 in namespace shop is not the one that was backed up.",
        details="uid is 77\nuid was 12",
        state="The StatefulSet web is away; the disks are untouched.",
        resolution="Find out who made it: kubectl -n shop get pvc data-web-0 -o yaml",
    )

    assert error_text(error) == (
        "Error: The claim data-web-0 in namespace shop is not the one that was backed up.\n"
        "  Said:  uid is 77\n"
        "         uid was 12\n"
        "  State: The StatefulSet web is away; the disks are untouched.\n"
        "  To do: Find out who made it: kubectl -n shop get pvc data-web-0 -o yaml\n"
    )
    assert max(map(len, error_text(error, width=60).splitlines())) <= 60


def test_only_the_word_error_is_coloured() -> None:
    assert error_text(ToolError("No."), paint=Paint(on=True)) == "\033[31mError:\033[0m No.\n"


def test_an_error_for_machines_names_its_kind_and_exit_code() -> None:
    assert json.loads(error_json(NeedsPerson("No.", resolution="Look."))) == {
        "schemaVersion": 1,
        "type": "error",
        "error": "NeedsPerson",
        "exitCode": 6,
        "message": "No.",
        "details": "",
        "state": "",
        "resolution": "Look.",
    }


def test_a_long_word_stays_whole_and_line_breaks_are_kept() -> None:
    path = "/" + "x" * 30

    assert labelled("To do: ", f"see\n\n{path} there", width=20) == (
        f"To do: see\n\n       {path}\n       there\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3780, "1 h 3 min"),
    ],
)
def test_durations_are_rounded_to_what_matters(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_in_utc() -> None:
    moment = datetime.fromisoformat("2026-11-22T21:10:15.123456+01:00")

    assert timestamp(moment) == "2026-11-22T20:10:15Z"
    assert timestamp(datetime(2026, 11, 22, tzinfo=UTC), "milliseconds") == (
        "2026-11-22T00:00:00.000Z"
    )


@pytest.mark.parametrize(
    ("choice", "tty", "environment", "expected"),
    [
        ("auto", True, {"TERM": "xterm"}, True),
        ("auto", False, {"TERM": "xterm"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", False, {"FORCE_COLOR": "1"}, True),
        ("auto", False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colours_follow_the_choice_then_the_environment_then_the_stream(
    choice: Colour, tty: Any, environment: dict[str, str], expected: Any
) -> None:
    assert use_colour(Stream(tty=tty), choice, environment) is expected

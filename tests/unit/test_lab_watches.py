"""The lab knows from the audit log which watches a restart has ended, and which are back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.watches import Restart

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"
SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshots"
LONG_AGO = timedelta(minutes=1)


class AuditLog:
    """What an API server writes of its watches."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def begun(
        self, path: str, *, user: str = "kubelet", code: int = 200, ago: timedelta = LONG_AGO
    ) -> None:
        self._write("ResponseStarted", path, user, code, ago)

    def ended(self, path: str, *, code: int = 200, ago: timedelta = timedelta()) -> None:
        self._write("ResponseComplete", path, "kubelet", code, ago)

    def _write(self, stage: str, path: str, user: str, code: int, ago: timedelta) -> None:
        entry = {
            "stage": stage,
            "auditID": f"{user} {path}",
            "verb": "watch",
            "requestURI": f"{path}?resourceVersion={self.path.stat().st_size}&watch=true",
            "userAgent": "played",
            "user": {"username": user},
            "responseStatus": {"code": code},
            "stageTimestamp": (datetime.now(UTC) - ago).isoformat(),
        }
        with self.path.open("a") as log:
            log.write(json.dumps(entry, separators=(",", ":")) + "\n")


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl")


def missing(restart: Restart) -> set[str]:
    return {watch.path for watch in restart.missing()}


def test_each_watch_of_before_is_missed_until_it_is_served_again(log: AuditLog) -> None:
    log.begun(PODS)
    log.begun(NODES)
    restart = Restart(log.path)
    assert missing(restart) == {PODS, NODES}
    log.begun(PODS)
    assert missing(restart) == {NODES}
    log.begun(NODES)
    assert missing(restart) == set()
    restart.settle()


def test_a_watch_that_is_refused_or_ends_is_missed(log: AuditLog) -> None:
    log.begun(PODS)
    restart = Restart(log.path)
    log.begun(PODS, code=403)
    assert missing(restart) == {PODS}
    log.begun(PODS)
    log.ended(PODS)
    assert missing(restart) == {PODS}


def test_a_watch_that_may_have_been_answered_with_an_error_event_is_missed(log: AuditLog) -> None:
    log.begun(PODS)
    restart = Restart(log.path)
    log.begun(PODS, ago=timedelta())
    assert missing(restart) == {PODS}


def test_a_watch_that_ended_long_before_and_was_not_begun_again_is_not_missed(
    log: AuditLog,
) -> None:
    log.begun(SNAPSHOTS)
    log.ended(SNAPSHOTS, ago=LONG_AGO)
    log.begun(PODS)
    log.ended(PODS)
    assert missing(Restart(log.path)) == {PODS}


def test_a_watch_of_what_is_not_served_any_more_is_not_missed(log: AuditLog) -> None:
    log.begun(SNAPSHOTS)
    log.ended(SNAPSHOTS)
    log.ended(SNAPSHOTS, code=404)
    assert missing(Restart(log.path)) == set()


def test_each_client_is_missed_for_itself_and_the_tool_is_not(log: AuditLog) -> None:
    log.begun(PODS)
    log.begun(PODS, user="system:kube-scheduler")
    log.begun(NODES, user="migration-tool")
    restart = Restart(log.path)
    log.begun(PODS)
    assert {watch.user for watch in restart.missing()} == {"system:kube-scheduler"}


def test_a_line_that_is_not_whole_yet_is_read_later(log: AuditLog) -> None:
    log.begun(PODS)
    restart = Restart(log.path)
    log.begun(PODS)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-10])
    assert missing(restart) == {PODS}
    log.path.write_bytes(whole)
    assert missing(restart) == set()

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any, cast

import pytest

from csi_migration.kube import Client, Event, Forbidden, Gone, ReadFailed
from csi_migration.kube.resources import PODS
from tests.unit.kube_server import CUT, ApiServer, Received, Reply, status


def line(kind: str, name: str, version: str) -> bytes:
    metadata = {"name": name, "resourceVersion": version}
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode() + b"\n"


def seen(events: Iterator[Event]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in events]


def listed(*names: str) -> Reply:
    items: list[dict[str, Any]] = [{"metadata": {"name": name}} for name in names]
    return Reply(body={"metadata": {"resourceVersion": "10"}, "items": items})


HELD = 600.0
"""Seconds, which only a hang takes."""


class Clock:
    """Goes on by itself, and by leaps."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("csi_migration.kube.watch.time", made)
    return made


def first(count: int, events: Iterator[Event]) -> list[tuple[str, str]]:
    """So many events, however long they take; what would come later is not waited for."""
    told = seen(islice(events, count))
    cast(Generator[Event], events).close()
    return told


def test_what_is_there_comes_first_then_what_changes(server: ApiServer, client: Client) -> None:
    changes = (line("MODIFIED", "a", "11"), line("DELETED", "b", "12"))
    server.answers = [listed("a", "b"), Reply(chunks=changes, hold=HELD)]
    events = client.watch(PODS, "shop", name="a", labels="app=web", timeout=HELD)
    told = first(4, events)
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    asked = server.received[1].query
    assert 0 < int(asked.pop("timeoutSeconds")) <= HELD
    assert asked == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "10",
        "labelSelector": "app=web",
        "fieldSelector": "metadata.name=a",
    }


def test_it_ends_at_the_timeout_of_a_silent_server(server: ApiServer) -> None:
    server.answers = [Reply(chunks=(), hold=HELD)]
    with server.client(timeout=HELD) as patient:
        assert seen(patient.watch(PODS, "shop", resource_version="5", timeout=0.2)) == []


def test_it_ends_at_the_timeout_of_a_busy_server(
    server: ApiServer, client: Client, clock: Clock
) -> None:
    changes = tuple(line("MODIFIED", "a", str(version)) for version in range(100))
    server.answers = [Reply(chunks=changes)]
    told = 0
    for _ in client.watch(PODS, "shop", resource_version="5", timeout=HELD):
        told += 1
        clock.ahead += HELD / 5
    assert told == 5


def test_it_ends_at_the_timeout_when_a_resumed_watch_is_not_answered(
    server: ApiServer, client: Client, clock: Clock
) -> None:
    def late(_: Received) -> Reply:
        clock.ahead += HELD
        return CUT

    server.answers = [Reply(chunks=(line("ADDED", "a", "6"),)), late]
    events = client.watch(PODS, "shop", resource_version="5", timeout=HELD)
    assert seen(events) == [("ADDED", "a")]


@pytest.mark.parametrize("cut_at", [None, 0], ids=["ended", "cut"])
def test_it_goes_on_after_the_last_version_seen(
    server: ApiServer, client: Client, cut_at: int | None
) -> None:
    one = Reply(chunks=(line("ADDED", "a", "6"), line("MODIFIED", "a", "8")), cut_at=cut_at)
    server.answers = [one, Reply(chunks=(line("DELETED", "a", "9"),), hold=HELD)]
    events = client.watch(PODS, "shop", resource_version="5", timeout=HELD)
    assert first(3, events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert [request.query["resourceVersion"] for request in server.received] == ["5", "8"]


def test_bookmarks_move_the_version_and_are_not_told(server: ApiServer, client: Client) -> None:
    bookmark = Reply(chunks=(line("BOOKMARK", "", "77"),))
    server.answers = [bookmark, Reply(chunks=(line("ADDED", "a", "78"),), hold=HELD)]
    events = client.watch(PODS, "shop", resource_version="5", timeout=HELD)
    assert first(1, events) == [("ADDED", "a")]
    assert server.received[1].query["resourceVersion"] == "77"


def test_an_event_may_come_in_pieces(server: ApiServer, client: Client) -> None:
    whole = line("ADDED", "a", "6") + line("ADDED", "b", "7")
    server.answers = [Reply(chunks=(whole[:10], whole[10:90], whole[90:]), hold=HELD)]
    events = client.watch(PODS, "shop", resource_version="5", timeout=HELD)
    assert first(2, events) == [("ADDED", "a"), ("ADDED", "b")]


def test_half_an_event_at_a_cut_is_dropped_and_asked_for_again(
    server: ApiServer, client: Client
) -> None:
    half = line("ADDED", "b", "7")[:20]
    server.answers = [
        Reply(chunks=(line("ADDED", "a", "6"), half), cut_at=0),
        Reply(chunks=(line("ADDED", "b", "7"),), hold=HELD),
    ]
    events = client.watch(PODS, "shop", resource_version="5", timeout=HELD)
    assert first(2, events) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_server_that_ends_watches_at_once_is_not_asked_in_a_hurry(
    server: ApiServer, client: Client, clock: Clock
) -> None:
    """Once in a second, as long as there is one."""
    server.answers = [Reply(chunks=())] * 700
    assert seen(client.watch(PODS, "shop", resource_version="5", timeout=10)) == []
    assert clock.ahead > 0
    assert len(server.received) <= 10


def error_event(code: int, reason: str) -> bytes:
    return json.dumps({"type": "ERROR", "object": status(code, reason)}).encode() + b"\n"


@pytest.mark.parametrize(
    "answer",
    [
        Reply(410, status(410, "Expired")),
        Reply(chunks=(error_event(410, "Expired"),)),
    ],
    ids=["status", "event"],
)
def test_410_raises_gone_and_is_not_asked_again(
    server: ApiServer, client: Client, answer: Reply
) -> None:
    server.answers = [answer]
    with pytest.raises(Gone):
        seen(client.watch(PODS, "shop", resource_version="5", timeout=5))
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply(403, status(403, "Forbidden")), Forbidden),
        (Reply(503, status(503)), ReadFailed),
        (Reply(chunks=(error_event(500, "InternalError"),)), ReadFailed),
        (Reply(chunks=(b"<html>\n",)), ReadFailed),
        (Reply(chunks=(b"[]\n",)), ReadFailed),
    ],
)
def test_other_refusals_raise(
    server: ApiServer, client: Client, answer: Reply, error: type[Exception]
) -> None:
    server.answers = [answer]
    with pytest.raises(error):
        seen(client.watch(PODS, "shop", resource_version="5", timeout=5))

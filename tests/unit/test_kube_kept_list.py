"""A large collection is listed once; what is kept is never taken for what is there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest

from csi_migration.kube import Client, ReadFailed, kept_list
from csi_migration.kube.listing import PAGE
from csi_migration.kube.resources import VOLUME_ATTACHMENTS
from tests.unit.kube_server import CUT, Answer, ApiServer, Received, Reply, serving, status

MANY = tuple(f"csi-{number}" for number in range(PAGE + 1))
LISTED_AT = "10"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving() as running:
        yield running


@pytest.fixture
def client(server: ApiServer) -> Iterator[Client]:
    with server.client() as made:
        yield made


def listed(*names: str, version: str = LISTED_AT) -> Reply:
    items = [{"metadata": {"name": name, "managedFields": [{}]}} for name in names]
    return Reply(body={"metadata": {"resourceVersion": version}, "items": items})


def now_at(version: str) -> Reply:
    return listed(version=version)


def event(kind: str, name: str, version: str) -> bytes:
    metadata = {"name": name, "resourceVersion": version}
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode() + b"\n"


def changes(*events: bytes, cut_at: int | None = None) -> Reply:
    """A watch that stays open after them, unless it is cut."""
    return Reply(chunks=events, cut_at=cut_at, hold=0 if cut_at is not None else 5)


def seen_again(client: Client, server: ApiServer, *answers: Answer) -> set[str]:
    """What is there, looked at a second time, with these answers to that."""
    server.answers = [listed(*MANY), *answers]
    client.list_again(VOLUME_ATTACHMENTS)
    return names(client)


def names(client: Client) -> set[str]:
    return {item["metadata"]["name"] for item in client.list_again(VOLUME_ATTACHMENTS)}


def lists(server: ApiServer) -> int:
    return sum("limit" in request.query for request in server.received)


def test_a_single_page_is_listed_each_time(client: Client, server: ApiServer) -> None:
    server.answers = [listed(*MANY[:PAGE]), listed("new")]
    client.list_again(VOLUME_ATTACHMENTS)
    assert names(client) == {"new"}


def test_nothing_is_asked_for_when_the_version_is_the_same(
    client: Client, server: ApiServer
) -> None:
    assert seen_again(client, server, now_at(LISTED_AT)) == {*MANY}
    assert lists(server) == 1


def test_the_changes_since_are_taken_in(client: Client, server: ApiServer) -> None:
    told = (
        event("ADDED", "new", "12"),
        event("DELETED", MANY[0], "13"),
        event("BOOKMARK", "", "15"),
    )
    assert seen_again(client, server, now_at("15"), changes(*told)) == {*MANY[1:], "new"}
    assert lists(server) == 1
    assert server.received[-1].query["resourceVersion"] == LISTED_AT


def test_a_later_change_is_as_good_a_proof_as_a_bookmark(client: Client, server: ApiServer) -> None:
    told = (event("ADDED", "one", "12"), event("ADDED", "two", "16"))
    assert seen_again(client, server, now_at("15"), changes(*told)) == {*MANY, "one", "two"}


def test_it_goes_on_from_where_it_was(client: Client, server: ApiServer) -> None:
    seen_again(client, server, now_at("15"), changes(event("BOOKMARK", "", "15")))
    server.answers = [now_at("20"), changes(event("DELETED", MANY[0], "20"))]
    assert names(client) == {*MANY[1:]}
    assert server.received[-1].query["resourceVersion"] == "15"


UNPROVEN = {
    "nothing but what was before": changes(event("ADDED", "before", "12"), cut_at=0),
    "an older bookmark": changes(event("BOOKMARK", "", "14"), cut_at=0),
    "a version that is no number": changes(event("BOOKMARK", "", "x15"), cut_at=0),
    "silence": changes(),
    "the version is forgotten": Reply(410, status(410, "Expired")),
    "watching is not allowed": Reply(403, status(403, "Forbidden")),
    "no answer": CUT,
}


@pytest.mark.parametrize("told", UNPROVEN.values(), ids=UNPROVEN)
def test_without_a_proof_everything_is_listed(
    client: Client, server: ApiServer, told: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_list, "_SECONDS", 0.2)
    assert seen_again(client, server, *[answering(now_at("15"), told)] * 9) == {"fresh"}


@pytest.mark.parametrize("version", ["9", "", "x15"], ids=["older", "none", "no-number"])
def test_without_a_later_version_everything_is_listed(
    client: Client, server: ApiServer, version: str
) -> None:
    """A store that was set back to a backup has an older one, and another history."""
    assert seen_again(client, server, *[answering(now_at(version), CUT)] * 2) == {"fresh"}


def answering(now: Reply, told: Reply) -> Answer:
    """By what is asked: the version of now, the changes, or the whole list."""

    def answer(request: Received) -> Reply:
        if "watch" in request.query:
            return told
        return listed("fresh", version="20") if "limit" in request.query else now

    return answer


def test_a_server_that_never_proves_it_is_not_asked_for_long(
    client: Client, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_list, "_SECONDS", 0.01)
    numbers = itertools.count(20)

    def answer(request: Received) -> Reply:
        version = str(next(numbers))
        if "watch" in request.query:
            return changes(cut_at=0)
        return listed(*(MANY if "limit" in request.query else ()), version=version)

    server.answers = [answer] * 99
    for _ in range(9):
        client.list_again(VOLUME_ATTACHMENTS)
    asked = ["limit" in request.query for request in server.received]
    assert asked.count(True) == 9
    assert asked[-5:] == [True] * 5


def test_after_a_listing_that_failed_everything_is_listed(
    client: Client, server: ApiServer
) -> None:
    gone = Reply(410, status(410, "Expired"))
    server.answers = [listed(*MANY), now_at("15"), gone, Reply(503, status(503))]
    client.list_again(VOLUME_ATTACHMENTS)
    with pytest.raises(ReadFailed):
        client.list_again(VOLUME_ATTACHMENTS)
    server.answers = [answering(now_at("16"), gone)] * 3
    assert names(client) == {"fresh"}


def test_nobody_is_told_who_wrote_what(client: Client, server: ApiServer) -> None:
    server.answers = [listed("a")]
    assert client.list_again(VOLUME_ATTACHMENTS) == [{"metadata": {"name": "a"}}]

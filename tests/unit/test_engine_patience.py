"""A wait ends when the one object that it is about changes, or the one answer."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.engine.facts import Facts
from csi_migration.engine.observe import Observer
from csi_migration.engine.patience import Patience, Sighting, until_changed
from csi_migration.kube import Client, Event, Forbidden, Gone, Resource, TooManyRequests, resources
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.seen import ClaimSeen, PodSeen, Presence, ReplicaSeen, Seen, SetSeen
from csi_migration.model.step import AwaitIt, Look, LookAt, Wait
from tests.unit.replica_world import replica_plan

PLAN = cast(MigrationPlan, SimpleNamespace(namespace="shop", statefulset="web"))
REPLICA = replica_plan("data")
CLAIM = REPLICA.claims[0]
GONE = Seen(Presence.ABSENT)
CHANGE = Event("MODIFIED", {"metadata": {"resourceVersion": "999"}})


def seen(*, set_version: str = "", old: Seen = GONE) -> ReplicaSeen:
    going = bool(set_version)
    presence = Presence.OLD if going else Presence.ABSENT
    return ReplicaSeen(
        statefulset=SetSeen(presence, "s", set_version, going),
        pod=PodSeen(Presence.OLD, "p", "20", ready=False),
        claims={
            CLAIM.name: ClaimSeen(
                claim=Seen(Presence.NEW, "c", "30"),
                bound=False,
                old_volume=old,
                retain=True,
                new_volume=Seen(Presence.NEW, "v", "50"),
            )
        },
    )


class Watching:
    """A client that tells what was watched; `events` is what comes, an error is raised."""

    def __init__(self, *events: Event | Exception) -> None:
        self.events = events
        self.watched: list[tuple[Resource, str | None, str, str]] = []

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        name: str,
        resource_version: str,
        timeout: float,
    ) -> Iterator[Event]:
        assert 0 < timeout <= 1
        self.watched.append((resource, namespace, name, resource_version))
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event


class Asking:
    """An observer whose answers change with the `turns`-th question."""

    def __init__(self, answer: Any = None, turns: int = 1) -> None:
        self.facts = Facts(registered={CLAIM.name: True}, attached_by=("vm node-1",))
        self.asked: list[LookAt] = []
        self._answer, self._turns = answer, turns

    def look(self, at: LookAt) -> None:
        self.asked.append(at)
        if len(self.asked) == self._turns:
            if at.look is Look.REGISTRATION:
                self.facts.registered[at.claim] = self._answer
            elif at.look is Look.ATTACHMENTS:
                self.facts.attached_by = self._answer


def round_of(
    step: AwaitIt, found: ReplicaSeen, client: Watching, observer: Asking | None = None
) -> object:
    eyes = cast(Observer, observer or Asking())
    patience = Patience(cast(Client, client), PLAN, REPLICA, eyes)
    return patience.rest(step, found)(0.001)


GOING = Seen(Presence.OLD, "o", "40", terminating=True)


@pytest.mark.parametrize(
    ("wait", "found", "watched"),
    [
        (Wait.POD_GONE, seen(), (resources.PODS, "shop", REPLICA.pod, "20")),
        (Wait.READY, seen(), (resources.PODS, "shop", REPLICA.pod, "20")),
        (Wait.ADOPTED, seen(), (resources.PODS, "shop", REPLICA.pod, "20")),
        (Wait.ORPHANED, seen(set_version="9"), (resources.STATEFULSETS, "shop", "web", "9")),
        (Wait.CLAIM_GONE, seen(), (resources.CLAIMS, "shop", CLAIM.name, "30")),
        (Wait.BOUND, seen(), (resources.CLAIMS, "shop", CLAIM.name, "30")),
        (Wait.VOLUME_GONE, seen(old=GOING), (resources.VOLUMES, None, CLAIM.old_volume, "40")),
        (Wait.VOLUME_GONE, seen(), (resources.VOLUMES, None, CLAIM.new_volume, "50")),
    ],
)
def test_one_object_is_watched_from_the_version_that_was_seen(
    wait: Wait, found: ReplicaSeen, watched: tuple[Any, ...]
) -> None:
    client = Watching(CHANGE)
    claim = CLAIM.name if wait in (Wait.CLAIM_GONE, Wait.BOUND, Wait.VOLUME_GONE) else ""

    assert round_of(AwaitIt(wait, "", claim), found, client)
    assert client.watched == [watched]


def test_an_attachment_is_watched_as_long_as_there_is_one() -> None:
    client, observer = Watching(CHANGE), Asking()
    observer.facts.attachment = ("csi-1", "60")

    assert round_of(AwaitIt(Wait.DETACHED, ""), seen(), client, observer)
    assert client.watched == [(resources.VOLUME_ATTACHMENTS, None, "csi-1", "60")]
    assert observer.asked == []


@pytest.mark.parametrize(
    ("wait", "look", "claim", "answer"),
    [
        (Wait.UNREGISTERED, Look.REGISTRATION, CLAIM.name, False),
        (Wait.DETACHED, Look.ATTACHMENTS, "", ()),
    ],
)
def test_what_only_vcenter_knows_is_asked_until_the_answer_changes(
    wait: Wait, look: Look, claim: str, answer: object
) -> None:
    client, observer = Watching(), Asking(answer, turns=3)

    assert round_of(AwaitIt(wait, "", claim), seen(), client, observer)
    assert observer.asked == [LookAt(look, claim)] * 3
    assert client.watched == []


def test_a_round_ends_although_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csi_migration.engine.patience.ROUND_SECONDS", 0.02)
    observer = Asking(answer=None, turns=10**6)

    assert not round_of(AwaitIt(Wait.REGISTERED, "", CLAIM.name), seen(), Watching(), observer)
    assert observer.asked


@pytest.mark.parametrize("wait", list(Wait))
def test_every_wait_has_something_to_watch_or_to_ask(wait: Wait) -> None:
    client, observer = Watching(CHANGE), Asking(answer=False)
    found = seen(set_version="9") if wait is Wait.ORPHANED else seen()
    claim = "" if wait in (Wait.DETACHED, Wait.ORPHANED) else CLAIM.name

    round_of(AwaitIt(wait, "", claim), found, client, observer)
    assert client.watched or observer.asked


SIGHTING = Sighting(resources.PODS, "web-1", "shop", "20")


class Forgetful(Watching):
    """Answers 410 to versions; `version` is that of the object, None for none."""

    def __init__(self, version: str | None, *later: str) -> None:
        super().__init__()
        self._version, self._later = version, later

    def find(self, resource: Resource, name: str, namespace: str | None) -> Any:
        assert (resource, name, namespace) == (resources.PODS, "web-1", "shop")
        return self._version and {"metadata": {"resourceVersion": self._version}}

    def watch(self, *arguments: Any, resource_version: str, **_: Any) -> Iterator[Event]:
        self.watched.append((*arguments, "", resource_version))
        if resource_version:
            raise Gone("too old", status=410)
        for version in self._later:
            yield Event("ADDED", {"metadata": {"resourceVersion": version}})


@pytest.mark.parametrize(
    ("client", "changed"),
    [
        (Forgetful("20", "20"), False),
        (Forgetful("20", "20", "21"), True),
        (Forgetful("21"), True),
        (Forgetful(None), True),
    ],
    ids=["as it was", "changed later", "changed before", "gone"],
)
def test_an_object_older_than_the_servers_memory_is_watched_from_now_on(
    client: Forgetful, *, changed: bool
) -> None:
    assert until_changed(cast(Client, client), SIGHTING, 0.1, 0.0) is changed


def test_a_watch_that_fails_is_a_reason_to_look_after_a_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []
    monkeypatch.setattr("time.sleep", rests.append)
    refused, busy = Forbidden("no", status=403), TooManyRequests("wait", status=429)
    busy.retry_after = 3.0

    assert until_changed(cast(Client, Watching(refused)), SIGHTING, 0.1, 0.5)
    assert until_changed(cast(Client, Watching(busy)), SIGHTING, 0.1, 0.5)
    assert rests == [0.5, 3.0]
    assert not until_changed(cast(Client, Watching()), SIGHTING, 0.1, 0.5)

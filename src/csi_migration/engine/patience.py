"""Lets a moment of a wait pass, and ends it early when what is waited for may be there.

Kubernetes tells of changes by itself: the one object that is waited for is watched from
the version that was seen, so that nothing can happen to it unnoticed in between. CNS, vCenter
and the garbage collector have to be asked, but only what is in question; a claim that waits to
be Bound is touched as well, since its volume may have been read a moment before it.

An event is a reason to look, never an answer: what is decided is decided on a new read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from csi_migration.engine.observe import Observer
from csi_migration.engine.run import Rest, rest_as_asked
from csi_migration.kube import Client, Event, Gone, KubernetesError, Resource, resources
from csi_migration.model.objects import resource_version_of
from csi_migration.model.plan import MigrationPlan, ReplicaPlan
from csi_migration.model.seen import ReplicaSeen
from csi_migration.model.step import AwaitIt, Look, LookAt, Wait

ROUND_SECONDS = 1.0
"""How long at most nothing else is looked at: neither the other pods nor the Lease."""

# A claim that does not bind is touched as often as this.
_BINDING_ROUND_SECONDS = 0.4
_SHORTEST_SECONDS = 0.05

_QUESTIONS = {
    Wait.DETACHED: Look.ATTACHMENTS,
    Wait.ORPHANED: Look.ORPHANS,
    Wait.REGISTERED: Look.REGISTRATION,
    Wait.UNREGISTERED: Look.REGISTRATION,
}
_OF_THE_POD = (Wait.POD_GONE, Wait.READY, Wait.ADOPTED)


@dataclass(frozen=True, slots=True)
class Sighting:
    """An object at the version in which it was seen; no version when it was not there."""

    resource: Resource
    name: str
    namespace: str
    version: str

    @property
    def place(self) -> str | None:
        """The namespace, for a kind that has one."""
        return self.resource.namespace_in(self.namespace)


def until_changed(client: Client, seen: Sighting, seconds: float, pause: float) -> bool:
    """Wait until the object has another version than the one seen, or `seconds` passed.

    Returns:
        Whether it changed, as far as can be told: a watch that fails says yes, after a
        `pause` (in seconds), so that it can't be begun again and again without a rest.
    """
    try:
        try:
            return _change(client, seen, seen.version, seconds) is not None
        except Gone:
            return _changed_from_now(client, seen, seconds)
    except KubernetesError as error:
        rest_as_asked(error, pause)
        return True


def _changed_from_now(client: Client, seen: Sighting, seconds: float) -> bool:
    """For a version that the server no longer knows, of an object that has long been as it is."""
    found = client.find(seen.resource, seen.name, seen.place)
    if found is None or resource_version_of(found) != seen.version:
        return True
    return _change(client, seen, "", seconds) is not None


def _change(client: Client, seen: Sighting, version: str, seconds: float) -> Event | None:
    changes = client.watch(
        seen.resource, seen.place, name=seen.name, resource_version=version, timeout=seconds
    )
    # What is there already comes first when no version is given.
    return next((c for c in changes if resource_version_of(c.object) != seen.version), None)


class Patience:
    """Lets the time of one replica's waits pass."""

    def __init__(
        self, client: Client, plan: MigrationPlan, replica: ReplicaPlan, observer: Observer
    ) -> None:
        self._client = client
        self._plan = plan
        self._replica = replica
        self._observer = observer

    def rest(self, step: AwaitIt, seen: ReplicaSeen) -> Rest:
        """What lets a round of the wait pass, and says whether to look at everything again.

        It is given the seconds from question to question. An answer stays in the
        observer's facts; its errors are those of the observer.
        """
        sighting = self._sighting(step, seen)
        if sighting is None:
            return partial(self._ask, LookAt(_QUESTIONS[step.wait], step.claim))
        seconds = _BINDING_ROUND_SECONDS if step.wait is Wait.BOUND else ROUND_SECONDS
        return partial(self._watch, sighting, seconds)

    def _ask(self, question: LookAt, pause: float) -> bool:
        """Again and again for a round, until the answer is another one."""
        facts, deadline = self._observer.facts, time.monotonic() + ROUND_SECONDS
        before = facts.answer(question)
        while facts.answer(question) == before and time.monotonic() < deadline:
            time.sleep(pause)
            self._observer.look(question)
        return facts.answer(question) != before

    def _watch(self, sighting: Sighting, seconds: float, pause: float) -> bool:
        begun = time.monotonic()
        changed = until_changed(self._client, sighting, seconds, pause)
        # What changes again and again must not be looked at again and again without a rest.
        if changed and time.monotonic() - begun < pause:
            time.sleep(_SHORTEST_SECONDS)
        return changed

    def _sighting(self, step: AwaitIt, seen: ReplicaSeen) -> Sighting | None:
        """The object whose change may end the wait."""
        attachment, statefulset = self._observer.facts.attachment, seen.statefulset
        if step.wait in _OF_THE_POD:
            return self._of(resources.PODS, self._replica.pod, seen.pod.resource_version)
        if step.wait is Wait.DETACHED and attachment:
            return self._of(resources.VOLUME_ATTACHMENTS, *attachment)
        if step.wait is Wait.ORPHANED and statefulset.terminating:
            version = statefulset.resource_version
            return self._of(resources.STATEFULSETS, self._plan.statefulset, version)
        return self._sighting_of_claim(step, seen) if step.claim else None

    def _sighting_of_claim(self, step: AwaitIt, seen: ReplicaSeen) -> Sighting | None:
        plan, found = self._replica.claim(step.claim), seen.claims[step.claim]
        old, new = found.old_volume, found.new_volume
        match step.wait:
            case Wait.CLAIM_GONE | Wait.BOUND:
                return self._of(resources.CLAIMS, plan.name, found.claim.resource_version)
            case Wait.VOLUME_GONE if old.terminating:
                return self._of(resources.VOLUMES, plan.old_volume, old.resource_version)
            case Wait.VOLUME_GONE:
                return self._of(resources.VOLUMES, plan.new_volume, new.resource_version)
        return None

    def _of(self, resource: Resource, name: str, version: str) -> Sighting:
        return Sighting(resource, name, self._plan.namespace, version)

"""Outdates writes whose answer was lost, so that none can come late.

A request may be held on its way for longer than the run that sent it lives, and a
deletion that arrives after a rollback would take the claim from under its pod. What
deletes a set, a claim or a volume, or sets a policy, names its version; an object that
still stands is brought to its next one, and whatever is on its way is then refused with a
conflict. A creation can't name a version: those that would do harm are waited for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial

from csi_migration.engine.nudge import ANNOTATION
from csi_migration.engine.run import Run
from csi_migration.journal.record import Intent, RunStarted
from csi_migration.kube import NotFound, Resource, resources
from csi_migration.model.objects import (
    annotations_of,
    is_terminating,
    resource_version_of,
    uid_of,
)

# An API server gives a request up after 60 s (kube-apiserver --request-timeout).
_LONGEST_SECONDS = 90.0
# A pod that is deleted late is made again by its controller.
_OUTDATED = {
    each.kind: each for each in (resources.STATEFULSETS, resources.CLAIMS, resources.VOLUMES)
}
_OF_A_REPLICA = {each.kind for each in (resources.VOLUMES, resources.CLAIMS, resources.PODS)}


def outdate_lost_writes(run: Run) -> None:
    """After this, no write of this run or an earlier one can be applied any more.

    For those that the journal knows, and that were to change something that is there.

    Raises:
        ToolError: the cluster could not be asked for too long.
    """
    for intent in run.directory.journal.open_intents():
        resource = _OUTDATED.get(intent.object.kind)
        if resource and intent.object.uid:
            run.patiently(intent.replica, partial(_outdate, run, resource, intent))


def creations_on_their_way(run: Run, pod: str) -> Iterator[str]:
    """Why this replica may neither leave nor be gone on with yet, in words.

    A StatefulSet whose creation was not answered may come into the next window, or into
    one that was left open, and its controller would put empty claims in the place of those
    that are missing then. What a run that went the other way was making for this replica
    would come between its volumes.
    """

    def would_do_harm(creation: Intent) -> bool:
        if creation.object.kind == resources.STATEFULSETS.kind:
            return True
        is_of_it = creation.replica == pod and creation.object.kind in _OF_A_REPLICA
        return is_of_it and _went_the_other_way(run, creation)

    return _on_their_way(run, would_do_harm)


def sit_out_creations(run: Run, resource: Resource) -> None:
    """Wait until no creation of such an object can come any more.

    To be called while every object that was to be created stands: its name is taken, so
    that whatever comes meanwhile is refused.

    Raises:
        WaitedTooLong: the clock does not go on.
    """
    wait = run.waiter("", "lost-answers", 2 * _LONGEST_SECONDS)
    while why := next(_on_their_way(run, lambda one: one.object.kind == resource.kind), ""):
        wait.pause(why)


def _on_their_way(run: Run, matters: Callable[[Intent], bool]) -> Iterator[str]:
    """The creations that were not answered and may still come, in words."""
    for intent in run.directory.journal.open_intents():
        is_creation = not intent.object.uid and matters(intent)
        if is_creation and _age(run, intent) < _LONGEST_SECONDS:
            kind = intent.object.kind
            yield f"the creation of the {kind} at {intent.time}, not answered, may still come"


def _went_the_other_way(run: Run, intent: Intent) -> bool:
    """Whether the run that sent it was a rollback while this one is none, or the reverse."""
    records = run.directory.journal.records()[: intent.seq]
    began = [record for record in records if isinstance(record, RunStarted)]
    command = began[-1].arguments.get("command") if began else None
    return (command == "rollback") is not run.goes_back


def _age(run: Run, intent: Intent) -> float:
    """Seconds since it was sent; since this run began, if an earlier one sent it.

    Its record's time is by another machine's clock, or by this one's before it was set: ahead
    of ours, or behind, it would let what was just sent pass for old.
    """
    age = run.directory.journal.seconds_since(intent.seq)
    return time.monotonic() - run.started if age is None else age


def _outdate(run: Run, resource: Resource, intent: Intent) -> None:
    """Set an annotation on the object and take it off again.

    A claim or set that is going away has met its deletion; a volume's policy still counts.
    """
    client, name = run.systems.client, intent.object.name
    namespace = resource.namespace_in(run.plan.namespace)
    found = client.find(resource, name, namespace)
    if found is None or uid_of(found) != intent.object.uid:
        return
    if is_terminating(found) and resource != resources.VOLUMES:
        return
    is_marked = ANNOTATION in annotations_of(found)
    with contextlib.suppress(NotFound):  # it has gone meanwhile
        for value in (None,) if is_marked else ("true", None):
            run.guard()
            as_seen = {"uid": uid_of(found), "resourceVersion": resource_version_of(found)}
            body = {"metadata": as_seen | {"annotations": {ANNOTATION: value}}}
            found = client.patch(resource, name, body, namespace)

"""Outdates writes whose answer was lost, so that none can come late.

A request may be held on its way for longer than the run that sent it lives, and a
deletion that arrives after a rollback would take the claim from under its pod. Each
write to what is there names its version; an object that still stands is brought to its
next one, and whatever is on its way is then refused with a conflict.
"""

from __future__ import annotations

from functools import partial

from csi_migration.engine.nudge import ANNOTATION
from csi_migration.engine.run import Run
from csi_migration.journal.record import Intent
from csi_migration.kube import Resource, resources
from csi_migration.model.objects import (
    Raw,
    annotations_of,
    is_terminating,
    name_of,
    resource_version_of,
    uid_of,
)

# A pod that is deleted late is made again by its controller.
_OUTDATED = {
    each.kind: each for each in (resources.STATEFULSETS, resources.CLAIMS, resources.VOLUMES)
}


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


def _outdate(run: Run, resource: Resource, intent: Intent) -> None:
    """Set an annotation on the object and take it off again."""
    namespace = run.plan.namespace if resource.namespaced else None
    found = run.systems.client.find(resource, intent.object.name, namespace)
    if found is None or uid_of(found) != intent.object.uid or is_terminating(found):
        return
    if ANNOTATION not in annotations_of(found):
        found = _annotate(run, resource, found, "true")
    _annotate(run, resource, found, None)


def _annotate(run: Run, resource: Resource, found: Raw, value: str | None) -> Raw:
    run.guard()
    metadata = {
        "uid": uid_of(found),
        "resourceVersion": resource_version_of(found),
        "annotations": {ANNOTATION: value},
    }
    namespace = run.plan.namespace if resource.namespaced else None
    body = {"metadata": metadata}
    return run.systems.client.patch(resource, name_of(found), body, namespace)

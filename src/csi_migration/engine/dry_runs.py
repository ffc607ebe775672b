"""Asks the server whether it would take every object to come.

Objects whose name is still taken go under another one, so that what is checked
is admission, quota and validation, not the name.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator

from csi_migration.decide.manifests import with_handle
from csi_migration.decide.plan import plan_of
from csi_migration.decide.sampling import representatives
from csi_migration.engine.side_by_side import side_by_side
from csi_migration.kube import AlreadyExists, Client, ReadFailed, Rejected, Resource, resources
from csi_migration.model.objects import Raw
from csi_migration.model.plan import MigrationPlan, ReplicaPlan
from csi_migration.model.snapshot import DryRun, Snapshot

_SUFFIX = "-dry-run"
_NO_DISK_YET = str(uuid.UUID(int=0))


_Trial = tuple[Resource, Raw, str]


def dry_runs(client: Client, snapshot: Snapshot) -> tuple[DryRun, ...]:
    """The server's answers; it keeps none of the objects. Of a large set, to samples only.

    Raises:
        Unreachable: the server did not answer.
    """
    return _answers(client, _trials(plan_of(snapshot)))


def dry_runs_of(client: Client, replica: ReplicaPlan) -> tuple[DryRun, ...]:
    """The same for the objects of one replica, of which an interrupted swap made some."""
    return _answers(client, _trials_of(replica), may_be_there=True)


def _answers(
    client: Client, trials: Iterator[_Trial], *, may_be_there: bool = False
) -> tuple[DryRun, ...]:
    return tuple(side_by_side(lambda trial: ask(client, *trial, may_be_there=may_be_there), trials))


def _trials(plan: MigrationPlan) -> Iterator[_Trial]:
    renamed = _renamed(plan.statefulset_manifest)
    yield resources.STATEFULSETS, renamed, f"statefulset/{plan.statefulset}"
    for replica in representatives(plan):
        yield from _trials_of(replica)


def _trials_of(replica: ReplicaPlan) -> Iterator[_Trial]:
    yield resources.PODS, _renamed(replica.pod_manifest), f"pod/{replica.pod}"
    for claim in replica.claims:
        volume = with_handle(claim.new_volume_manifest, claim.disk_id or _NO_DISK_YET)
        yield resources.VOLUMES, volume, f"pv/{claim.new_volume}"
        yield resources.CLAIMS, _renamed(claim.new_claim_manifest), f"pvc/{claim.name}"


def ask(
    client: Client, resource: Resource, manifest: Raw, subject: str, *, may_be_there: bool = False
) -> DryRun:
    """The server's answer to one object to come.

    Names are looked at after admission and validation: that one is taken says
    that the object is welcome, if it `may_be_there`. A 5xx is an answer as well:
    so ends a webhook that must be asked and is away
    (kubernetes: admission/plugin/webhook/validating/dispatcher.go).

    Raises:
        Unreachable: the server did not answer.
    """
    namespace = manifest["metadata"].get("namespace")
    try:
        returned = client.create(resource, manifest, namespace, dry_run=True)
    except (Rejected, ReadFailed) as error:
        if may_be_there and isinstance(error, AlreadyExists):
            return DryRun(subject, accepted=True)
        if error.status is None:  # no answer at all
            raise
        return DryRun(subject, accepted=False, message=error.details or error.message)
    return DryRun(subject, accepted=True, returned=returned)


def _renamed(manifest: Raw) -> Raw:
    again = copy.deepcopy(manifest)
    again["metadata"]["name"] += _SUFFIX
    return again

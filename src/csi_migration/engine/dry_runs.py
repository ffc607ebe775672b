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
from csi_migration.kube import Client, ReadFailed, Rejected, Resource, resources
from csi_migration.model.objects import Raw
from csi_migration.model.plan import MigrationPlan, ReplicaPlan
from csi_migration.model.snapshot import DryRun, Snapshot

_SUFFIX = "-dry-run"
_NO_DISK_YET = str(uuid.UUID(int=0))


def dry_runs(client: Client, snapshot: Snapshot) -> tuple[DryRun, ...]:
    """The server's answers; it keeps none of the objects.

    Raises:
        Unreachable: the server did not answer.
    """
    return tuple(_answers(client, plan_of(snapshot)))


def _answers(client: Client, plan: MigrationPlan) -> Iterator[DryRun]:
    renamed = _renamed(plan.statefulset_manifest)
    yield ask(client, resources.STATEFULSETS, renamed, f"statefulset/{plan.statefulset}")
    for replica in plan.replicas:
        yield from _replica_answers(client, replica)


def _replica_answers(client: Client, replica: ReplicaPlan) -> Iterator[DryRun]:
    pod = _renamed(replica.pod_manifest)
    yield ask(client, resources.PODS, pod, f"pod/{replica.pod}")
    for claim in replica.claims:
        volume = with_handle(claim.new_volume_manifest, claim.disk_id or _NO_DISK_YET)
        yield ask(client, resources.VOLUMES, volume, f"pv/{claim.new_volume}")
        renamed = _renamed(claim.new_claim_manifest)
        yield ask(client, resources.CLAIMS, renamed, f"pvc/{claim.name}")


def ask(client: Client, resource: Resource, manifest: Raw, subject: str) -> DryRun:
    """The server's answer to one object to come.

    A 5xx is an answer as well: so ends a webhook that must be asked and is away
    (kubernetes: admission/plugin/webhook/validating/dispatcher.go).

    Raises:
        Unreachable: the server did not answer.
    """
    namespace = manifest["metadata"].get("namespace")
    try:
        returned = client.create(resource, manifest, namespace, dry_run=True)
    except (Rejected, ReadFailed) as error:
        if error.status is None:  # no answer at all
            raise
        return DryRun(subject, accepted=False, message=error.details or error.message)
    return DryRun(subject, accepted=True, returned=returned)


def _renamed(manifest: Raw) -> Raw:
    again = copy.deepcopy(manifest)
    again["metadata"]["name"] += _SUFFIX
    return again

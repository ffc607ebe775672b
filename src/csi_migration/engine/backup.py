"""Puts everything that the migration will touch into the working directory first.

`backup/` holds the very bytes that the server sent. `restore/` holds the same
objects without what only a server may write, fit for `kubectl create`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from string import Template

from csi_migration.decide.manifests import recreated
from csi_migration.engine.systems import Systems
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.plan_file import PLAN, plan_bytes
from csi_migration.kube import Client, Resource, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.objects import Raw, name_of, resource_version_of, uid_of
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.snapshot import Snapshot


def back_up(
    systems: Systems, snapshot: Snapshot, plan: MigrationPlan, directory: WorkingDirectory
) -> None:
    """Save all of it, durably; afterwards the cluster may be changed.

    Raises:
        JournalBroken: the directory cannot be written.
        KubernetesError: something could not be read any more.
    """
    for resource, name, namespace in _objects(snapshot, plan):
        data = systems.client.read(resource, name, namespace)
        directory.save(f"backup/{resource.plural}/{name}.json", data)
    for file, manifest in _restorable(plan):
        directory.save(file, _pretty(manifest))
    directory.save(PLAN, plan_bytes(plan))
    write_readme(plan, directory)


def write_readme(plan: MigrationPlan, directory: WorkingDirectory) -> None:
    """Say in the directory what it is, and how to go on or back by hand.

    Raises:
        JournalBroken: the directory cannot be written.
    """
    directory.write_text("README.md", _readme(plan))


def save_before_deletion(
    client: Client,
    directory: WorkingDirectory,
    resource: Resource,
    name: str,
    *,
    namespace: str | None,
    uid: str,
) -> Raw:
    """Save an object that is about to be deleted, unless this very one is saved already.

    Returns:
        The object.

    Raises:
        NeedsPerson: another object stands under the name now.
        JournalBroken: the directory cannot be written.
        KubernetesError: it could not be read.
    """
    data = client.read(resource, name, namespace)
    item: Raw = json.loads(data)
    if uid_of(item) != uid:
        raise NeedsPerson(f"{resource.kind} {name} is another one now (uid {uid_of(item)})")
    file = f"backup/{resource.plural}/{name}.{uid}.{resource_version_of(item)}.json"
    # A server of another version may write the very same object in other words.
    if file not in directory.journal.saved_files():
        directory.save(file, data)
    return item


def _objects(snapshot: Snapshot, plan: MigrationPlan) -> Iterator[tuple[Resource, str, str | None]]:
    namespace = plan.namespace
    yield resources.STATEFULSETS, plan.statefulset, namespace
    for name in snapshot.classes:
        yield resources.STORAGE_CLASSES, name, None
    for name in snapshot.revisions:
        yield resources.CONTROLLER_REVISIONS, name, namespace
    for attachment in snapshot.attachments:
        yield resources.VOLUME_ATTACHMENTS, name_of(attachment), None
    for replica in plan.replicas:
        yield resources.PODS, replica.pod, namespace
        for claim in replica.claims:
            yield resources.CLAIMS, claim.name, namespace
            yield resources.VOLUMES, claim.old_volume, None


def _restorable(plan: MigrationPlan) -> Iterator[tuple[str, Raw]]:
    yield "restore/statefulset.json", recreated(plan.original)
    for replica in plan.replicas:
        yield f"restore/pods/{replica.pod}.json", replica.pod_manifest
        for claim in replica.claims:
            yield f"restore/claims/{claim.name}.json", claim.old_claim_manifest
            yield f"restore/volumes/{claim.old_volume}.json", claim.old_volume_manifest


def _pretty(manifest: Raw) -> bytes:
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


_README = Template("""\
# Migration of StatefulSet $namespace/$statefulset to CSI volumes

Made by statefulset-csi-migration-tool before it changed anything.

* `backup/`: every object as the API server sent it; those with a uid in their names
  were saved right before their deletion.
* `restore/`: the same objects, ready for `kubectl create`.
* `plan.json`: what each replica has, and gets.
* `journal.jsonl`: what was intended (`intent`) and what was done (`done`), in order.

However the run ended, it is brought to either end, from this machine or, with a
copy of this directory, from another one:

    statefulset-csi-migration-tool rolling-migration resume --working-directory DIRECTORY
    statefulset-csi-migration-tool rolling-migration rollback --working-directory DIRECTORY

No disk is ever deleted. In-tree volumes and CSI volumes are two names for the
same VMDK, so a replica can be taken back to its in-tree volumes by hand, too.

## Taking one replica back with kubectl alone

At no time may a pod run while its disk is still attached for another volume.
For replica `POD` (replicas and their objects are listed below):

0. `restore/` is as all was when the migration began. If the set was rolled out, scaled or
   edited since, and is there, save it first (`kubectl -n $namespace get statefulset $statefulset
   -o yaml`), and put what differs in its spec into `restore/statefulset.json`, and what differs
   in its pod template into `restore/pods/POD.json`, all but the claim templates: else they
   come back as they were then. `rollback` does so by itself.
1. Take the StatefulSet away and leave its pods:
   `kubectl -n $namespace delete statefulset $statefulset --cascade=orphan`
   ("not found" is fine), and wait until it is gone.
2. `kubectl -n $namespace delete pod POD` and wait until no line of
   `kubectl get volumeattachments` names a volume of the replica, and until vCenter shows
   none of its disks (below) on any VM: the first alone proves nothing.
3. For each claim of the replica that stands on a CSI volume already:
   `kubectl patch pv CSI_VOLUME -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'`,
   wait until `kubectl get pv CSI_VOLUME -o jsonpath='{.metadata.finalizers}'` no longer names
   `external-provisioner.volume.kubernetes.io/finalizer`,
   then `kubectl -n $namespace delete pvc CLAIM` and `kubectl delete pv CSI_VOLUME`.
   Never leave out the patch and the wait: without them the disk may be deleted.
4. For each claim that is missing now: if its in-tree volume is still there, see that its policy
   is Retain and delete it (`kubectl delete pv VOLUME`), since it remembers the old claim.
   Give the driver a minute: it lets go of a disk only after its volume is gone, and what is
   made before that is un-registered with it. Then
   `kubectl create -f restore/volumes/VOLUME.json`, then
   `kubectl create -f restore/claims/CLAIM.json`, and wait until it is Bound, which can take
   half a minute.
5. `kubectl create -f restore/pods/POD.json` and wait until it is Ready.
6. When every claim of every replica is there, on whichever volume:
   `kubectl create -f restore/statefulset.json`.
7. Give the in-tree volumes their reclaim policies back (last column below).

## Replicas and their volumes

| pod | claim | in-tree volume | CSI volume | disk | reclaim policy |
|---|---|---|---|---|---|
$rows
""")


def _readme(plan: MigrationPlan) -> str:
    rows = [
        f"| {replica.pod} | {claim.name} | {claim.old_volume} | {claim.new_volume} "
        f"| {claim.file.path} | {claim.reclaim_policy} |"
        for replica in plan.replicas
        for claim in replica.claims
    ]
    return _README.substitute(
        namespace=plan.namespace,
        statefulset=plan.statefulset,
        rows="\n".join(rows),
    )

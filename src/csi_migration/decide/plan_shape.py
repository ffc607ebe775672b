"""Whether a plan that comes from outside can be one that this tool made.

A working directory is private to its owner. The second backup is not: whoever may
write ConfigMaps in the namespace could put a plan there, and volumes are made with
the tool's rights, which reach further than the namespace. So a plan may name no
objects outside of its set, and no source of a volume but the one VMDK.
"""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.model.disk import DiskPath
from csi_migration.model.objects import CSI_DRIVER, Raw, name_of
from csi_migration.model.plan import ClaimPlan, MigrationPlan, ReplicaPlan

# What a volume says of itself; everything else in its spec is where its bytes are.
_NO_SOURCE = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def strangers_in(plan: MigrationPlan) -> tuple[str, ...]:
    """What no plan of this tool says, in words; empty for one that is sound."""
    return tuple(_of_the_set(plan))


def _of_the_set(plan: MigrationPlan) -> Iterator[str]:
    for manifest in (plan.statefulset_manifest, plan.original):
        if not _is(manifest, "StatefulSet", plan.namespace, plan.statefulset):
            yield "a StatefulSet that is not the one it is about"
    for replica in plan.replicas:
        yield from _of_replica(plan, replica)


def _of_replica(plan: MigrationPlan, replica: ReplicaPlan) -> Iterator[str]:
    if replica.pod != f"{plan.statefulset}-{replica.ordinal}":
        yield f"pod {replica.pod}, which is not the set's"
    if not _is(replica.pod_manifest, "Pod", plan.namespace, replica.pod):
        yield f"another pod for {replica.pod}"
    for claim in replica.claims:
        yield from _of_claim(plan, replica, claim)


def _of_claim(plan: MigrationPlan, replica: ReplicaPlan, claim: ClaimPlan) -> Iterator[str]:
    if not claim.name.endswith(f"-{replica.pod}"):
        yield f"claim {claim.name}, which is not {replica.pod}'s"
    both = (
        (claim.old_claim_manifest, claim.old_volume_manifest, claim.old_volume),
        (claim.new_claim_manifest, claim.new_volume_manifest, claim.new_volume),
    )
    for claim_manifest, volume_manifest, volume in both:
        is_claim = _is(claim_manifest, "PersistentVolumeClaim", plan.namespace, claim.name)
        if not is_claim or claim_manifest["spec"].get("volumeName") != volume:
            yield f"another claim for {claim.name}"
        if not _is_volume_for(volume_manifest, volume, plan.namespace, claim.name):
            yield f"volume {volume}, which is not for claim {claim.name}"
    yield from _of_disk(claim)


def _of_disk(claim: ClaimPlan) -> Iterator[str]:
    old, new = claim.old_volume_manifest["spec"], claim.new_volume_manifest["spec"]
    if set(old) - _NO_SOURCE != {"vsphereVolume"}:
        yield f"volume {claim.old_volume}, which is no in-tree vSphere volume"
    elif old["vsphereVolume"].get("volumePath") != claim.volume_path:
        yield f"volume {claim.old_volume} on another VMDK"
    if set(new) - _NO_SOURCE != {"csi"} or new["csi"].get("driver") != CSI_DRIVER:
        yield f"volume {claim.new_volume}, which is none of the vSphere CSI driver"
    if not _lies_at(claim):
        yield f"the disk of claim {claim.name} at another place than its volume says"


def _lies_at(claim: ClaimPlan) -> bool:
    """On vSAN a folder has an alias, so only the file's own name is compared."""
    try:
        path = DiskPath.parse(claim.volume_path)
    except ValueError:
        return False
    return path.file.rpartition("/")[2] == claim.file.path.file.rpartition("/")[2]


def _is(manifest: Raw, kind: str, namespace: str, name: str) -> bool:
    metadata = manifest.get("metadata", {})
    is_there = (metadata.get("namespace"), metadata.get("name")) == (namespace, name)
    return manifest.get("kind", kind) == kind and is_there


def _is_volume_for(manifest: Raw, volume: str, namespace: str, claim: str) -> bool:
    reference = manifest.get("spec", {}).get("claimRef") or {}
    is_for = (reference.get("namespace"), reference.get("name")) == (namespace, claim)
    is_kept = manifest["spec"].get("persistentVolumeReclaimPolicy") == "Retain"
    return name_of(manifest) == volume and is_for and is_kept

"""What is planted on a set that stands, and what preflight may say of it: one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from random import Random

from lab.client import Object, suppress_not_found
from lab.inspection import flat_file
from lab.waiting import until
from tests.lab.labkit import Trial
from tests.lab.misfitkit import Plant, annotated, created, labelled, patched, volume_of

SET, POD, CLAIM = "StatefulSet", "Pod", "PersistentVolumeClaim"
HOLD: Object = {"metadata": {"finalizers": ["shop.example/hold"]}}
FREE: Object = {"metadata": {"finalizers": None}}
BETA = "volume.beta.kubernetes.io/storage-class"

Planter = Callable[[Trial, Random], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Misfeature:
    """Something about a set that is not as it should be.

    Attributes:
        ids: the checks whose refusal it explains.
        forbids: whether preflight has to refuse; if not, it may.
        accepts: the check that a person may accept, and then the set must be migrated.
    """

    name: str
    planter: Planter
    ids: frozenset[str]
    forbids: bool = True
    accepts: str = ""


def _set(patch: Object, undo: Object) -> Planter:
    return lambda trial, _: patched(SET, trial.workload.name, patch, undo)(trial)


def _one_pod(plant: Callable[[str], Plant]) -> Planter:
    return lambda trial, rng: plant(rng.choice(trial.workload.pod_names))(trial)


def _one_claim(plant: Callable[[str], Plant]) -> Planter:
    return lambda trial, rng: plant(rng.choice(trial.workload.claim_names))(trial)


def _annotated(annotations: dict[str, str]) -> Planter:
    return lambda trial, _: annotated(SET, trial.workload.name, annotations)(trial)


def _labelled(labels: dict[str, str]) -> Planter:
    return lambda trial, _: labelled(SET, trial.workload.name, labels)(trial)


def _other_pod(claim: str) -> Plant:
    """It asks for a node that there is not, and holds the claim all the same."""
    spec: Object = {
        "containers": [{"name": "backup", "image": "lab/any:1"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        "nodeSelector": {"no": "node"},
    }
    return created({"apiVersion": "v1", "kind": POD, "metadata": {"name": "other"}, "spec": spec})


def _resizing(claim: str) -> Plant:
    conditions = [{"type": "Resizing", "status": "True"}]
    patch: Object = {"status": {"conditions": conditions}}
    return patched(CLAIM, claim, patch, {"status": {"conditions": None}}, subresource="status")


def _claim_held(claim: str) -> Plant:
    own = "kubernetes.io/pvc-protection"
    held: Object = {"metadata": {"finalizers": [own, "shop.example/hold"]}}
    return patched(CLAIM, claim, held, {"metadata": {"finalizers": [own]}})


def _on_volume(patch: Object, undo: Object) -> Planter:
    def plant(trial: Trial, rng: Random) -> AbstractContextManager[None]:
        name = volume_of(trial, rng.choice(trial.workload.claim_names))
        return _while_there("PersistentVolume", name, patch, undo)(trial)

    return plant


def _while_there(kind: str, name: str, patch: Object, undo: Object) -> Plant:
    """A patch of what the migration may have taken away when it is to be undone."""

    @contextmanager
    def plant(trial: Trial) -> Iterator[None]:
        trial.cluster.patch(kind, name, patch)
        try:
            yield
        finally:
            with suppress_not_found():
                trial.cluster.patch(kind, name, undo)

    return plant


def _budget_without_room(trial: Trial, _: Random) -> AbstractContextManager[None]:
    spec = {"maxUnavailable": 0, "selector": {"matchLabels": trial.workload.labels}}
    body: Object = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
    body |= {"metadata": {"name": "no-room"}, "spec": spec}
    return created(body, ready=_counted)(trial)


def _counted(trial: Trial) -> bool:
    found = trial.cluster.get("PodDisruptionBudget", "no-room", trial.workload.namespace)
    return bool(found.get("status", {}).get("observedGeneration"))


def _greedy_replica_set(trial: Trial, _: Random) -> AbstractContextManager[None]:
    labels = trial.workload.labels
    template = {
        "metadata": {"labels": labels | {"other": "yes"}},
        "spec": {"containers": [{"name": "other", "image": "lab/any:1"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    body: Object = {"apiVersion": "apps/v1", "kind": "ReplicaSet"}
    return created(body | {"metadata": {"name": "greedy"}, "spec": spec})(trial)


@contextmanager
def _owned(trial: Trial, _: Random) -> Iterator[None]:
    """By a controller that stands; the garbage collector takes along what has none left."""
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "operator"}}
    with created(body)(trial):
        uid = trial.cluster.get("ConfigMap", "operator", trial.workload.namespace)["metadata"][
            "uid"
        ]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "operator", "uid": uid}
        owned: Object = {"metadata": {"ownerReferences": [owner | {"controller": True}]}}
        free: Object = {"metadata": {"ownerReferences": None}}
        with patched(SET, trial.workload.name, owned, free)(trial):
            yield


@contextmanager
def _second_volume(trial: Trial, rng: Random) -> Iterator[None]:
    """Another volume on the same VMDK, for a claim that is not there."""
    first = trial.cluster.get(
        "PersistentVolume", volume_of(trial, rng.choice(trial.workload.claim_names))
    )
    name = f"second-{trial.workload.namespace}"
    reference = {"namespace": "default", "name": name}
    spec = first["spec"] | {"claimRef": reference, "persistentVolumeReclaimPolicy": "Retain"}
    body: Object = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}}
    with created(body | {"spec": spec})(trial):
        yield


@contextmanager
def not_ready(trial: Trial, rng: Random) -> Iterator[None]:
    """One of its pods."""
    name, space = rng.choice(trial.workload.pod_names), trial.workload.namespace
    before = trial.cluster.get(POD, name, space)["status"]["conditions"]
    now = [c | ({"status": "False"} if c["type"] == "Ready" else {}) for c in before]
    for conditions in (now, before):
        patch: Object = {"status": {"conditions": conditions}}
        trial.cluster.patch(POD, name, patch, space, "status")
        if conditions is now:
            yield


def _retemplated(trial: Trial) -> None:
    template = {"metadata": {"annotations": {"rolled": "half"}}}
    name, space = trial.workload.name, trial.workload.namespace
    trial.cluster.patch(SET, name, {"spec": {"template": template}}, space)


@contextmanager
def _half_rolled_out(trial: Trial, _: Random) -> Iterator[None]:
    """Only the highest replica runs the new revision; with one replica none does."""
    last = trial.workload.first_ordinal + trial.workload.replicas - 1
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": max(last, 1)}}
    name, space = trial.workload.name, trial.workload.namespace
    trial.cluster.patch(SET, name, {"spec": {"updateStrategy": rolling}}, space)
    _retemplated(trial)
    until("a second revision", lambda: _is_split(trial))
    yield


@contextmanager
def _old_pods(trial: Trial, _: Random) -> Iterator[None]:
    """OnDelete, and nobody has deleted a pod since the last change of the template."""
    name, space = trial.workload.name, trial.workload.namespace
    on_delete: Object = {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}
    trial.cluster.patch(SET, name, {"spec": on_delete}, space)
    _retemplated(trial)
    until("a second revision", lambda: _is_split(trial))
    yield


ROLL_OUTS = (_half_rolled_out, _old_pods)


def settled(trial: Trial) -> bool:
    """Whether the controllers of the set and of its budgets have nothing more to do."""
    found = trial.statefulset()
    status, spec = found["status"], found["spec"]
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    whole = status.get("availableReplicas", 0) == spec["replicas"] and trial.ready()
    budgets = trial.cluster.list("PodDisruptionBudget", trial.workload.namespace)
    healthy = (one.get("status", {}).get("currentHealthy") == spec["replicas"] for one in budgets)
    return seen and whole and all(healthy)


def _is_split(trial: Trial) -> bool:
    status = trial.statefulset()["status"]
    return status["currentRevision"] != status["updateRevision"] and settled(trial)


@contextmanager
def _disk_moved(trial: Trial, rng: Random) -> Iterator[None]:
    """Somebody renamed the VMDK behind vCenter's back."""
    claim = rng.choice(trial.workload.claim_names)
    flat = flat_file(trial.lab.layout, _path(trial, claim))
    assert flat is not None
    descriptor = flat.with_name(flat.name.replace("-flat.vmdk", ".vmdk"))
    away = descriptor.with_suffix(".away")
    descriptor.rename(away)
    try:
        yield
    finally:
        away.rename(descriptor)


def _path(trial: Trial, claim: str) -> str:
    return str(trial.volumes()[claim]["spec"]["vsphereVolume"]["volumePath"])


def _one(*ids: str) -> frozenset[str]:
    return frozenset(ids)


_DELETED: Object = {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}}
_KEPT: Object = {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain"}}}
_BETA_CLASS: Object = {"metadata": {"annotations": {BETA: "standard"}}}
_NO_BETA_CLASS: Object = {"metadata": {"annotations": {BETA: None}}}
_SHARED: Object = {"spec": {"accessModes": ["ReadWriteOnce", "ReadWriteMany"]}}
_ALONE: Object = {"spec": {"accessModes": ["ReadWriteOnce"]}}
_ARGO = {"argocd.argoproj.io/tracking-id": "shop:web"}
_FLUX = {"kustomize.toolkit.fluxcd.io/name": "shop"}
_OPERATOR = {"app.kubernetes.io/managed-by": "cnpg-operator"}

# A check that is new belongs into the row of what it refuses.
TABLE = [
    Misfeature("claims deleted with a replica", _set(_DELETED, _KEPT), _one("claim-retention")),
    Misfeature("finalizer on the set", _set(HOLD, FREE), _one("set-finalizers")),
    Misfeature("controller owns the set", _owned, _one("set-owner")),
    Misfeature(
        "finalizer on a pod",
        _one_pod(lambda n: patched(POD, n, HOLD, FREE)),
        _one("pod-finalizers"),
    ),
    Misfeature("pod not Ready", not_ready, _one("replicas-ready", "disruption-budget")),
    Misfeature("other pod on a claim", _one_claim(_other_pod), _one("claims-unshared")),
    Misfeature("claim being resized", _one_claim(_resizing), _one("claims-settled")),
    Misfeature("finalizer on a claim", _one_claim(_claim_held), _one("volume-finalizers")),
    Misfeature("budget without room", _budget_without_room, _one("disruption-budget")),
    Misfeature("ReplicaSet that would adopt", _greedy_replica_set, _one("selector-overlap")),
    Misfeature("second volume on a VMDK", _second_volume, _one("volume-paths")),
    Misfeature("volume for many nodes", _on_volume(_SHARED, _ALONE), _one("access-modes")),
    Misfeature("half rolled out", _half_rolled_out, _one("set-steady", "revisions-equal")),
    Misfeature("OnDelete with old pods", _old_pods, _one("revisions-equal", "set-steady"), False),
    Misfeature("VMDK renamed", _disk_moved, _one("disks-found", "disks-catalog", "disks-size")),
    Misfeature("Argo CD", _annotated(_ARGO), _one("gitops"), accepts="gitops"),
    Misfeature("Flux", _labelled(_FLUX), _one("gitops"), accepts="gitops"),
    Misfeature("operator", _labelled(_OPERATOR), _one("operator"), accepts="operator"),
    # These three are nothing that keeps a set from being migrated.
    Misfeature("beta class of a volume", _on_volume(_BETA_CLASS, _NO_BETA_CLASS), _one(), False),
    Misfeature("Helm", _annotated({"meta.helm.sh/release-name": "shop"}), _one(), False),
    Misfeature(
        "mount options",
        _on_volume({"spec": {"mountOptions": ["noatime"]}}, {"spec": {"mountOptions": None}}),
        _one(),
        False,
    ),
]

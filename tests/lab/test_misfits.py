"""Sets that are not fit to be migrated, or that a person should know something about first:
preflight names exactly that. All on one healthy set, which is left as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.client import ApiError, Object
from lab.waiting import until
from tests.lab.labkit import Trial
from tests.lab.misfitkit import (
    Misfit,
    annotated,
    assert_named,
    created,
    labelled,
    misfit,
    named,
    nothing,
    on_volume,
    patched,
    settle,
)

CLAIM, SET, POD = "PersistentVolumeClaim", "StatefulSet", "Pod"
HOLD = {"metadata": {"finalizers": ["shop.example/hold"]}}
FREE: Object = {"metadata": {"finalizers": None}}
OF_CLASS = "standard-rwo.storageclass.storage.k8s.io/"
LABELS = {"app": "web"}


def body(version: str, kind: str, name: str, **fields: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def replica_set(replicas: int) -> Object:
    container = {"name": "other", "image": "lab/writer:1"}
    labels = LABELS | {"tier": "other"}
    return {
        "replicas": replicas,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }


@contextmanager
def partition(made: Trial) -> Iterator[None]:
    """Its rollouts stop half-way."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    with patched(SET, "web", {"spec": {"updateStrategy": rolling}}, _WHOLE)(made):
        yield


_WHOLE: Object = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}


@contextmanager
def half_rolled_out(made: Trial) -> Iterator[None]:
    """Only the highest replica runs the new revision."""
    strategy = {"rollingUpdate": {"partition": 1}}
    template = {"metadata": {"annotations": {"rolled": "half"}}}
    made.cluster.patch(
        SET, "web", {"spec": {"updateStrategy": strategy, "template": template}}, _space(made)
    )
    try:
        until("half rolled out", lambda: _updated(made) == 1 and made.ready())
        yield
    finally:
        back = {"metadata": {"annotations": {"rolled": None}}}
        # At once: in between, its controller would begin with the other replica.
        whole = {"spec": _WHOLE["spec"] | {"template": back}}
        made.cluster.patch(SET, "web", whole, _space(made))
        until("rolled back", lambda: _is_at_rest(made))


def _space(made: Trial) -> str:
    return made.workload.namespace


def _updated(made: Trial) -> int:
    status = made.statefulset()["status"]
    return int(status.get("updatedReplicas", 0))


def _is_at_rest(made: Trial) -> bool:
    settle(made)
    status = made.statefulset()["status"]
    whole = status.get("updatedReplicas", 0) == made.workload.replicas
    return whole and status["currentRevision"] == status["updateRevision"] and all_counted(made)


def all_counted(made: Trial) -> bool:
    return made.ready() and made.available()


def counted(made: Trial) -> bool:
    budgets = made.cluster.list("PodDisruptionBudget", _space(made))
    return all(b.get("status", {}).get("disruptionsAllowed") == 1 for b in budgets)


def quota_counted(made: Trial) -> bool:
    found = made.cluster.get("ResourceQuota", "room", _space(made))
    return "hard" in found.get("status", {})


@contextmanager
def owned_claim(made: Trial) -> Iterator[None]:
    with owned(made, CLAIM, "data-web-0"):
        yield


@contextmanager
def owned_set(made: Trial) -> Iterator[None]:
    with owned(made, SET, "web", controller=True):
        yield


@contextmanager
def owned(made: Trial, kind: str, name: str, *, controller: bool = False) -> Iterator[None]:
    """By something that stands: the garbage collector takes along what has no owner left."""
    with created(body("v1", "ConfigMap", "tenant"))(made):
        uid = made.cluster.get("ConfigMap", "tenant", _space(made))["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "tenant", "uid": uid}
        patch = {"metadata": {"ownerReferences": [owner | {"controller": controller}]}}
        with patched(kind, name, patch, {"metadata": {"ownerReferences": None}})(made):
            yield


@contextmanager
def debugged(made: Trial) -> Iterator[None]:
    """An ephemeral container never goes again; only a new pod is without it."""
    debugger = {"name": "debugger", "image": "lab/writer:1"}
    before = made.cluster.get(POD, "web-1", _space(made))["metadata"]["uid"]
    patch = {"spec": {"ephemeralContainers": [debugger]}}
    made.cluster.patch(POD, "web-1", patch, _space(made), "ephemeralcontainers")
    try:
        yield
    finally:
        made.cluster.delete(POD, "web-1", _space(made))
        until("a pod without it", lambda: _is_another(made, before) and all_counted(made))


def _is_another(made: Trial, uid: str) -> bool:
    found = made.cluster.find(POD, "web-1", _space(made))
    return found is not None and found["metadata"]["uid"] != uid


@contextmanager
def snapshot_begun(made: Trial) -> Iterator[None]:
    """In a cluster that has VolumeSnapshots, which the lab's has not."""
    source = {"source": {"persistentVolumeClaimName": "data-web-0"}}
    one = body("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "nightly", spec=source)
    with created(SNAPSHOTS, ready=_snapshots_served)(made), created(one)(made):
        yield


def _snapshots_served(made: Trial) -> bool:
    try:
        return made.cluster.list("VolumeSnapshot", _space(made)) == []
    except ApiError:
        return False


TOOL = "statefulset-csi-migration-tool"
BACKUP = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "csi-migration-web-backup-0",
        "labels": {"app.kubernetes.io/managed-by": TOOL},
        "annotations": {f"{TOOL}/statefulset": "web", f"{TOOL}/chunk": "0"},
    },
}
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SNAPSHOTS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "volumesnapshots.snapshot.storage.k8s.io",
        # Without it no such definition is taken in a group under k8s.io.
        "annotations": {"api-approved.kubernetes.io": "unapproved, of a test"},
    },
    "spec": {
        "group": "snapshot.storage.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "VolumeSnapshot", "plural": "volumesnapshots"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": _ANYTHING},
            }
        ],
    },
}
BUDGET = {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}}
ROOM = {"hard": {f"{OF_CLASS}persistentvolumeclaims": "1"}}
OTHER_POD = {
    "containers": [{"name": "backup", "image": "lab/writer:1"}],
    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}],
    "nodeSelector": {"no": "node"},
}
SCALER = {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": SET, "name": "web"},
    "minReplicas": 2,
    "maxReplicas": 3,
}
FLUX = "kustomize.toolkit.fluxcd.io/"
BETA = "volume.beta.kubernetes.io/storage-class"
SECOND = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "64Mi"}},
    "storageClassName": "standard",
    "volumeName": "not-there",
}

MISFITS = [
    misfit("update-strategy partition", partition),
    misfit(
        "set-steady half rolled out",
        half_rolled_out,
        "set-steady",
        "revisions-equal",
        "update-strategy",
    ),
    misfit(
        "claim-retention whenScaled",
        patched(
            SET,
            "web",
            {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}},
            {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain"}}},
        ),
    ),
    misfit("set-finalizers", patched(SET, "web", HOLD, FREE)),
    misfit("window run", nothing, options=("--window", "run")),
    misfit(
        "selector-overlap with a ReplicaSet",
        created(body("apps/v1", "ReplicaSet", "other", spec=replica_set(0))),
    ),
    misfit("pod-finalizers", patched(POD, "web-0", HOLD, FREE)),
    misfit("pods-as-template label", labelled(POD, "web-0", {"role": "primary"})),
    misfit("pods-as-template ephemeral container", debugged),
    misfit("set-owner a controller", owned_set),
    misfit("volume-snapshots one begun", snapshot_begun),
    misfit("unfinished-migration by its backup", created(BACKUP)),
    misfit(
        "operator by its label",
        labelled(SET, "web", {"app.kubernetes.io/managed-by": "cnpg-operator"}),
    ),
    misfit("gitops Argo CD", annotated(SET, "web", {"argocd.argoproj.io/tracking-id": "shop:web"})),
    misfit(
        "gitops Flux", labelled(SET, "web", {f"{FLUX}name": "shop", f"{FLUX}namespace": "flux"})
    ),
    misfit("helm", annotated(SET, "web", {"meta.helm.sh/release-name": "shop"})),
    misfit(
        "disruption-budget without room",
        patched(
            "PodDisruptionBudget",
            "web",
            {"spec": {"maxUnavailable": 0}},
            {"spec": {"maxUnavailable": 1}},
        ),
    ),
    misfit(
        "budgets-apart two budgets",
        created(body("policy/v1", "PodDisruptionBudget", "second", spec=BUDGET), ready=counted),
    ),
    misfit(
        "autoscaler",
        created(body("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=SCALER)),
    ),
    misfit("working-directory", nothing, options=("--working-directory", "/dev/null")),
    misfit("classes misspelt", nothing, options=("--csi-storageclass", "standard-rwx")),
    misfit(
        "classes swapped",
        nothing,
        "classes",
        "volumes-class",
        "template-classes",
        options=("--intree-storageclass", "standard-rwo", "--csi-storageclass", "standard"),
    ),
    misfit(
        "volumes-class of a class that is not there",
        nothing,
        "classes",
        "volumes-class",
        "template-classes",
        options=("--intree-storageclass", "no-such-class"),
    ),
    misfit("claims-unshared", created(body("v1", POD, "backup", spec=OTHER_POD))),
    misfit(
        "claims-settled being resized",
        patched(
            CLAIM,
            "data-web-0",
            {"status": {"conditions": [{"type": "Resizing", "status": "True"}]}},
            {"status": {"conditions": None}},
            subresource="status",
        ),
    ),
    misfit(
        "volume-finalizers of a claim",
        patched(
            CLAIM,
            "data-web-0",
            {"metadata": {"finalizers": ["kubernetes.io/pvc-protection", "shop.example/hold"]}},
            {"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}},
        ),
    ),
    misfit(
        "beta-class",
        on_volume(
            "data-web-0",
            {"metadata": {"annotations": {BETA: "standard"}}},
            {"metadata": {"annotations": {BETA: None}}},
        ),
    ),
    misfit(
        "mount-options",
        on_volume(
            "data-web-0", {"spec": {"mountOptions": ["noatime"]}}, {"spec": {"mountOptions": None}}
        ),
    ),
    misfit("claim-owners", owned_claim),
    misfit("leftover-claims", created(body("v1", CLAIM, "data-web-7", spec=SECOND))),
    misfit(
        "class-quota for one of two claims",
        created(body("v1", "ResourceQuota", "room", spec=ROOM), ready=quota_counted),
    ),
    misfit(
        "class-expansion",
        patched(
            "StorageClass",
            "standard-rwo",
            {"allowVolumeExpansion": False},
            {"allowVolumeExpansion": True},
        ),
    ),
    misfit(
        "unfinished-migration by its Lease",
        created(
            body(
                "coordination.k8s.io/v1",
                "Lease",
                "csi-migration-web",
                spec={
                    "holderIdentity": "someone@elsewhere",
                    "leaseDurationSeconds": 3600,
                    "acquireTime": "2126-01-01T00:00:00.000000Z",
                    "renewTime": "2126-01-01T00:00:00.000000Z",
                },
            )
        ),
    ),
]


@pytest.mark.parametrize("each", MISFITS, ids=lambda each: each.name)
def test_preflight_names_exactly_the_misfit(healthy: Trial, usual: set[str], each: Misfit) -> None:
    assert_named(healthy, each, usual)


def test_a_paused_flux_does_not_forbid_the_migration(healthy: Trial) -> None:
    marks = {f"{FLUX}name": "shop", f"{FLUX}reconcile": "disabled"}
    with labelled(SET, "web", marks)(healthy):
        run = healthy.preflight("-o", "json")

    assert run.exit_code == 0, str(run)
    told = [one for one in json.loads(run.stdout)["findings"] if one["id"] == "gitops"]
    assert [one["severity"] for one in told] == ["warning"]


def test_another_set_with_the_same_labels_is_no_misfit(healthy: Trial, usual: set[str]) -> None:
    other = body("apps/v1", SET, "other", spec=replica_set(0) | {"serviceName": "other"})
    with created(other)(healthy):
        run = healthy.preflight("-o", "json")

    assert run.exit_code == 0, str(run)
    assert named(run) == usual

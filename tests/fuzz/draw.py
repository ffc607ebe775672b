"""StatefulSets at random: all that these functions draw is legitimate and must be migrated.

Drawn with `random.Random`: a set is one seed for ever, it costs seconds to try, and it is told
with its manifest. Hypothesis promises no seed its example across versions, and its shrinking
would need hundreds of tries.
"""

from __future__ import annotations

from random import Random
from typing import Any

from lab.client import Object
from lab.manifests import Workload
from lab.vcenter import DATASTORES, REGION, ZONES

NAMES = ("web", "db", "db-0", "web-1-0", "x", "a" * 40, "data-db", "pg-main")
CLAIMS = ("data", "logs", "data-db", "wal-0", "d", "journal")
BETA, GA = "failure-domain.beta.kubernetes.io", "topology.kubernetes.io"
TOPOLOGIES = ("none", "none", "none", "beta-labels", "ga-labels", "beta", "ga")


def workload(rng: Random, namespace: str) -> Workload:
    """A set of one to three replicas, and what stands beside it."""
    name = rng.choice(NAMES)
    labels = {"app": name, **_some(rng, {"tier": "back", "app.kubernetes.io/part-of": "shop"})}
    spec = _set_spec(rng, name, labels)
    metadata = {"name": name, "namespace": namespace, "labels": _some(rng, labels)}
    metadata["annotations"] = _some(rng, {"shop.example/owner": "a", "note": "1: {ü}\n"})
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}
    zones = rng.choice(TOPOLOGIES)
    return Workload.from_manifest(
        made,
        beside=[_service(namespace, name, labels), *_budget(rng, made)],
        reclaim_policy=rng.choice(["Delete", "Retain"]),
        origin=rng.choice(["registered", "registered", "by-path"]),
        datastore=rng.choice(DATASTORES),
        volume_labels=_zone_labels(zones) if zones != "none" else None,
        volume_affinity=_zone_affinity(zones) if zones != "none" else None,
    )


def _set_spec(rng: Random, name: str, labels: dict[str, str]) -> Object:
    claims = rng.sample(CLAIMS, rng.choice([1, 1, 2, 3]))
    templates = [_claim(rng, claim) for claim in claims]
    optional: Object = {
        "podManagementPolicy": rng.choice(["Parallel", "OrderedReady"]),
        "minReadySeconds": rng.choice([0, 1, 2]),
        "revisionHistoryLimit": rng.choice([0, 1, 10]),
        "ordinals": {"start": rng.choice([1, 3, 9])},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "updateStrategy": rng.choice(
            [
                {"type": "OnDelete"},
                {"type": "RollingUpdate"},
                {"type": "RollingUpdate", "rollingUpdate": {"partition": rng.choice([0, 1, 2])}},
            ]
        ),
    }
    extra = _some(rng, {"version": "v1", "shop.example/shard": "0"})
    notes = _some(rng, {"checksum/config": "9f", "prometheus.io/scrape": "true"})
    return {
        "replicas": rng.choice([1, 2, 2, 3]),
        "serviceName": name,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels | extra, "annotations": notes},
            "spec": _pod(rng, templates, labels),
        },
        "volumeClaimTemplates": templates,
        **_some(rng, optional),
    }


def _claim(rng: Random, name: str) -> Object:
    block = rng.random() < 0.15
    return {
        "metadata": {
            "name": name,
            "labels": _some(rng, {"role": "data", "backup": "daily"}),
            "annotations": _some(rng, {"shop.example/tier": "gold"}),
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "standard",
            "resources": {"requests": {"storage": rng.choice(["8Mi", "33Mi", "64Mi", "100Mi"])}},
            **({"volumeMode": "Block"} if block else {}),
        },
    }


def _pod(rng: Random, claims: list[Object], labels: dict[str, str]) -> Object:
    main = _container(rng, "main", claims)
    containers = [
        main,
        *(_container(rng, f"side-{n}", []) for n in range(rng.choice([0, 0, 1, 2]))),
    ]
    optional: Object = {
        "initContainers": [_container(rng, "init", claims, probes=False)],
        "affinity": _affinity(rng, labels),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": rng.choice(["kubernetes.io/hostname", f"{GA}/zone"]),
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ],
        "securityContext": {"fsGroup": 999, "runAsUser": 999},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": "default",
        "automountServiceAccountToken": False,
        "shareProcessNamespace": True,
        "enableServiceLinks": False,
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["old"]}],
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
        "readinessGates": [],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "volumes": _volumes(rng),
        "subdomain": "elsewhere",
        "schedulerName": "default-scheduler",
    }
    return {
        "terminationGracePeriodSeconds": rng.choice([0, 1, 10, 30, 3600]),
        "containers": containers,
        **_some(rng, optional),
    }


def _container(rng: Random, name: str, claims: list[Object], *, probes: bool = True) -> Object:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 5}
    optional: Object = {
        "env": [
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "TEXT", "value": "a $(POD) 'b' \"c\" ü\n"},
        ],
        "resources": {"requests": {"cpu": "0.1", "memory": "1024Mi"}, "limits": {"cpu": "1500m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "command": ["sh", "-c", "sleep 1"],
        "workingDir": "/srv",
    }
    if probes:
        optional |= {
            "readinessProbe": probe,
            "livenessProbe": probe | {"timeoutSeconds": 3},
            "lifecycle": {"preStop": {"exec": {"command": ["drain"]}}},
            "ports": [{"containerPort": 80 + sum(name.encode()), "name": name[:15]}],
        }
    block = [each for each in claims if each["spec"].get("volumeMode") == "Block"]
    mounted = [each for each in claims if each not in block]
    return {
        "name": name,
        "image": "lab/any:1",
        "volumeMounts": [_mount(rng, each["metadata"]["name"]) for each in mounted],
        "volumeDevices": [
            {"name": each["metadata"]["name"], "devicePath": f"/dev/{each['metadata']['name']}"}
            for each in block
        ],
        **_some(rng, optional),
    }


def _mount(rng: Random, claim: str) -> Object:
    return {"name": claim, "mountPath": f"/mnt/{claim}", **_some(rng, {"subPath": "inner"})}


def _affinity(rng: Random, labels: dict[str, str]) -> Object:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}
    if rng.random() < 0.5:
        return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    weighted = [{"weight": 10, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}


def _volumes(rng: Random) -> list[Object]:
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 7200}}
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    found: list[Object] = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "conf", "configMap": {"name": "kube-root-ca.crt", "optional": True}},
        {"name": "own", "projected": {"sources": [token, {"downwardAPI": {"items": [labels]}}]}},
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
    ]
    return rng.sample(found, rng.choice([1, 2, 4]))


def _service(namespace: str, name: str, labels: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": "None", "selector": labels, "ports": [{"port": 80}]},
    }


def _budget(rng: Random, statefulset: Object) -> list[Object]:
    spec = statefulset["spec"]
    rooms: list[Object] = [{"maxUnavailable": 1}, {"minAvailable": spec["replicas"] - 1}]
    if rng.random() < 0.4:
        return []
    return [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {
                "name": "budget",
                "namespace": statefulset["metadata"]["namespace"],
            },
            "spec": {**rng.choice(rooms), "selector": spec["selector"]},
        }
    ]


def _zone_labels(kind: str) -> Any:
    prefix = BETA if kind.startswith("beta") else GA

    def labels(ordinal: int) -> dict[str, str]:
        return {f"{prefix}/zone": ZONES[ordinal % 3], f"{prefix}/region": REGION}

    return labels


def _zone_affinity(kind: str) -> Any:
    """Volumes that carry labels alone were made before there was any affinity."""
    if kind.endswith("labels"):
        return None

    # Nodes of today bear the new labels only; a volume of the beta label fits none of them.
    def affinity(ordinal: int) -> Object:
        wanted = {"key": f"{GA}/zone", "operator": "In", "values": [ZONES[ordinal % 3]]}
        return {"required": {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}

    return affinity


def _some(rng: Random, choices: dict[str, Any]) -> dict[str, Any]:
    """Each of them or not."""
    return {key: value for key, value in choices.items() if rng.random() < 0.4}

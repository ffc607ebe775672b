"""A cluster full of pods that never ran: copies of one replica that did.

The first replica is brought to life by the lab; what it left in the API server is copied
for every other one, with names, uids and paths of its own. Whoever reads the objects
can't tell the copies from replicas that the controllers made.
"""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_DNS, uuid4, uuid5

from lab.client import Cluster, Object
from lab.manifests import Workload

_WRITERS = 12
_OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
DISKS_PER_NODE = 50


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is a VM with that uuid."""

    name: str
    uuid: str

    @classmethod
    def numbered(cls, number: int) -> Node:
        """The uuid as VMware shapes it."""
        name = f"crowd-{number}"
        return cls(name, "42" + str(uuid5(NAMESPACE_DNS, name))[2:])


@dataclass(frozen=True, slots=True)
class Disk:
    """A VMDK of the crowd, and the First Class Disk that it is."""

    id: str
    path: str
    claim: str
    namespace: str
    node: Node


@dataclass(frozen=True, slots=True)
class _First:
    """What the API server holds of the replica that lives."""

    pod: Object
    claims: dict[str, Object]
    volumes: dict[str, Object]
    records: dict[str, Object]
    attachments: dict[str, Object]


class Crowd:
    """Copies of the first replica of a set.

    `others` pods with one claim each stand in namespaces of their own, in no set.
    """

    def __init__(self, client: Cluster, work: Workload, replicas: int, others: int) -> None:
        self._client, self._work = client, work
        self._replicas, self._others = replicas, others
        self._first = _first(client, work)
        self.disks: list[Disk] = []

    def gather(self) -> None:
        """Write all of it into the API server; the set claims to have the replicas."""
        names = [f"{self._work.name}-{ordinal}" for ordinal in range(1, self._replicas)]
        spaces = [f"crowd-{number}" for number in range(-(-self._others // 500))]
        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(self._client.create, map(_namespace, spaces)))
            list(pool.map(self._client.create, map(_account, spaces)))
            own = [
                (self._work.namespace, name, self._work.claims, self._node(len(self._work.claims)))
                for name in names
            ]
            rest = [
                (spaces[number // 500], f"other-{number}", self._work.claims[:1], self._node(1))
                for number in range(self._others)
            ]
            list(pool.map(self._create_node, {node.name: node for *_, node in own + rest}.values()))
            list(pool.map(lambda made: self._replica(*made), own + rest))
        self._scale()

    @property
    def nodes(self) -> list[Node]:
        """Every node that holds a disk."""
        return list({disk.node.name: disk.node for disk in self.disks}.values())

    _placed = 0

    def _node(self, disks: int) -> Node:
        node = Node.numbered(self._placed // DISKS_PER_NODE)
        self._placed += disks
        return node

    def _replica(self, namespace: str, pod: str, claims: tuple[str, ...], node: Node) -> None:
        for template in claims:
            self._claim(namespace, f"{template}-{pod}", template, node)
        body = _anew(self._first.pod, pod, namespace)
        body["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = pod
        body["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = pod.rpartition("-")[2]
        if namespace != self._work.namespace:
            del body["metadata"]["labels"], body["metadata"]["ownerReferences"]
        body["spec"] |= {"nodeName": node.name, "hostname": pod}
        kept = []
        for volume in body["spec"]["volumes"]:
            claim = volume.get("persistentVolumeClaim")
            if claim and volume["name"] in claims:
                claim["claimName"] = f"{volume['name']}-{pod}"
            if not claim or volume["name"] in claims:
                kept.append(volume)
        body["spec"]["volumes"] = kept
        mounted = {volume["name"] for volume in kept}
        for container in body["spec"]["containers"]:
            container["volumeMounts"] = [
                mount for mount in container["volumeMounts"] if mount["name"] in mounted
            ]
        self._create(body)

    def _claim(self, namespace: str, name: str, template: str, node: Node) -> None:
        first = f"{template}-{self._work.name}-0"
        uid, disk_id = str(uuid4()), str(uuid4())
        path = f"[{self._work.datastore}] {self._work.folder}/kubernetes-dynamic-pvc-{uid}.vmdk"
        volume_name = f"pvc-{uid}"
        claim = _anew(self._first.claims[first], name, namespace)
        claim["spec"]["volumeName"] = volume_name
        made = self._create(claim)
        volume = _anew(self._first.volumes[first], volume_name)
        volume["spec"]["vsphereVolume"]["volumePath"] = path
        volume["spec"]["claimRef"] = {
            **volume["spec"]["claimRef"],
            "name": name,
            "namespace": namespace,
            "uid": made["metadata"]["uid"],
            "resourceVersion": made["metadata"]["resourceVersion"],
        }
        self._create(volume)
        record = _anew(self._first.records[first], disk_id)
        record["spec"] |= {"volumeid": disk_id, "volumepath": path}
        self._create(record)
        attachment = _anew(self._first.attachments[first], f"csi-{uid}")
        attachment["spec"] |= {
            "nodeName": node.name,
            "source": {"persistentVolumeName": volume_name},
        }
        attachment["metadata"]["annotations"] = {"csi.alpha.kubernetes.io/node-id": node.uuid}
        self._create(attachment)
        self.disks.append(Disk(disk_id, path, name, namespace, node))

    def _create_node(self, node: Node) -> None:
        body = _renamed(self._client.get("Node", "node-1"), "node-1", node.name)
        body["spec"]["providerID"] = f"vsphere://{node.uuid}"
        body["status"]["nodeInfo"]["systemUUID"] = node.uuid
        for key in ("volumesInUse", "volumesAttached"):
            body["status"].pop(key, None)
        made = self._create(body)
        driver = _renamed(self._client.get("CSINode", "node-1"), "node-1", node.name)
        driver["metadata"]["ownerReferences"][0]["uid"] = made["metadata"]["uid"]
        driver["spec"]["drivers"][0]["nodeID"] = node.uuid
        self._create(driver)

    def _create(self, body: Object) -> Object:
        """With its status, which a create alone leaves out."""
        made = self._client.create(body)
        if status := body.get("status"):
            metadata = made["metadata"]
            self._client.patch(
                body["kind"],
                metadata["name"],
                {"status": status},
                metadata.get("namespace", ""),
                subresource="status",
            )
        return made

    def _scale(self) -> None:
        name, namespace = self._work.name, self._work.namespace
        patch: Any = {"spec": {"replicas": self._replicas}}
        scaled = self._client.patch("StatefulSet", name, patch, namespace)
        counts = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")
        status = dict.fromkeys((*counts, "availableReplicas"), self._replicas)
        status["observedGeneration"] = scaled["metadata"]["generation"]
        patch = {"status": status}
        self._client.patch("StatefulSet", name, patch, namespace, subresource="status")


def _first(client: Cluster, work: Workload) -> _First:
    pod = client.get("Pod", f"{work.name}-0", work.namespace)
    claims = {
        f"{template}-{work.name}-0": client.get(
            "PersistentVolumeClaim", f"{template}-{work.name}-0", work.namespace
        )
        for template in work.claims
    }
    volumes = {
        name: client.get("PersistentVolume", claim["spec"]["volumeName"])
        for name, claim in claims.items()
    }
    records = {one["spec"]["volumepath"]: one for one in client.list("CnsVSphereVolumeMigration")}
    attachments = {
        one["spec"]["source"]["persistentVolumeName"]: one | _TYPE
        for one in client.list("VolumeAttachment")
    }
    return _First(
        pod=pod,
        claims=claims,
        volumes=volumes,
        records={n: records[v["spec"]["vsphereVolume"]["volumePath"]] for n, v in volumes.items()},
        attachments={n: attachments[v["metadata"]["name"]] for n, v in volumes.items()},
    )


_TYPE = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment"}


def _anew(found: Object, name: str, namespace: str = "") -> Object:
    body = copy.deepcopy(found)
    for field in _OF_THE_SERVER:
        body["metadata"].pop(field, None)
    body["metadata"]["name"] = name
    if namespace:
        body["metadata"]["namespace"] = namespace
    return body


def _renamed(found: Object, old: str, new: str) -> Object:
    body: Object = json.loads(json.dumps(found).replace(f'"{old}"', f'"{new}"'))
    return _anew(body, new)


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _account(namespace: str) -> Object:
    """Every pod has one, and the controller that makes them is stopped."""
    metadata = {"name": "default", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}

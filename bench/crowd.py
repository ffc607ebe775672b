"""A cluster full of pods that never ran: copies of one replica that did.

The first replica is brought to life by the lab; what it left in the API server is copied
for every other one, with names, uids and paths of its own. Whoever reads the objects
can't tell the copies from replicas that the controllers made.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_DNS, uuid4, uuid5

from lab.client import Cluster, Object
from lab.manifests import Workload

_WRITERS = 12
_OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_PODS_PER_NAMESPACE = 500
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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a copy goes; `claims` are the templates of its claims."""

    namespace: str
    pod: str
    claims: tuple[str, ...]
    node: Node


class Crowd:
    """Copies of the first replica of a set.

    `others` pods with one claim each stand in namespaces of their own, in no set; nodes are
    made from `first_node` on.
    """

    def __init__(
        self, client: Cluster, work: Workload, replicas: int, others: int, first_node: int = 0
    ) -> None:
        self._client, self._work = client, work
        self._replicas, self._others = replicas, others
        self._first = _first(client, work)
        self._placed = first_node * DISKS_PER_NODE
        self.disks: list[Disk] = []

    def gather(self) -> None:
        """Write all of it into the API server; the set claims to have the replicas."""
        places = [*self._of_the_set(), *self._of_others()]
        spaces = sorted({each.namespace for each in places} - {self._work.namespace})
        nodes = {each.node.name: each.node for each in places}
        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(self._client.create, map(_namespace, spaces)))
            list(pool.map(self._client.create, map(_account, spaces)))
            list(pool.map(self._create_node, nodes.values()))
            list(pool.map(self._replica, places))
        self._scale()

    def _of_the_set(self) -> Iterator[_Place]:
        claims = self._work.claims
        for ordinal in range(1, self._replicas):
            pod = f"{self._work.name}-{ordinal}"
            yield _Place(self._work.namespace, pod, claims, self._node(len(claims)))

    def _of_others(self) -> Iterator[_Place]:
        for number in range(self._others):
            namespace = f"crowd-{number // _PODS_PER_NAMESPACE}"
            yield _Place(namespace, f"other-{number}", self._work.claims[:1], self._node(1))

    def _node(self, disks: int) -> Node:
        node = Node.numbered(self._placed // DISKS_PER_NODE)
        self._placed += disks
        return node

    def _replica(self, place: _Place) -> None:
        for template in place.claims:
            self._claim(place, template)
        body = _anew(self._first.pod, place.pod, place.namespace)
        metadata, spec = body["metadata"], body["spec"]
        if place.namespace == self._work.namespace:
            metadata["labels"]["statefulset.kubernetes.io/pod-name"] = place.pod
            metadata["labels"]["apps.kubernetes.io/pod-index"] = place.pod.rpartition("-")[2]
        else:
            del metadata["labels"], metadata["ownerReferences"]
        spec |= {"nodeName": place.node.name, "hostname": place.pod}
        spec["volumes"] = list(_volumes(spec["volumes"], place))
        _unmount_others(spec)
        self._create(body)

    def _claim(self, place: _Place, template: str) -> None:
        first, name = f"{template}-{self._work.name}-0", f"{template}-{place.pod}"
        uid, disk_id = str(uuid4()), str(uuid4())
        path = f"[{self._work.datastore}] {self._work.folder}/kubernetes-dynamic-pvc-{uid}.vmdk"
        claim = _anew(self._first.claims[first], name, place.namespace)
        claim["spec"]["volumeName"] = f"pvc-{uid}"
        volume = _anew(self._first.volumes[first], f"pvc-{uid}")
        volume["spec"]["vsphereVolume"]["volumePath"] = path
        volume["spec"]["claimRef"] |= _reference(self._create(claim))
        self._create(volume)
        record = _anew(self._first.records[first], disk_id)
        record["spec"] |= {"volumeid": disk_id, "volumepath": path}
        self._create(record)
        self._attach(self._first.attachments[first], uid, place.node)
        self.disks.append(Disk(disk_id, path, name, place.namespace, place.node))

    def _attach(self, first: Object, uid: str, node: Node) -> None:
        body = _anew(first, f"csi-{uid}")
        body["spec"] |= {"nodeName": node.name, "source": {"persistentVolumeName": f"pvc-{uid}"}}
        body["metadata"]["annotations"] = {"csi.alpha.kubernetes.io/node-id": node.uuid}
        self._create(body)

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


def _volumes(volumes: list[Object], place: _Place) -> Iterator[Object]:
    """Without those of claims that the copy has not."""
    for volume in volumes:
        claim = volume.get("persistentVolumeClaim")
        if not claim:
            yield volume
        elif volume["name"] in place.claims:
            yield volume | {"persistentVolumeClaim": {"claimName": f"{volume['name']}-{place.pod}"}}


def _unmount_others(spec: Object) -> None:
    there = {volume["name"] for volume in spec["volumes"]}
    for container in spec["containers"]:
        mounts = container["volumeMounts"]
        container["volumeMounts"] = [mount for mount in mounts if mount["name"] in there]


def _reference(claim: Object) -> Object:
    return {key: claim["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}


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

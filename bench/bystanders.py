"""A cluster that becomes crowded while everything in it goes on working.

Unlike the crowd of `bench.crowd`, whose controllers are stopped, these objects concern no part
of the lab: pods that no scheduler takes, attachments of another driver, VMs without a disk.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from bench.crowd import Node
from lab import cluster, processes
from lab.client import Cluster, Object
from lab.facts import Facts
from lab.layout import Layout

_WRITERS = 12
_ELSEWHERE = "bystanders"
_DRIVER = "bystander.example.com"


def gather(layout: Layout, known: Facts, client: Cluster, namespace: str, number: int) -> None:
    """So many pods, half of them in that namespace, as many VolumeAttachments and VMs."""
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _ELSEWHERE}})
    client.create(_account())
    pods = [_pod(each, (namespace, _ELSEWHERE)[each % 2]) for each in range(number)]
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(client.create, [*pods, *map(_attachment, range(number))]))
    _add_machines(layout, known, number)


def _account() -> Object:
    metadata = {"name": "default", "namespace": _ELSEWHERE}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _pod(number: int, namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"bystander-{number}", "namespace": namespace},
        "spec": {
            "schedulingGates": [{"name": f"{_DRIVER}/never"}],
            "containers": [{"name": "idle", "image": "idle"}],
        },
    }


def _attachment(number: int) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": f"bystander-{number}"},
        "spec": {
            "attacher": _DRIVER,
            "nodeName": "node-1",
            "source": {"persistentVolumeName": f"bystander-{number}"},
        },
    }


def _add_machines(layout: Layout, known: Facts, number: int) -> None:
    """They are read as vCenter starts."""
    processes.stop([known.part("vcenter")])
    config = layout.vcenter / "config.json"
    content = json.loads(config.read_text())
    nodes = map(Node.numbered, range(number))
    content["nodes"] += [{"name": node.name, "uuid": node.uuid} for node in nodes]
    config.write_text(json.dumps(content))
    forget_inventory(layout)
    cluster.restart(layout, "vcenter")


def forget_inventory(layout: Layout) -> None:
    """Let vCenter take its VMs, which are more than it had, as those of a first start."""
    catalog = layout.vcenter / "catalog.json"
    content = json.loads(catalog.read_text()) | {"starts": 0, "inventory": {}}
    catalog.write_text(json.dumps(content))

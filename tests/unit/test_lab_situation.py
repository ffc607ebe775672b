"""Whoever waits in vain in the lab is told how the namespace stands."""

from __future__ import annotations

from typing import cast

import pytest
import urllib3

from lab.client import Cluster, Object
from lab.situation import told

FOUND: dict[str, list[Object]] = {
    "PersistentVolumeClaim": [{"metadata": {"name": "data-0"}, "status": {"phase": "Bound"}}],
    "Pod": [
        {
            "metadata": {"name": "web-0", "deletionTimestamp": "now"},
            "spec": {},
            "status": {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes",
                    }
                ],
            },
        }
    ],
    "Node": [
        {
            "metadata": {"name": "node-1"},
            "spec": {"taints": [{"key": "unreachable"}]},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
        }
    ],
    "VolumeAttachment": [
        {
            "metadata": {"name": "csi-1"},
            "spec": {"source": {"persistentVolumeName": "pv-0"}, "nodeName": "node-1"},
            "status": {"attached": False},
        }
    ],
    "Event": [
        {
            "involvedObject": {"kind": "Pod", "name": "web-0"},
            "eventTime": "10:00",
            "reason": "FailedScheduling",
            "message": "no node",
        }
    ],
}


class Answers:
    def list(self, kind: str, _namespace: str = "") -> list[Object]:
        return FOUND[kind]


class Silence:
    def list(self, _kind: str, _namespace: str = "") -> list[Object]:
        raise urllib3.exceptions.HTTPError("refused")


def waited_in_vain(cluster: object) -> list[str]:
    with pytest.raises(TimeoutError) as raised, told(cast(Cluster, cluster), "shop"):
        raise TimeoutError("not seen: web Ready")
    return str(raised.value).splitlines()


def test_a_timeout_says_how_the_namespace_stands() -> None:
    assert waited_in_vain(Answers()) == [
        "not seen: web Ready",
        "claim data-0: Bound",
        "pod web-0 on no node: Pending, PodScheduled=False (Unschedulable: 0/3 nodes), going",
        "node node-1: taints ['unreachable'], Ready=Unknown",
        "pv-0 on node-1: {'attached': False}",
        "10:00 Pod web-0: FailedScheduling: no node",
    ]


def test_a_timeout_is_told_also_when_the_api_server_does_not_answer() -> None:
    assert waited_in_vain(Silence()) == [
        "not seen: web Ready",
        "the API server does not say how shop stands: refused",
    ]

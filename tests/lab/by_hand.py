"""Follows the README of a working directory, command by command, without the tool."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from lab.client import Cluster, suppress_not_found
from lab.waiting import until
from lab.workload import pod_ready
from tests.lab.labkit import Trial
from tests.lab.scene import is_registered

_KINDS = {
    "pod": "Pod",
    "pv": "PersistentVolume",
    "pvc": "PersistentVolumeClaim",
    "statefulset": "StatefulSet",
}
_PROVISIONERS_MARK = "external-provisioner.volume.kubernetes.io/finalizer"


class Readme:
    """The README.md of a working directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._text = (directory / "README.md").read_text()

    @property
    def rows(self) -> list[dict[str, str]]:
        """The table of replicas and volumes, by column title."""
        lines = [line for line in self._text.splitlines() if line.startswith("|")]
        titles, _, *rows = [
            [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines
        ]
        return [dict(zip(titles, row, strict=True)) for row in rows]

    def commands(self, step: int) -> list[str]:
        """The kubectl commands of a numbered step."""
        found = re.search(rf"^{step}\. (.*?)(?=^\d+\. |^#)", self._text, re.MULTILINE | re.DOTALL)
        assert found, f"no step {step} in {self._text}"
        commands = re.findall(r"`(kubectl [^`]+)`", found[1])
        assert commands, found[1]
        return list(commands)

    def take_back(self, trial: Trial, pod: str) -> None:
        """Bring one replica back to its in-tree volumes, then the StatefulSet."""
        claims = [row for row in self.rows if row["pod"] == pod]
        volumes = {row[side] for row in claims for side in ("CSI volume", "in-tree volume")}
        kubectl = Kubectl(trial.cluster, self._directory, volumes)
        disks = [_disk(trial, row["CSI volume"]) for row in claims]
        for step, each in ((1, [{}]), (2, [{}]), (3, claims), (4, claims), (5, [{}]), (6, [{}])):
            for row in each:
                for command in self.commands(step):
                    kubectl.run(_filled_in(command, pod, row))
            if step == 3:
                # A person is slower than the syncer, whose words would take the disk out of CNS
                # after the in-tree volume has been registered.
                until(
                    "CNS has let go",
                    lambda: not any(is_registered(trial.lab.facts.vcenter, one) for one in disks),
                )
            if step == 5:
                until(f"{pod} Ready", lambda: pod_ready(trial.pods().get(pod)))
        until("the set counts its replicas", lambda: _counted(trial))


class Kubectl:
    """As much of kubectl as a README of the tool asks for; the lab needs none installed.

    `volumes` are those of the replica in hand, on both sides.
    """

    def __init__(self, cluster: Cluster, folder: Path, volumes: set[str]) -> None:
        self._cluster, self._folder, self._volumes = cluster, folder, volumes

    def run(self, command: str) -> None:
        """Carry the command out, and wait for its effect as kubectl does."""
        program, *words = shlex.split(command)
        assert program == "kubectl"
        namespace = ""
        if words[0] == "-n":
            namespace, words = words[1], words[2:]
        verbs: dict[str, Callable[[str, list[str]], None]] = {
            "create": self._create,
            "delete": self._delete,
            "get": self._get,
            "patch": self._patch,
        }
        verbs[words[0]](namespace, words[1:])

    def _create(self, _: str, words: list[str]) -> None:
        flag, file = words
        assert flag == "-f"
        made = self._cluster.create(json.loads((self._folder / file).read_text()))
        if made["kind"] == "PersistentVolumeClaim":
            where = made["kind"], made["metadata"]["name"], made["metadata"]["namespace"]
            until(
                "claim Bound",
                lambda: self._cluster.get(*where)["status"]["phase"] == "Bound",
            )

    def _delete(self, namespace: str, words: list[str]) -> None:
        kind, name, *flags = words
        options = {"--cascade=orphan": {"propagationPolicy": "Orphan"}}
        (chosen,) = [options[flag] for flag in flags] or [{}]
        # What is gone already is fine wherever the README deletes something.
        with suppress_not_found():
            self._cluster.delete(_KINDS[kind], name, namespace, **chosen)
        until(
            f"{kind} {name} gone",
            lambda: self._cluster.find(_KINDS[kind], name, namespace) is None,
        )

    def _get(self, _: str, words: list[str]) -> None:
        """Look until what the README waits for is seen."""
        if words == ["volumeattachments"]:
            until("disks detached", lambda: not self._attached())
            return
        kind, name, *query = words
        assert (kind, query) == ("pv", ["-o", "jsonpath={.metadata.finalizers}"])
        until(f"{name} let go", lambda: _PROVISIONERS_MARK not in self._finalizers(name), 120)

    def _attached(self) -> bool:
        found = self._cluster.list("VolumeAttachment")
        return any(
            one["spec"]["source"].get("persistentVolumeName") in self._volumes for one in found
        )

    def _finalizers(self, volume: str) -> list[str]:
        metadata = self._cluster.get("PersistentVolume", volume)["metadata"]
        return metadata.get("finalizers") or []

    def _patch(self, namespace: str, words: list[str]) -> None:
        kind, name, flag, patch = words
        assert flag == "-p"
        self._cluster.patch(_KINDS[kind], name, json.loads(patch), namespace)


def _filled_in(command: str, pod: str, row: dict[str, str]) -> str:
    words = {
        "CSI_VOLUME": row.get("CSI volume"),
        "VOLUME": row.get("in-tree volume"),
        "CLAIM": row.get("claim"),
        "POD": pod,
    }
    for placeholder, value in words.items():
        if value:
            command = re.sub(rf"\b{placeholder}\b", value, command)
    return command


def _disk(trial: Trial, volume: str) -> str:
    return str(trial.cluster.get("PersistentVolume", volume)["spec"]["csi"]["volumeHandle"])


def _counted(trial: Trial) -> bool:
    return trial.ready() and trial.statefulset()["status"].get("readyReplicas") == len(trial.pods())

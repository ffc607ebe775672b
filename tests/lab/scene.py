"""What the tests of the played driver are written in: single volumes, claims and pods."""

from __future__ import annotations

import fcntl
import json
import ssl
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import SoapAdapter, vim

from lab import manifests, processes
from lab import workload as lab_workload
from lab.client import Object, Objects
from lab.manifests import Workload
from lab.objects import CSI_DRIVER
from lab.vcenter import DATACENTER_PATH, DATASTORES, disks
from lab.waiting import until
from tests.lab.labkit import Lab

CLAIM = "data"
PROVISIONER_IDENTITY = "storage.kubernetes.io/csiProvisionerIdentity"


@dataclass(frozen=True, slots=True)
class Old:
    """An in-tree volume that the driver has registered."""

    volume: str
    path: str
    disk_id: str


class Scene:
    """A namespace of the user cluster, and what the driver made of its volumes.

    Volumes keep their disks (`Retain`) unless a test says otherwise.
    """

    def __init__(self, lab: Lab, namespace: str) -> None:
        self.lab, self.namespace = lab, namespace
        self.cluster = lab.cluster()
        self._vcenter = lab.facts.vcenter
        self._shape = Workload(namespace, reclaim_policy="Retain", mebibytes=8)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            lab_workload._namespace(self.cluster, self.namespace)
            undo.callback(lab_workload.clear, self.lab.layout, self.cluster, self.namespace)
            self._open = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    # What there is to make.

    def disk(self) -> str:
        """A new VMDK's path."""
        path = f"[{DATASTORES[0]}] kubevols/{uuid.uuid4()}.vmdk"
        with disks(self._vcenter) as datacenter:
            datacenter.create(path, self._shape.mebibytes)
        return path

    def registered_disk(self) -> str:
        """A new First Class Disk's id; CNS does not know it."""
        datastore, _, file = self.disk().removeprefix("[").partition("] ")
        query = f"dcPath={quote(DATACENTER_PATH, safe='')}&dsName={quote(datastore)}"
        url = f"https://{self._vcenter['host']}/folder/{quote(file)}?{query}"
        with disks(self._vcenter) as datacenter:
            manager = datacenter._content.vStorageObjectManager
            return str(manager.RegisterDisk(url, "scene").config.id.id)

    def intree_volume(
        self,
        path: str,
        *,
        claim: str = CLAIM,
        policy: str = "Retain",
        annotations: dict[str, str] | None = None,
    ) -> str:
        """A PersistentVolume as the in-tree provisioner left it; its name."""
        body = manifests.volume(self._shape, claim)
        if annotations is not None:
            body["metadata"]["annotations"] = annotations
        body["spec"]["vsphereVolume"]["volumePath"] = path
        body["spec"]["persistentVolumeReclaimPolicy"] = policy
        return self.create(body)

    def csi_volume(
        self, disk_id: str, *, claim: str = CLAIM, name: str = "", **attributes: str
    ) -> str:
        """A static PersistentVolume of the driver's, meant for `claim` ('' for nobody)."""
        body = manifests.volume(self._shape, claim)
        body["metadata"] = {"name": name or f"csi-{uuid.uuid4()}"}
        del body["spec"]["vsphereVolume"]
        body["spec"]["csi"] = {
            "driver": CSI_DRIVER,
            "volumeHandle": disk_id,
            "fsType": "ext4",
            "volumeAttributes": {"type": "vSphere CNS Block Volume", **attributes},
        }
        if not claim:
            del body["spec"]["claimRef"]
        return self.create(body)

    def claim(self, volume: str, name: str = CLAIM) -> None:
        """A claim on the volume, and its binding."""
        self.cluster.create(manifests.claim(self._shape, name, volume))
        lab_workload._bind(self.cluster, name, self.namespace)

    def pod(self, name: str, node: str = "node-1", claim: str = CLAIM) -> None:
        """A pod that writes records to the claim; it is not waited for."""
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
        mount = {"name": "data", "mountPath": "/data"}
        container = {"name": "writer", "image": "lab/writer:1", "volumeMounts": [mount]}
        metadata = {"name": name, "namespace": self.namespace}
        spec = {"nodeName": node, "containers": [container], "volumes": [volume]}
        self.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def running_pod(self, name: str, node: str = "node-1") -> None:
        """A pod that writes records to the claim, and is Ready."""
        self.pod(name, node)
        until(f"pod {name} Ready", lambda: self.ready(name))

    def old(self, policy: str = "Retain") -> Old:
        """An in-tree volume with its claim Bound, that the driver has registered."""
        path = self.disk()
        volume = self.intree_volume(path, policy=policy)
        self.claim(volume)
        until("the volume's registration", lambda: self.migration(path) is not None)
        return Old(volume, path, self.migration_id(path))

    def create(self, body: Object) -> str:
        """Make the object; its name."""
        return str(self.cluster.create(body)["metadata"]["name"])

    # What there is to take away.

    def delete(self, kind: str, name: str, **options: Any) -> None:
        """Delete the object and wait until it is gone."""
        namespace = "" if kind == "PersistentVolume" else self.namespace
        self.cluster.delete(kind, name, namespace, **options)
        until(
            f"{kind} {name} gone",
            lambda: self.cluster.find(kind, name, namespace) is None,
        )

    def delete_old(self, volume: str) -> None:
        """Delete the claim and then its volume, and wait until both are gone."""
        self.delete("PersistentVolumeClaim", CLAIM)
        self.delete("PersistentVolume", volume)

    def delete_pod(self, name: str, volume: str) -> None:
        """Delete the pod, and wait until its volume is detached."""
        self.delete("Pod", name)
        until(f"{volume} detached", lambda: not self.attachments(volume))

    # What there is to see.

    def ready(self, pod: str) -> bool:
        return lab_workload.pod_ready(self.cluster.find("Pod", pod, self.namespace))

    def phase(self, volume: str) -> str:
        """The PersistentVolume's phase; empty when it is gone."""
        found = self.cluster.find("PersistentVolume", volume)
        return str(found["status"]["phase"]) if found else ""

    def migration(self, path: str) -> Object | None:
        """The CnsVSphereVolumeMigration of that VMDK."""
        found = self.cluster.list("CnsVSphereVolumeMigration")
        return next((one for one in found if one["spec"]["volumepath"] == path), None)

    def migration_id(self, path: str) -> str:
        """The First Class Disk's id that the driver gave the VMDK."""
        found = self.migration(path)
        assert found is not None
        return str(found["spec"]["volumeid"])

    def attachments(self, volume: str) -> Objects:
        """The VolumeAttachments that name the PersistentVolume."""
        found = self.cluster.list("VolumeAttachment")
        named = "persistentVolumeName"
        return [one for one in found if one["spec"]["source"].get(named) == volume]

    def attached(self, volume: str) -> bool:
        """Whether the one VolumeAttachment of the volume says so."""
        statuses = [one.get("status", {}) for one in self.attachments(volume)]
        return [status.get("attached") for status in statuses] == [True]

    def refusal(self, volume: str, error: str = "attachError") -> str:
        """What the attacher says about the volume's only VolumeAttachment."""
        found = self.attachments(volume)
        return str(found[0].get("status", {}).get(error, {}).get("message", "")) if found else ""

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of the events about a cluster-wide object."""
        found = self.cluster.list("Event", "default")
        about = [one for one in found if one["involvedObject"]["name"] == name]
        return [(one["reason"], one["message"]) for one in about]

    def registered(self, disk_id: str) -> bool:
        """Whether CNS knows the First Class Disk as a volume."""
        return is_registered(self._vcenter, disk_id)

    def path_of(self, disk_id: str) -> str:
        """The First Class Disk's VMDK. Raises KeyError when there is no such disk."""
        with disks(self._vcenter) as datacenter:
            return datacenter.path_of(disk_id)

    def bytes_of(self, path: str) -> Path:
        """The file with the VMDK's bytes."""
        datastore, _, file = path.removeprefix("[").partition("] ")
        folder = self.lab.layout.vcenter / "datastores" / str(DATASTORES.index(datastore))
        return folder / (file.removesuffix(".vmdk") + "-flat.vmdk")

    def unlocked(self, path: str) -> bool:
        """Whether nobody writes to the VMDK."""
        with self.bytes_of(path).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def writers(self, path: str) -> list[str]:
        """The PersistentVolumes that records were written through, in their order."""
        lines = self.bytes_of(path).read_text().splitlines()
        return list(dict.fromkeys(line.split(" ")[3] for line in lines))

    def calls(self, method: str, about: str) -> list[dict[str, Any]]:
        """The calls to vCenter whose arguments name `about`."""
        lines = (self.lab.layout.vcenter / "calls.jsonl").read_text().splitlines()
        calls = [json.loads(line) for line in lines if method in line and about in line]
        return [call for call in calls if call["method"] == method]

    def noted(self, log: str) -> list[str]:
        """This namespace's lines in one of the evidence's logs."""
        return self._lines(self.lab.layout.evidence / f"{log}.log", f" {self.namespace}/")

    def said(self, part: str, word: str) -> list[str]:
        """Lines of a part's log that hold the word."""
        return self._lines(self.lab.layout.logs / f"{part}.log", word)

    # What there is to do to the driver.

    @contextmanager
    def without(self, part: str) -> Iterator[None]:
        """The part is stopped as long as the block runs."""
        processes.stop([self.lab.facts.part(part)])
        try:
            yield
        finally:
            self.lab.restart(part)

    def last_sync(self) -> int:
        """The id of the last full sync that has ended, -1 while one runs."""
        status = self.cluster.get("TriggerCsiFullSync", "csifullsync")["status"]
        return -1 if status["inProgress"] else int(status["lastTriggerSyncID"])

    def request_sync(self, number: int) -> None:
        patch = {"spec": {"triggerSyncID": number}}
        self.cluster.patch("TriggerCsiFullSync", "csifullsync", patch)

    def full_sync(self) -> None:
        """Have the syncer compare volumes and CNS once.

        A syncer that has just started begins one by itself; that counts as well.
        """
        ended: list[int] = []

        def has_ended() -> bool:
            ended.append(self.last_sync())
            return ended[-1] >= 0

        until("the last full sync's end", has_ended)
        wanted = ended[-1] + 1
        self.request_sync(wanted)
        until(f"full sync {wanted}", lambda: self.last_sync() >= wanted)

    @contextmanager
    def delays(self, part: str, **seconds: float) -> Iterator[None]:
        """The user cluster's part with other delays, as long as the block runs."""
        config = self.lab.layout.played_config("user")
        before = config.read_text()
        content = json.loads(before)
        content["delays"] |= seconds
        try:
            config.write_text(json.dumps(content))
            self.lab.restart(part)
            yield
        finally:
            config.write_text(before)
            self.lab.restart(part)

    @staticmethod
    def _lines(path: Path, word: str) -> list[str]:
        found = path.read_text().splitlines() if path.exists() else []
        return [line for line in found if word in line]


def is_registered(vcenter: dict[str, Any], disk_id: str) -> bool:
    """Whether CNS knows the First Class Disk as a volume."""
    wanted = vim.cns.QueryFilter(volumeIds=[vim.cns.VolumeId(id=disk_id)])  # type: ignore[no-untyped-call]
    with _cns(vcenter) as cns:  # anew: vCenter may have been restarted
        return any(one.volumeId.id == disk_id for one in cns.Query(wanted).volumes)


@contextmanager
def _cns(vcenter: dict[str, Any]) -> Iterator[Any]:
    """CNS's volume manager, as the vCenter's administrator."""
    place = {"host": vcenter["host"], "port": vcenter["port"]}
    tls = ssl.create_default_context(cafile=vcenter["ca"])
    connect: Any = SmartConnect
    stub_of: Any = SoapAdapter.SoapStubAdapter
    manager: Any = vim.cns.VolumeManager
    session = connect(**place, user=vcenter["user"], pwd=vcenter["password"], sslContext=tls)
    stub = stub_of(**place, path="/vsanHealth", version="vsan.version.version11", sslContext=tls)
    stub.cookie = session._stub.cookie
    try:
        yield manager("cns-volume-manager", stub)
    finally:
        stub.DropConnections()
        Disconnect(session)  # type: ignore[no-untyped-call]

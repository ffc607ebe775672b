"""Starts, looks at and stops a lab."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lab import build, controlplane, objects, pki, processes, vcenter
from lab import facts as lab_facts
from lab.client import Cluster, Object
from lab.controlplane import AUDIT_POLICY, Audit, Binaries, Keys
from lab.facts import Facts
from lab.layout import CLUSTERS, REPOSITORY, Layout
from lab.processes import LabError, Part
from lab.progress import say
from lab.waiting import PATIENCE

PLAYED = ("kubelet", "syncer", "external-attacher", "external-provisioner")
# Seconds. Short, but none of what a tool must wait for is zero: it has to be seen.
PLAYED_DELAYS = {
    "pod_start": 0.5,
    "pod_stop": 0.3,
    "unmount": 0.2,
    "syncer": 0.05,
    "full_sync_interval": 1800,
    "record_interval": 0.05,
}
# Seconds of a disk's way to a VM and from it, of CNS's and the catalog's registering, and of
# the way of each call.
VCENTER_DELAYS = {
    "attach": 0.1,
    "detach": 0.1,
    "register": 0.05,
    "unregister": 0,
    "call": 0,
}


def up(
    layout: Layout,
    *,
    admin_workloads: bool = False,
    delays: Mapping[str, float] | None = None,
    vcenter_version: str = vcenter.VERSION,
) -> Facts:
    """Start the lab, or what is missing of it; a half-dead one is stopped first.

    In a lab that is started, `delays` replace those of PLAYED_DELAYS and VCENTER_DELAYS, and
    vCenter is of that version.

    Raises:
        LabError: a part does not build or does not start.
    """
    with _locked(layout):
        known = lab_facts.read(layout)
        if known is None or not _whole(layout, known):
            if known is not None:
                _stop(layout, known)
            known = _start(layout, delays or {}, vcenter_version)
        if admin_workloads and "admin" not in known.workloads:
            _Starter(layout, known, build.binaries(known.version)).workloads("admin")
        return known


def down(layout: Layout) -> bool:
    """Stop every part; whether there was anything to stop. Logs stay."""
    with _locked(layout):
        known = lab_facts.read(layout)
        if known is not None:
            _stop(layout, known)
        return known is not None


def status(layout: Layout) -> list[tuple[Part, bool]]:
    """Each part, and whether it works; empty when no lab was started."""
    known = lab_facts.read(layout)
    ca = layout.pki / "ca.pem"
    return [(part, processes.healthy(part, ca)) for part in (known.parts if known else [])]


def environment(layout: Layout, known: Facts) -> dict[str, str]:
    """Variables for kubectl, govc and scripts."""
    return {
        "LAB_DIR": str(layout.root),
        "KUBECONFIG": str(layout.kubeconfig("user", "admin")),
        "LAB_ADMIN_KUBECONFIG": str(layout.kubeconfig("admin", "admin")),
        "LAB_TOOL_KUBECONFIG": str(layout.kubeconfig("admin", "tool")),
        "GOVC_URL": known.vcenter["url"],
        "GOVC_USERNAME": known.vcenter["user"],
        "GOVC_PASSWORD": known.vcenter["password"],
        "GOVC_TLS_CA_CERTS": known.vcenter["ca"],
    }


def restart(layout: Layout, name: str) -> Facts:
    """Stop one part if it still lives, start it again, and wait until it works.

    Those who watched an API server hear it later only, see `watches.Restart`.
    """
    with _locked(layout):
        known = lab_facts.read(layout)
        if known is None:
            raise LabError(f"no lab in {layout.root}")
        old = known.part(name)
        processes.stop([old])
        new = processes.start(name, old.command, layout.logs, old.health)
        known.parts[known.parts.index(old)] = new
        known.write(layout)
        processes.wait_healthy(new, layout.pki / "ca.pem")
        return known


def _whole(layout: Layout, known: Facts) -> bool:
    if known.version != build.version() or not known.seconds:
        return False
    return all(works for _, works in status(layout))


def _stop(layout: Layout, known: Facts) -> None:
    # etcd, the first, last: the others would wait for its answers before they end.
    processes.stop(known.parts[1:])
    processes.stop(known.parts[:1])
    layout.facts.unlink(missing_ok=True)


def _start(layout: Layout, delays: Mapping[str, float], vcenter_version: str) -> Facts:
    begun = time.monotonic()
    built = build.binaries(build.version())
    _clear(layout)
    layout.evidence.mkdir()
    known = Facts(build.version(), vcenter={"version": vcenter_version})
    starter = _Starter(layout, known, built, delays)
    try:
        starter.everything()
    except BaseException:
        _stop(layout, known)
        raise
    known.seconds = round(time.monotonic() - begun, 1)
    known.write(layout)
    return known


def _clear(layout: Layout) -> None:
    for path in layout.root.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != layout.lock:
            path.unlink()


class _Starter:
    """Brings parts up in their order, and writes each into the facts at once."""

    def __init__(
        self,
        layout: Layout,
        known: Facts,
        built: Binaries,
        delays: Mapping[str, float] | None = None,
    ) -> None:
        self.layout, self.known, self.built = layout, known, built
        given = delays or {}
        played = {name: given[name] for name in given if name not in VCENTER_DELAYS}
        self.delays = PLAYED_DELAYS | played
        self.vcenter_delays = VCENTER_DELAYS | {
            name: given[name] for name in given if name in VCENTER_DELAYS
        }
        serving = pki.Pair(layout.pki / "server.pem", layout.pki / "server-key.pem")
        self.keys = Keys(layout.pki / "ca.pem", serving, layout.pki / "service-accounts-key.pem")

    def everything(self) -> None:
        self._certificates()
        self._wait(self._etcd())
        self.layout.audit_policy.write_text(json.dumps(AUDIT_POLICY))
        servers = [self._apiserver(cluster) for cluster in CLUSTERS]
        waiting = [self._vcenter(), *servers]
        self._wait(*waiting)
        self._admin_objects()
        self.workloads("user")

    def workloads(self, cluster: str) -> None:
        """Everything that makes pods run and volumes attach in a cluster."""
        say(f"{cluster} cluster: controllers, scheduler, driver, nodes")
        client = Cluster(self.layout.kubeconfig(cluster, "admin"))
        controllers = [self._controller_manager(cluster), self._scheduler(cluster)]
        _create_all(client, objects.workload_cluster(self.known.vcenter))
        _create_all(client, _deployed("rbac-user-cluster.yaml"))
        _create_all(client, _deployed("rbac-inventory.yaml"))
        self._played_config(cluster)
        self._wait(*controllers, *(self._played(part, cluster) for part in PLAYED))
        _wait_for_nodes(client, [node["name"] for node in vcenter.nodes(cluster)])
        self.known.workloads.append(cluster)
        self.known.write(self.layout)

    def _certificates(self) -> None:
        folder = self.layout.pki
        authority = pki.Authority(folder)
        authority.server("server")
        authority.server("service-accounts")
        print_ = pki.thumbprint(self.keys.serving.certificate)
        port, version = self.known.ports["vcenter"], self.known.vcenter["version"]
        self.known.vcenter = vcenter.facts(port, str(authority.ca), print_, version)
        for identity, (user, group) in pki.IDENTITIES.items():
            pair = authority.client(identity, user, group)
            for cluster in CLUSTERS:
                content = pki.kubeconfig(self.known.server(cluster), authority.ca, user, pair)
                pki.write_kubeconfig(self.layout.kubeconfig(cluster, identity), content)

    def _etcd(self) -> Part:
        say("etcd, vCenter, API servers")
        client, peer = self.known.ports["etcd"], self.known.ports["etcd-peer"]
        command = controlplane.etcd(self.built.etcd, self.layout.root / "etcd", client, peer)
        return self._begin("etcd", command, f"http://127.0.0.1:{client}/health")

    def _vcenter(self) -> Part:
        self.layout.vcenter.mkdir(exist_ok=True)
        path = self.layout.vcenter / "config.json"
        config = vcenter.config(self.layout, self.known, self.keys.serving, self.vcenter_delays)
        _write_secret(path, config)
        return self._begin("vcenter", [str(self.built.vcenter), "--config", str(path)])

    def _apiserver(self, cluster: str) -> Part:
        port, store = self.known.ports[f"kube-apiserver-{cluster}"], self.known.ports["etcd"]
        binary = self.built.kube_apiserver
        audit = Audit(self.layout.audit_policy, self.layout.audit_log(cluster))
        command = controlplane.apiserver(binary, cluster, port, store, keys=self.keys, audit=audit)
        return self._begin(f"kube-apiserver-{cluster}", command, f"https://127.0.0.1:{port}/readyz")

    def _controller_manager(self, cluster: str) -> Part:
        name = f"kube-controller-manager-{cluster}"
        port = self.known.ports[name]
        kubeconfig = self.layout.kubeconfig(cluster, "kube-controller-manager")
        binary = self.built.kube_controller_manager
        command = controlplane.controller_manager(binary, kubeconfig, port, self.keys)
        return self._begin(name, command, f"https://127.0.0.1:{port}/healthz")

    def _scheduler(self, cluster: str) -> Part:
        name = f"kube-scheduler-{cluster}"
        port = self.known.ports[name]
        kubeconfig = self.layout.kubeconfig(cluster, "kube-scheduler")
        command = controlplane.scheduler(self.built.kube_scheduler, kubeconfig, port, self.keys)
        return self._begin(name, command, f"https://127.0.0.1:{port}/healthz")

    def _played(self, part: str, cluster: str) -> Part:
        config = self.layout.played_config(cluster)
        command = [str(self.built.played), part, "--config", str(config)]
        return self._begin(f"{part}-{cluster}", command)

    def _played_config(self, cluster: str) -> None:
        known = self.known.vcenter
        driver = {
            "url": known["url"],
            "user": known["driver_user"],
            "password": known["driver_password"],
            "ca": known["ca"],
            "datacenter": known["datacenter"],
            "default_datastore": known["datastores"][0],
        }
        content = {
            "cluster": cluster,
            "kubeconfig": {part: str(self.layout.kubeconfig(cluster, part)) for part in PLAYED},
            "vcenter": driver,
            "cluster_id": objects.USER_CLUSTER if cluster == "user" else "admin-cluster",
            "state": str(self.layout.vcenter),
            "evidence": str(self.layout.evidence),
            "nodes": vcenter.nodes(cluster),
            "delays": self.delays,
        }
        _write_secret(self.layout.played_config(cluster), content)

    def _admin_objects(self) -> None:
        client = Cluster(self.layout.kubeconfig("admin", "admin"))
        user_kubeconfig = self.layout.kubeconfig("user", "tool").read_text()
        _create_all(client, objects.admin_cluster(user_kubeconfig))
        _create_all(client, _deployed("rbac-admin-cluster.yaml"))

    def _begin(self, name: str, command: list[str], health: str = "") -> Part:
        part = processes.start(name, command, self.layout.logs, health)
        self.known.parts.append(part)
        self.known.write(self.layout)
        return part

    def _wait(self, *parts: Part) -> None:
        for part in parts:
            processes.wait_healthy(part, self.keys.ca)


def _deployed(name: str) -> list[Object]:
    """The documents of a file in deploy/, as users are told to apply it."""
    path = REPOSITORY / "deploy" / name
    return list(yaml.safe_load_all(path.read_text())) if path.exists() else []


def _create_all(client: Cluster, bodies: list[Object]) -> None:
    for body in bodies:
        client.create(body)


def _wait_for_nodes(client: Cluster, names: list[str], seconds: float = PATIENCE) -> None:
    """Wait until pods can be made and scheduled: nodes Ready, ServiceAccount there."""
    deadline = time.monotonic() + seconds
    while not (_ready_nodes(client) >= set(names) and _default_account(client)):
        if time.monotonic() > deadline:
            raise LabError(f"only {sorted(_ready_nodes(client))} of {names} are Ready")
        time.sleep(processes.POLL_SECONDS)


def _ready_nodes(client: Cluster) -> set[str]:
    return {
        node["metadata"]["name"]
        for node in client.list("Node")
        for condition in node["status"].get("conditions", [])
        if condition["type"] == "Ready" and condition["status"] == "True"
    }


def _default_account(client: Cluster) -> bool:
    return client.find("ServiceAccount", "default", "default") is not None


def _write_secret(path: Path, content: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """One `up` or `down` at a time on a state folder."""
    layout.root.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

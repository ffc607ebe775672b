"""Those who get in a migration's way, and what the tool wrote meanwhile."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from lab import manifests
from lab.client import ApiError, Object, _path
from lab.vcenter import nodes
from lab.waiting import until
from tests.lab.interruptkit import await_words, begun, held, paused
from tests.lab.kubectlkit import GITOPS, server_side_applied
from tests.lab.labkit import Lab, Running, Trial
from tests.lab.misfitkit import created

TOOL = "migration-tool"
WRITES = ("create", "update", "patch", "delete", "deletecollection")
LEASE = "csi-migration-web"
# The driver's own, asked for by whoever waits for its syncer: nothing of the set's.
FULL_SYNCS = "triggercsifullsyncs"


# Where a run is caught -----------------------------------------------------------------


@contextmanager
def pod_leaving(made: Trial, tool: Running, replica: int = -1) -> Iterator[None]:
    """The window is open, the pod of a replica (else the last) is on its way out, its claims
    are whole.
    """
    pod = made.workload.pod_names[replica]
    with held(made, "Pod", pod):
        await_words(tool, f"{pod} pod-gone: waiting")
        yield


@contextmanager
def claim_leaving(made: Trial, tool: Running) -> Iterator[None]:
    """The last replica has no pod, and its claim is on its way out."""
    claim = made.workload.claim_names[-1]
    with held(made, "PersistentVolumeClaim", claim):
        await_words(tool, f"claim {claim} is going away")
        yield


@contextmanager
def caught_between(lab: Lab, made: Trial, *options: str) -> Iterator[Running]:
    """A run whose replica in hand has neither pod nor claim nor volume, and can't go on.

    When the `with` block ends the tool is killed, if it still runs.
    """
    with begun(made, *options) as tool, paused(lab, "syncer-user"):
        lab.resume("external-provisioner-user")
        await_words(tool, "CNS still has disk")
        yield tool


@contextmanager
def standing_still(tool: Running) -> Iterator[None]:
    """The tool sees nothing of what happens meanwhile."""
    tool.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        tool.signal(signal.SIGCONT)


# Other hands ---------------------------------------------------------------------------


@contextmanager
def repeated(act: Callable[[], object], seconds: float) -> Iterator[None]:
    """Somebody's loop: `act` every so often, whatever the server thinks of it."""
    ending = threading.Event()

    def loop() -> None:
        while not ending.wait(seconds):
            try:
                act()
            except ApiError as error:
                assert error.status in (404, 409, 422), error  # noqa: PT017 - of a thread

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def applied(made: Trial) -> Object:
    """The set as it is in git: server-side apply with force, as Flux does it."""
    return applied_by(made, GITOPS, manifests.statefulset(made.workload))


def applied_by(made: Trial, manager: str, body: Object) -> Object:
    """The set, server-side applied with force under this name; `body` may be a part of it."""
    return server_side_applied(made.cluster, body, manager, force="true")


def evict(made: Trial, pod: str) -> int:
    """Ask for an eviction, as `kubectl drain` does; the HTTP status."""
    metadata = {"name": pod, "namespace": made.workload.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = _path("Pod", made.workload.namespace, pod, "eviction")
    return made.cluster._request("POST", path, body=body).status


@contextmanager
def drained(made: Trial, pod: str) -> Iterator[str]:
    """The pod's node is cordoned and the pod deleted, as by a drain that heeds no budget.

    Yields the pod's uid.
    """
    found = made.pods()[pod]
    node = found["spec"]["nodeName"]
    made.cluster.patch("Node", node, {"spec": {"unschedulable": True}})
    try:
        made.cluster.delete("Pod", pod, made.workload.namespace)
        yield found["metadata"]["uid"]
    finally:
        made.cluster.patch("Node", node, {"spec": {"unschedulable": False}})


@contextmanager
def no_more_config_maps(made: Trial) -> Iterator[None]:
    """A quota lets nobody make one in the set's namespace."""
    kind, name = "ResourceQuota", "no-more-config-maps"
    spec = {"hard": {"configmaps": "0"}}
    quota = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}

    def is_counted(_: Trial) -> bool:
        found = made.cluster.get(kind, name, made.workload.namespace)
        return "hard" in found.get("status", {})

    with created(quota, ready=is_counted)(made):
        yield


@contextmanager
def no_room_on_nodes(made: Trial) -> Iterator[None]:
    """No node takes a new pod."""
    _cordon(made, unschedulable=True)
    try:
        yield
    finally:
        _cordon(made, unschedulable=False)


def _cordon(made: Trial, *, unschedulable: bool) -> None:
    for node in nodes(made.where):
        made.cluster.patch("Node", node["name"], {"spec": {"unschedulable": unschedulable}})


def orphan_the_set(made: Trial) -> None:
    """`kubectl delete statefulset web --cascade=orphan`, and its end."""
    name, namespace = made.workload.name, made.workload.namespace
    made.cluster.delete("StatefulSet", name, namespace, propagationPolicy="Orphan")
    until("the set is away", lambda: made.cluster.find("StatefulSet", name, namespace) is None)


def lease_from_another_machine(made: Trial) -> None:
    """As if the Lease's holder had run where nobody can tell whether it lives."""
    patch = {"metadata": {"annotations": {"csi-migration/process": "boot/1/2/3"}}}
    made.cluster.patch("Lease", LEASE, patch, made.workload.namespace)


def age_the_lease(made: Trial) -> None:
    """As if the Lease's holder had not been heard of for two minutes."""
    then = (datetime.now(UTC) - timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
    made.cluster.patch("Lease", LEASE, {"spec": {"renewTime": then}}, made.workload.namespace)


def uid(made: Trial, kind: str, name: str) -> str:
    """The uid of an object of the set's namespace; empty when there is none."""
    found = made.cluster.find(kind, name, made.workload.namespace)
    return str(found["metadata"]["uid"]) if found else ""


# What the tool wrote -------------------------------------------------------------------


def mark(made: Trial, cluster: str = "") -> int:
    """The audit log's length now, for `written_since`."""
    return len(made.lab.layout.audit_log(cluster or made.where).read_text().splitlines())


def written_since(made: Trial, line: int, cluster: str = "") -> list[str]:
    """What the tool wrote to a cluster, else the set's, since then: its Lease and full syncs
    apart.
    """
    lines = made.lab.layout.audit_log(cluster or made.where).read_text().splitlines()[line:]
    entries: list[dict[str, Any]] = [json.loads(each) for each in lines]
    return [
        f"{each['verb']} {each['requestURI']}"
        for each in entries
        if each["user"]["username"] == TOOL
        and each["verb"] in WRITES
        and each["objectRef"]["resource"] not in ("leases", FULL_SYNCS)
    ]

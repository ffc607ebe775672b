"""Says how a namespace stands, for who waited in vain for something in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from lab.client import ApiError, Cluster, Object

EVENTS = 20


@contextmanager
def told(cluster: Cluster, namespace: str) -> Iterator[None]:
    """A TimeoutError that leaves the block says how the namespace stands as well."""
    try:
        yield
    except TimeoutError as error:
        raise TimeoutError(f"{error}\n{situation(cluster, namespace)}") from error


def situation(cluster: Cluster, namespace: str) -> str:
    """A line for each claim, pod and node, and for each of the last events."""
    try:
        return "\n".join(_lines(cluster, namespace))
    except (ApiError, urllib3.exceptions.HTTPError) as error:
        return f"the API server does not say how {namespace} stands: {error}"


def _lines(cluster: Cluster, namespace: str) -> Iterator[str]:
    for claim in cluster.list("PersistentVolumeClaim", namespace):
        yield f"claim {_name(claim)}: {claim['status'].get('phase')}{_going(claim)}"
    for pod in cluster.list("Pod", namespace):
        where = pod["spec"].get("nodeName", "no node")
        yield f"pod {_name(pod)} on {where}: {pod['status'].get('phase')}{_said(pod)}{_going(pod)}"
    for node in cluster.list("Node"):
        taints = [taint["key"] for taint in node["spec"].get("taints", [])]
        yield f"node {_name(node)}: taints {taints}{_said(node)}"
    for attachment in cluster.list("VolumeAttachment"):
        volume = attachment["spec"]["source"].get("persistentVolumeName")
        yield f"{volume} on {attachment['spec']['nodeName']}: {attachment.get('status')}"
    events = sorted(cluster.list("Event", namespace), key=_time)
    yield from (f"{_time(event)} {_event(event)}" for event in events[-EVENTS:])


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])


def _going(found: Object) -> str:
    return ", going" if "deletionTimestamp" in found["metadata"] else ""


def _said(found: Object) -> str:
    """The conditions, and why those are as they are that have something to say."""
    return "".join(
        f", {one['type']}={one['status']}"
        + (f" ({one.get('reason')}: {one['message']})" if one.get("message") else "")
        for one in found["status"].get("conditions", [])
    )


def _time(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime"))


def _event(event: Object) -> str:
    about = event["involvedObject"]
    return f"{about['kind']} {about.get('name')}: {event.get('reason')}: {event.get('message')}"

"""In a cluster with more than a page of VolumeAttachments, these are listed once a run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from csi_migration.kube import Client, load
from csi_migration.kube.listing import PAGE
from csi_migration.kube.resources import VOLUME_ATTACHMENTS
from lab.client import Cluster
from tests.conftest import StartTrial
from tests.lab.interruptkit import QUICK, await_words, begun, held
from tests.lab.labkit import Lab, Trial, finish

TOOL = "migration-tool"
KIND = "VolumeAttachment"


def attachment(name: str, volume: str, node: str) -> dict[str, Any]:
    """Of a driver that nobody plays in the lab."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {
            "attacher": "csi.example.com",
            "nodeName": node,
            "source": {"persistentVolumeName": volume},
        },
    }


@pytest.fixture(scope="module")
def crowd(lab: Lab) -> Iterator[Cluster]:
    """A user cluster with one more of them than a page holds."""
    cluster = lab.cluster()
    with ExitStack() as undo:
        for number in range(PAGE + 1):
            name = f"crowd-{number}"
            cluster.create(attachment(name, name, "elsewhere"))
            undo.callback(cluster.delete, KIND, name)
        yield cluster


@pytest.fixture
def client(lab: Lab) -> Iterator[Client]:
    with Client(load(str(lab.layout.kubeconfig("user", "admin")))) as made:
        yield made


def test_the_api_server_proves_that_no_change_is_missing(crowd: Cluster, client: Client) -> None:
    for number in range(3):
        name = f"new-{number}"
        crowd.create(attachment(name, name, "elsewhere"))
        assert name in names(client)
        crowd.delete(KIND, name)
        assert name not in names(client)
    assert len(names(client)) >= PAGE + 1


def names(client: Client) -> set[str]:
    return {item["metadata"]["name"] for item in client.list_again(VOLUME_ATTACHMENTS)}


def test_a_bookmark_proves_it_while_nobody_attaches_anything(
    crowd: Cluster, client: Client, record_property: Callable[[str, object], None]
) -> None:
    before = names(client)
    place = {"name": "other", "namespace": "default"}
    crowd.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": place})
    crowd.delete("ConfigMap", "other", "default")
    begun = time.monotonic()
    assert names(client) == before
    record_property("seconds until a bookmark", round(time.monotonic() - begun, 2))


@pytest.mark.usefixtures("crowd")
def test_no_replica_takes_a_list_of_all(
    trial: StartTrial, record_property: Callable[[str, object], None]
) -> None:
    made = trial(replicas=3)
    before = len(listings(made))
    run = made.migrate()
    assert run.exit_code == 0, str(run)
    # Preflight's, and the first of those that are kept.
    assert len(listings(made)) - before == 2
    away = [round(made.seconds_away(pod), 1) for pod in made.workload.pod_names]
    record_property("seconds away beside 501 VolumeAttachments", away)


def test_one_to_another_node_that_comes_late_is_waited_for(
    crowd: Cluster, trial: StartTrial
) -> None:
    made = trial(replicas=1)
    volume = made.volumes()["data-web-0"]["metadata"]["name"]
    with begun(made, *QUICK) as tool:
        with held(made, "Pod", "web-0"):
            await_words(tool, "web-0 pod-gone: waiting")
            crowd.create(attachment("late", volume, "elsewhere"))
        await_words(tool, "still held by VolumeAttachment late on node elsewhere", 40)
        crowd.delete(KIND, "late")
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def listings(made: Trial) -> list[dict[str, str]]:
    """The first pages of VolumeAttachments that the tool was given."""
    lines = made.lab.layout.audit_log("user").read_text().splitlines()
    asked = [
        dict(parse_qsl(urlsplit(one["requestURI"]).query))
        for one in map(json.loads, lines)
        if one["user"]["username"] == TOOL
        and one["verb"] == "list"
        and one["objectRef"]["resource"] == VOLUME_ATTACHMENTS.plural
    ]
    return [query for query in asked if "limit" in query and "continue" not in query]

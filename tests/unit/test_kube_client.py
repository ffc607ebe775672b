from __future__ import annotations

import base64
import json
from importlib import metadata
from typing import Any

import pytest

from csi_migration.kube import AlreadyExists, Client, Conflict, Connection, NotFound
from csi_migration.kube.listing import PAGE
from csi_migration.kube.resources import (
    CLAIMS,
    NODES,
    PODS,
    STATEFULSETS,
    VOLUME_MIGRATIONS,
    VOLUMES,
)
from tests.unit.kube_server import ApiServer, Reply, status


def test_get_asks_for_the_object_by_name(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(body={"kind": "Pod"})]
    assert client.get(PODS, "web-0", "shop") == {"kind": "Pod"}
    asked = server.received[0]
    assert (asked.method, asked.path) == ("GET", "/api/v1/namespaces/shop/pods/web-0")


def test_every_request_names_the_tool(server: ApiServer, client: Client) -> None:
    server.answers = [Reply()]
    client.get(NODES, "node-1")
    assert server.received[0].headers["User-Agent"].startswith("statefulset-csi-migration-tool/")


def test_get_of_what_is_not_there_raises_not_found(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(404, status(404, "NotFound", 'pods "web-0" not found'))]
    with pytest.raises(NotFound) as raised:
        client.get(PODS, "web-0", "shop")
    assert raised.value.status == 404
    assert raised.value.reason == "NotFound"
    assert raised.value.details == 'pods "web-0" not found'
    assert "GET /api/v1/namespaces/shop/pods/web-0" in raised.value.message
    assert server.url in raised.value.message


def test_find_of_what_is_not_there_is_none(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(404, status(404, "NotFound"))]
    assert client.find(PODS, "web-0", "shop") is None


def test_read_returns_the_very_bytes(server: ApiServer, client: Client) -> None:
    sent = b'{ "kind":"Pod",\n  "metadata": {"name":"web-0", "x": 1.50}}\n'
    server.answers = [Reply(body=sent)]
    assert client.read(PODS, "web-0", "shop") == sent
    assert server.received[0].headers["Accept-Encoding"] == "identity"


def test_unknown_fields_survive_a_round_trip(server: ApiServer, client: Client) -> None:
    stored = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web", "inventedTomorrow": {"deep": [1, None, "ü"]}},
        "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "novel": True}]},
        "unheardOf": 9007199254740993,
    }
    server.answers = [Reply(body=stored), lambda request: Reply(body=request.body)]
    got = client.get(STATEFULSETS, "web", "shop")
    returned = client.replace(STATEFULSETS, "web", got, "shop")
    assert server.received[1].manifest == stored
    assert returned == stored


def test_create_posts_to_the_collection_as_field_manager(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(201, {"metadata": {"uid": "u"}})]
    assert client.create(CLAIMS, {"kind": "PersistentVolumeClaim"}, "shop") == {
        "metadata": {"uid": "u"}
    }
    sent = server.received[0]
    assert (sent.method, sent.path) == ("POST", "/api/v1/namespaces/shop/persistentvolumeclaims")
    assert sent.query == {"fieldManager": "statefulset-csi-migration-tool"}
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.manifest == {"kind": "PersistentVolumeClaim"}


def test_create_of_what_is_there_raises_already_exists(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(409, status(409, "AlreadyExists"))]
    with pytest.raises(AlreadyExists):
        client.create(PODS, {}, "shop")


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ("merge", "application/merge-patch+json"),
        ("json", "application/json-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
    ],
)
def test_patch_names_its_kind(server: ApiServer, client: Client, content: Any, sent: str) -> None:
    server.answers = [Reply()]
    client.patch(VOLUMES, "pv-1", {"spec": {}}, content=content, subresource="status")
    request = server.received[0]
    assert (request.method, request.path) == ("PATCH", "/api/v1/persistentvolumes/pv-1/status")
    assert request.headers["Content-Type"] == sent
    assert request.query == {"fieldManager": "statefulset-csi-migration-tool"}


def test_dry_run_of_a_write_is_in_the_query(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(), Reply(), Reply()]
    client.create(PODS, {}, "shop", dry_run=True)
    client.patch(PODS, "web-0", {}, "shop", dry_run=True)
    client.replace(PODS, "web-0", {}, "shop", dry_run=True)
    assert [request.query["dryRun"] for request in server.received] == ["All"] * 3


def test_delete_carries_its_preconditions_and_no_grace_period(
    server: ApiServer, client: Client
) -> None:
    server.answers = [Reply(body=status(200))]
    client.delete(
        STATEFULSETS, "web", "shop", uid="u-1", resource_version="42", propagation="Orphan"
    )
    sent = server.received[0]
    assert (sent.method, sent.path) == ("DELETE", "/apis/apps/v1/namespaces/shop/statefulsets/web")
    assert sent.manifest == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u-1", "resourceVersion": "42"},
        "propagationPolicy": "Orphan",
    }


def test_dry_run_of_a_delete_is_in_the_body_where_the_server_looks(
    server: ApiServer, client: Client
) -> None:
    server.answers = [Reply(body=status(200))]
    client.delete(PODS, "web-0", "shop", uid="u-1", dry_run=True)
    assert server.received[0].manifest["dryRun"] == ["All"]


def test_delete_of_another_uid_raises_conflict(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(409, status(409, "Conflict", "the UID in the precondition"))]
    with pytest.raises(Conflict):
        client.delete(PODS, "web-0", "shop", uid="u-1")


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_delete_never_reaches_a_collection(server: ApiServer, client: Client, name: str) -> None:
    with pytest.raises(ValueError, match="API path"):
        client.delete(PODS, name, "shop", uid="u-1")
    assert server.received == []


def test_delete_without_uid_sends_nothing(server: ApiServer, client: Client) -> None:
    with pytest.raises(ValueError, match="uid"):
        client.delete(PODS, "web-0", "shop", uid="")
    assert server.received == []


def test_create_of_a_namespaced_kind_needs_a_namespace(client: Client) -> None:
    with pytest.raises(ValueError, match="namespace"):
        client.create(PODS, {})


def page(names: list[str], token: str = "") -> Reply:
    metadata = {"resourceVersion": "7"} | ({"continue": token} if token else {})
    return Reply(body={"metadata": metadata, "items": [{"name": name} for name in names]})


def test_list_follows_pages_to_the_end(server: ApiServer, client: Client) -> None:
    server.answers = [page(["a", "b"], "t1"), page(["c"], "t2"), page(["d"])]
    assert [item["name"] for item in client.list(PODS, labels="app=web")] == ["a", "b", "c", "d"]
    first = {"labelSelector": "app=web", "limit": str(PAGE)}
    assert [request.query for request in server.received] == [
        first,
        first | {"continue": "t1"},
        first | {"continue": "t2"},
    ]


def test_list_whose_token_expired_starts_again_in_one_page(
    server: ApiServer, client: Client
) -> None:
    expired = Reply(410, status(410, "Expired"))
    server.answers = [page(["a"], "t1"), expired, page(["a", "b"])]
    assert client.list(PODS, "shop") == [{"name": "a"}, {"name": "b"}]
    assert server.received[-1].query == {}


def test_a_list_at_once_is_one_call_whatever_is_there(server: ApiServer, client: Client) -> None:
    server.answers = [page([f"a{number}" for number in range(PAGE + 1)])]
    assert len(client.list(VOLUMES, at_once=True)) == PAGE + 1
    assert [request.query for request in server.received] == [{}]


def test_of_every_page_only_what_is_wanted_is_kept(server: ApiServer, client: Client) -> None:
    server.answers = [page(["a", "b"], "t1"), page(["c"])]
    kept = client.list(PODS, keep=lambda item: {"kept": item["name"]})
    assert kept == [{"kept": "a"}, {"kept": "b"}, {"kept": "c"}]


def test_list_of_nothing_is_empty(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(body={"metadata": {}, "items": None})]
    assert client.list(VOLUMES, fields="metadata.name=x") == []
    assert server.received[0].query["fieldSelector"] == "metadata.name=x"


def test_version_is_the_git_version(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(body={"gitVersion": "v1.34.4"})]
    assert client.version() == "v1.34.4"


@pytest.mark.parametrize("answer", [True, False])
def test_allowed_asks_the_server(server: ApiServer, client: Client, answer: bool) -> None:
    server.answers = [Reply(201, {"status": {"allowed": answer}})]
    assert client.allowed("delete", VOLUME_MIGRATIONS) is answer
    assert server.received[0].manifest["spec"]["resourceAttributes"] == {
        "verb": "delete",
        "group": "cns.vmware.com",
        "version": "v1alpha1",
        "resource": "cnsvspherevolumemigrations",
        "subresource": "",
        "namespace": "",
        "name": "",
    }


def test_warnings_are_kept_once_each_in_order(server: ApiServer, client: Client) -> None:
    header = ("Warning", '299 - "spec.x is deprecated"')
    quoted = ("Warning", r'299 - "it says \"no\""')
    server.answers = [Reply(headers=(header,)), Reply(headers=(header, quoted))]
    client.get(PODS, "web-0", "shop")
    client.get(PODS, "web-1", "shop")
    assert client.warnings == ["spec.x is deprecated", 'it says "no"']


def test_a_path_in_the_server_url_is_kept(server: ApiServer) -> None:
    server.answers = [Reply()]
    with server.client() as plain:
        prefixed = f"{server.url}/k8s/clusters/c-1"
    assert plain.server == server.url
    with Client(Connection(prefixed, "the test")) as client:
        client.get(NODES, "node-1")
    assert server.received[0].path == "/k8s/clusters/c-1/api/v1/nodes/node-1"


def test_a_body_is_sent_as_utf_8(server: ApiServer, client: Client) -> None:
    server.answers = [Reply()]
    client.create(PODS, {"note": "größer"}, "shop")
    assert "größer".encode() in server.received[0].body
    assert json.loads(server.received[0].body) == {"note": "größer"}


def test_a_proxy_is_given_its_password(server: ApiServer) -> None:
    server.answers = [Reply()]
    proxy = server.url.replace("//", "//me:p%40ss@")
    with Client(Connection("http://api.corp", "the test", proxy_url=proxy)) as client:
        client.get(NODES, "node-1")
    asked = server.received[0]
    assert asked.headers["Host"] == "api.corp"
    assert asked.headers["proxy-authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"


def test_the_tool_runs_from_source_too(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", not_installed)
    server.answers = [Reply()]
    with server.client() as client:
        client.get(NODES, "node-1")
    assert server.received[0].headers["User-Agent"].endswith("/unreleased")

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from csi_migration.kube import (
    Client,
    KubeconfigError,
    Unauthenticated,
    user_cluster_connection,
)
from csi_migration.model.errors import AuthenticationFailed
from tests.unit.kube_server import ApiServer, Reply, status


@pytest.fixture
def admin(server: ApiServer) -> Iterator[Client]:
    with server.client() as made:
        yield made


def kubeconfig(**user: Any) -> str:
    return json.dumps(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": "https://10.0.0.9:443"}}],
            "users": [{"name": "u", "user": user or {"token": "t"}}],
        }
    )


def secret(key: str, text: str) -> Reply:
    return Reply(body={"data": {key: base64.b64encode(text.encode()).decode()}})


ABSENT = Reply(404, status(404, "NotFound"))
FORBIDDEN = Reply(403, status(403, "Forbidden"))

PATHS = [
    "/api/v1/namespaces/prod/secrets/admin",
    "/api/v1/namespaces/prod-gke-onprem-mgmt/secrets/admin",
    "/api/v1/namespaces/prod/secrets/prod-kubeconfig",
    "/api/v1/namespaces/default/secrets/prod-kubeconfig",
]


def test_the_first_place_is_google_distributed_clouds(server: ApiServer, admin: Client) -> None:
    server.answers = [secret("admin.conf", kubeconfig())]
    connection = user_cluster_connection(admin, "prod")
    assert connection.server == "https://10.0.0.9:443"
    assert connection.token == "t"
    assert "Secret prod/admin/admin.conf" in connection.source
    assert [request.path for request in server.received] == PATHS[:1]


def test_the_other_places_are_tried_in_order(server: ApiServer, admin: Client) -> None:
    server.answers = [
        ABSENT,
        secret("other", "x"),
        FORBIDDEN,
        secret("value", kubeconfig()),
    ]
    assert user_cluster_connection(admin, "prod").token == "t"
    assert [request.path for request in server.received] == PATHS


def test_finding_none_names_every_place_and_what_was_there(
    server: ApiServer, admin: Client
) -> None:
    server.answers = [ABSENT, secret("other", "x"), FORBIDDEN, ABSENT]
    with pytest.raises(KubeconfigError, match="'prod'") as raised:
        user_cluster_connection(admin, "prod")
    assert raised.value.details.splitlines() == [
        "prod/admin/admin.conf: there is no such Secret",
        (
            "prod-gke-onprem-mgmt/admin/admin.conf:"
            " the Secret has no key 'admin.conf', its keys: other"
        ),
        "prod/prod-kubeconfig/value: not allowed to read it",
        "default/prod-kubeconfig/value: there is no such Secret",
    ]
    assert "NAMESPACE/NAME/KEY" in raised.value.resolution


@pytest.mark.parametrize("secret", [None, "fleet/prod-conf/kubeconfig.yaml"])
def test_no_place_that_may_be_read_is_a_matter_of_permissions(
    server: ApiServer, admin: Client, secret: str | None
) -> None:
    server.answers = [FORBIDDEN] * (1 if secret else len(PATHS))
    with pytest.raises(AuthenticationFailed, match="may not read the kubeconfig") as raised:
        user_cluster_connection(admin, "prod", secret=secret)
    assert raised.value.exit_code == 8
    assert len(raised.value.details.splitlines()) == len(server.received)
    assert "deploy/rbac-admin-cluster.yaml" in raised.value.resolution
    assert "--cluster-name" in raised.value.resolution


def test_a_named_secret_is_the_only_place(server: ApiServer, admin: Client) -> None:
    server.answers = [secret("kubeconfig.yaml", kubeconfig())]
    user_cluster_connection(admin, "prod", secret="fleet/prod-conf/kubeconfig.yaml")
    assert [request.path for request in server.received] == [
        "/api/v1/namespaces/fleet/secrets/prod-conf"
    ]


def test_a_named_secret_that_is_not_there_is_not_replaced_by_guesses(
    server: ApiServer, admin: Client
) -> None:
    server.answers = [ABSENT]
    with pytest.raises(KubeconfigError) as raised:
        user_cluster_connection(admin, "prod", secret="fleet/prod-conf/kubeconfig.yaml")
    assert raised.value.details == "fleet/prod-conf/kubeconfig.yaml: there is no such Secret"


@pytest.mark.parametrize("text", ["one", "one/two", "one/two/", "/two/three", "a b/two/three"])
def test_a_malformed_place_is_refused(admin: Client, text: str) -> None:
    with pytest.raises(KubeconfigError, match="does not name a key"):
        user_cluster_connection(admin, "prod", secret=text)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "Prod"])
def test_a_malformed_cluster_name_is_refused(server: ApiServer, admin: Client, name: str) -> None:
    with pytest.raises(KubeconfigError, match="no cluster name"):
        user_cluster_connection(admin, name)
    assert server.received == []


@pytest.mark.parametrize("text", ["a: [", "just text", "\x00"])
def test_a_secret_without_kubeconfig_is_refused_without_quoting_it(
    server: ApiServer, admin: Client, text: str
) -> None:
    server.answers = [secret("admin.conf", text)]
    with pytest.raises(KubeconfigError, match="holds no") as raised:
        user_cluster_connection(admin, "prod")
    assert raised.value.details == ""


@pytest.mark.parametrize(
    "user",
    [
        {"tokenFile": "/etc/shadow"},
        {"client-certificate": "/a", "client-key": "/b"},
        {"exec": {"command": "sh", "apiVersion": "client.authentication.k8s.io/v1"}},
    ],
)
def test_a_secret_may_not_name_files_or_commands_of_this_machine(
    server: ApiServer, admin: Client, user: dict[str, Any]
) -> None:
    server.answers = [secret("admin.conf", kubeconfig(**user))]
    with pytest.raises(KubeconfigError, match="only a local kubeconfig may"):
        user_cluster_connection(admin, "prod")


def test_an_admin_cluster_that_does_not_know_us_is_that_error(
    server: ApiServer, admin: Client
) -> None:
    server.answers = [Reply(401, status(401, "Unauthorized"))]
    with pytest.raises(Unauthenticated):
        user_cluster_connection(admin, "prod")

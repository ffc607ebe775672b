"""What became of a request: not sent, rejected, maybe applied, read failed."""

from __future__ import annotations

import socket
import sys

import pytest

from csi_migration.kube import (
    Client,
    Conflict,
    Connection,
    Forbidden,
    Invalid,
    MaybeApplied,
    NotSent,
    ReadFailed,
    Rejected,
    TooManyRequests,
)
from csi_migration.kube.resources import PODS, VOLUME_MIGRATIONS
from csi_migration.model.errors import ExitCode
from tests.unit.kube_server import CUT, ApiServer, Reply, status

# Python's own words for 422, which 3.13 changed.
UNPROCESSABLE = "Unprocessable Content" if sys.version_info >= (3, 13) else "Unprocessable Entity"


def delete(client: Client, *, dry_run: bool = False) -> None:
    client.delete(PODS, "web-0", "shop", uid="u-1", dry_run=dry_run)


def methods(server: ApiServer) -> list[str]:
    return [request.method for request in server.received]


@pytest.mark.parametrize(
    "answer",
    [
        CUT,
        Reply(body=status(200), cut_at=0),
        Reply(body=status(200), cut_at=20),
        Reply(body=b"<html>log in first</html>"),
        Reply(500, status(500, "InternalError", "etcdserver: request timed out")),
        Reply(503, b"upstream down"),
        Reply(504, status(504, "Timeout")),
    ],
    ids=["cut-before-headers", "cut-after-headers", "cut-in-body", "not-json", "500", "503", "504"],
)
class TestWithoutAFullAnswer:
    def test_a_write_may_be_applied_and_is_sent_once(
        self, server: ApiServer, client: Client, answer: Reply
    ) -> None:
        server.answers = [answer, Reply(body=status(200))]
        with pytest.raises(MaybeApplied, match="may have been applied"):
            delete(client)
        assert methods(server) == ["DELETE"]

    def test_a_read_failed_and_is_sent_once(
        self, server: ApiServer, client: Client, answer: Reply
    ) -> None:
        server.answers = [answer, Reply()]
        with pytest.raises(ReadFailed):
            client.get(PODS, "web-0", "shop")
        assert methods(server) == ["GET"]

    def test_a_dry_run_counts_as_a_read(
        self, server: ApiServer, client: Client, answer: Reply
    ) -> None:
        server.answers = [answer]
        with pytest.raises(ReadFailed):
            delete(client, dry_run=True)


def test_a_server_error_names_its_status_and_words(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(500, status(500, "InternalError", "etcdserver: request timed out"))]
    with pytest.raises(MaybeApplied) as raised:
        delete(client)
    assert raised.value.status == 500
    assert raised.value.details == "etcdserver: request timed out"
    assert raised.value.resolution


def test_silence_after_a_write_may_be_applied(server: ApiServer) -> None:
    def silent(_: object) -> Reply:
        server.stopping.wait()
        return CUT

    server.answers = [silent]
    with server.client(timeout=0.3) as impatient, pytest.raises(MaybeApplied) as raised:
        delete(impatient)
    assert "timed out" in raised.value.details


def test_429_with_retry_after_is_rejected_and_never_sent_again(
    server: ApiServer, client: Client
) -> None:
    server.answers = [Reply(429, status(429), headers=(("Retry-After", "3"),)), Reply()]
    with pytest.raises(TooManyRequests) as raised:
        delete(client)
    assert raised.value.retry_after == 3.0
    assert methods(server) == ["DELETE"]


def test_retry_after_may_come_in_the_status_object(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(429, status(429, retryAfterSeconds=7))]
    with pytest.raises(TooManyRequests) as raised:
        delete(client)
    assert raised.value.retry_after == 7.0


@pytest.mark.parametrize(
    ("code", "error"),
    [(400, Rejected), (403, Forbidden), (409, Conflict), (422, Invalid), (302, Rejected)],
)
def test_a_refusal_is_final(
    server: ApiServer, client: Client, code: int, error: type[Rejected]
) -> None:
    server.answers = [
        Reply(code, status(code, "Because"), headers=(("Location", "/elsewhere"),)),
        Reply(),
    ]
    with pytest.raises(error) as raised:
        delete(client)
    assert (raised.value.status, raised.value.reason) == (code, "Because")
    assert methods(server) == ["DELETE"]


def test_a_refusal_stays_one_when_its_body_is_cut(server: ApiServer, client: Client) -> None:
    server.answers = [Reply(409, status(409, "Conflict"), cut_at=10)]
    with pytest.raises(Conflict):
        delete(client)


def test_only_a_status_objects_words_are_shown_and_not_too_many(
    server: ApiServer, client: Client
) -> None:
    server.answers = [
        Reply(422, {"kind": "Secret", "message": "hunter2"}),
        Reply(400, status(400, message="x" * 9000)),
    ]
    with pytest.raises(Rejected) as foreign:
        delete(client)
    assert "hunter2" not in foreign.value.details + foreign.value.message
    assert foreign.value.reason == UNPROCESSABLE
    with pytest.raises(Rejected) as long:
        delete(client)
    assert len(long.value.details) == 512


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "server_url",
    [f"http://127.0.0.1:{free_port()}", f"https://127.0.0.1:{free_port()}"],
    ids=["http", "https"],
)
def test_a_refused_connection_sent_nothing(server_url: str) -> None:
    with Client(Connection(server_url, "the test")) as client, pytest.raises(NotSent) as raised:
        delete(client)
    assert raised.value.exit_code == ExitCode.UNREACHABLE


def test_an_unknown_host_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        Client(Connection("http://no-such-host.invalid", "the test")) as client,
        pytest.raises(NotSent),
    ):
        delete(client)


def test_tls_to_a_server_without_tls_sent_nothing(server: ApiServer) -> None:
    url = server.url.replace("http:", "https:")
    with Client(Connection(url, "the test")) as client, pytest.raises(NotSent):
        delete(client)
    assert server.received == []


def test_a_proxy_that_refuses_the_tunnel_sent_nothing(server: ApiServer) -> None:
    connection = Connection("https://10.1.2.3:6443", "the test", proxy_url=server.url)
    with Client(connection) as client, pytest.raises(NotSent) as raised:
        delete(client)
    assert "407" in raised.value.details
    assert server.tunnelled == ["10.1.2.3:6443"]


def test_an_idle_connection_that_the_server_closed_is_made_anew_for_a_write(
    server: ApiServer, client: Client
) -> None:
    goodbye = Reply(body={}, cut_at=2)  # the whole body, then the server hangs up
    server.answers = [goodbye, Reply(body=status(200))]
    client.get(PODS, "web-0", "shop")
    assert server.hung_up.wait(5)
    delete(client)
    assert methods(server) == ["GET", "DELETE"]


@pytest.mark.parametrize("code", [302, 400, 404, 408])
def test_what_no_api_server_says_is_no_answer(server: ApiServer, client: Client, code: int) -> None:
    server.answers = [Reply(code, "default backend"), Reply(code, "default backend")]
    with pytest.raises(MaybeApplied):
        delete(client)
    with pytest.raises(ReadFailed):
        client.find(PODS, "web-0", "shop")


def test_a_kind_that_is_not_installed_is_not_found_in_plain_words(
    server: ApiServer, client: Client
) -> None:
    server.answers = [Reply(404, "404 page not found")]
    assert client.find(VOLUME_MIGRATIONS, "fcd-1") is None

"""A small real HTTP(S) server on 127.0.0.1 that answers as a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from csi_migration.kube import Client, Connection

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    certificate: dict[str, Any]

    @property
    def manifest(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer; with `chunks` a stream, with `cut_at` only so many bytes of the body."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    chunks: tuple[bytes, ...] | None = None
    cut_at: int | None = None
    hold: float = 0.0


CUT = Reply(status=0)
"""The connection is closed in place of an answer."""

Answer = Reply | Callable[[Received], Reply]


def status(code: int, reason: str = "", message: str = "", **details: Any) -> dict[str, Any]:
    """A Status object."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


class ApiServer(ThreadingHTTPServer):
    """Serves `answers` in order, and keeps what it received."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        self.tunnelled: list[str] = []
        self.stopping = threading.Event()
        self.hung_up = threading.Event()
        self.scheme = "https" if tls else "http"
        self._tls = tls

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def client(self, timeout: float = 5.0, **connection: Any) -> Client:
        return Client(Connection(self.url, "the test", **connection), request_timeout=timeout)

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted, address = super().get_request()
        if self._tls:
            accepted.settimeout(5)
            accepted = self._tls.wrap_socket(
                accepted, server_side=True, do_handshake_on_connect=False
            )
        return accepted, address

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.hung_up.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A refused handshake or a client that hung up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Tests read what was received, not a log."""

    def _answer(self) -> None:
        received = self._received()
        self.server.received.append(received)
        answer = self.server.answers.pop(0)
        reply = answer if isinstance(answer, Reply) else answer(received)
        if reply.status == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def do_CONNECT(self) -> None:
        self.server.tunnelled.append(self.path)
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _received(self) -> Received:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        peer: dict[str, Any] = getattr(self.connection, "getpeercert", dict)() or {}
        query = dict(parse_qsl(url.query))
        return Received(self.command, url.path, query, dict(self.headers), body, peer)

    def _send(self, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.chunks is not None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if reply.chunks is not None:
            self._stream(reply)
        else:
            self.wfile.write(body[: reply.cut_at])
        if reply.cut_at is not None:
            self.close_connection = True

    def _stream(self, reply: Reply) -> None:
        for chunk in reply.chunks or ():
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.server.stopping.wait(reply.hold)
        if reply.cut_at is None:
            self.wfile.write(b"0\r\n\r\n")


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[ApiServer]:
    """A server in a thread, gone with the block."""
    server = ApiServer(tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()

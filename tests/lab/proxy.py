"""A man in the middle of the tool and one server: TLS to both sides, HTTP/1.1, kept alive."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import urllib3

Headers = Mapping[str, str]

_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
_NOT_PASSED_ON = _HOP_BY_HOP | {"host", "accept-encoding"}


class Cut(Exception):
    """The tool's connection is to break without an answer."""


def _nothing() -> None:
    """What follows most answers."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the tool sent; `target` is path and query."""

    method: str
    target: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the tool gets to see.

    Attributes:
        body: an iterator for an answer that goes on, as a watch does.
        then: called once the answer, or the head of one that goes on, has been handed to
            the tool's socket.
    """

    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""
    then: Callable[[], None] = _nothing

    def followed_by(self, then: Callable[[], None]) -> Answer:
        """The same answer, with something that happens right after it."""
        return replace(self, then=then)


class Upstream:
    """The real server. Connections are kept, and used by all threads."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=32)

    def close(self) -> None:
        """Close the connections that are kept; the next request makes new ones."""
        self._pool.clear()

    def send(self, request: Request, *, stream: bool = False) -> Answer:
        """The server's own answer.

        Raises:
            urllib3.exceptions.HTTPError: it did not come.
        """
        passed = {k: v for k, v in request.headers.items() if k.lower() not in _NOT_PASSED_ON}
        passed["Accept-Encoding"] = "identity"
        found = self._pool.request(
            request.method,
            self.url + request.target,
            body=request.body or None,
            headers=passed,
            redirect=False,
            preload_content=not stream,
        )
        headers = {k: v for k, v in found.headers.items() if k.lower() not in _HOP_BY_HOP}
        return Answer(found.status, headers, _chunks(found) if stream else found.data)


def _chunks(found: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    # Whatever has come, as soon as it has: an event must not wait for the next one.
    with found:
        while chunk := found.read1(65536):
            yield chunk


class Proxy:
    """Shows the certificate of the lab's servers, and hands everything through.

    A subclass overrides `answer`.
    """

    def __init__(self, pki: Path, upstream: Upstream) -> None:
        self.port = 0
        self.upstream = upstream
        self._serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._serving.load_cert_chain(pki / "server.pem", pki / "server-key.pem")
        self._server: _Server | None = None

    def answer(self, request: Request) -> Answer:
        """What the tool gets to see. May raise Cut."""
        return self.upstream.send(request)

    def listen(self) -> None:
        """Begin, or begin again under the same address."""
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.proxy = self
        self.port = self._server.server_port
        self._server.socket = self._serving.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def hang_up(self) -> None:
        """Drop every connection and refuse new ones."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            break_off(connection)
        self._server = None
        self.upstream.close()


def break_off(connection: socket.socket) -> None:
    """End a connection at once, for both sides."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A small write that waits for the answer to the one before costs 40 ms.
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self._of().connections.add(self.connection)

    def finish(self) -> None:
        self._of().connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = urllib3.HTTPHeaderDict(self.headers.items())
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        try:
            answer = self._of().proxy.answer(request)
        except (Cut, urllib3.exceptions.HTTPError):
            break_off(self.connection)
            self.close_connection = True
            return
        self._deliver(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _deliver(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()
            answer.then()
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            # A watch is answered when it begins: an event may never come.
            self.wfile.flush()
            answer.then()
            self._stream(answer.body)
            self.wfile.flush()

    def _stream(self, chunks: Iterator[bytes]) -> None:
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _of(self) -> _Server:
        return cast("_Server", self.server)

    def log_message(self, *_: object) -> None:
        """The servers' own audit logs say it all."""


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    proxy: Proxy

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.connections: set[socket.socket] = set()

    def handle_error(self, *_: object) -> None:
        """A connection that breaks is what this is for."""

"""A man in the middle of the tool and vCenter: takes privileges away, refuses calls, goes away."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

from lab.objects import driver_config
from tests.lab.labkit import Lab

_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
_NO_PERMISSION = """\
<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:vim="urn:vim25">
<soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode>
<faultstring>Permission to perform this operation was denied.</faultstring>
<detail><vim:NoPermissionFault xsi:type="vim:NoPermission">
<vim:object type="Datastore">datastore-1</vim:object>
<vim:privilegeId>Datastore.FileManagement</vim:privilegeId>
</vim:NoPermissionFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>
"""


class VCenterProxy:
    """Shows the certificate of the lab's vCenter, and hands everything through.

    Attributes:
        missing: a privilege that the account seems to lack when it asks.
        denied: a method that is refused with NoPermission.
    """

    def __init__(self, lab: Lab) -> None:
        self.missing = ""
        self.denied = ""
        self._lab = lab
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._connections: set[Any] = set()
        vcenter = lab.facts.vcenter
        self._real = f"https://{vcenter['host']}:{vcenter['port']}"
        self._pool = urllib3.PoolManager(ca_certs=vcenter["ca"], retries=False, maxsize=16)

    def configuration(self, path: Path) -> Path:
        """Write a csi-vsphere.conf that leads here instead of to vCenter."""
        path.write_text(driver_config({**self._lab.facts.vcenter, "port": self._port}))
        return path

    def listen(self) -> None:
        """Begin, or begin again under the same address."""
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pki = self._lab.layout.pki
        serving.load_cert_chain(pki / "server.pem", pki / "server-key.pem")
        self._server = _Server(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_port
        self._server.socket = serving.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def hang_up(self) -> None:
        """Drop every connection and refuse new ones."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any, bytes]:
        """What the tool gets to see."""
        if self.denied and f"<{self.denied} ".encode() in body:
            return 500, {"Content-Type": "text/xml; charset=utf-8"}, _NO_PERMISSION.encode()
        passed = {k: v for k, v in headers.items() if k.lower() not in _HOP_BY_HOP | {"host"}}
        passed["Accept-Encoding"] = "identity"
        found = self._pool.request(method, self._real + path, body=body or None, headers=passed)
        return found.status, found.headers, self._without_the_missing(found.data)

    def _without_the_missing(self, body: bytes) -> bytes:
        if not self.missing:
            return body
        granted = rf"(<privId>{re.escape(self.missing)}</privId>\s*<isGranted>)true".encode()
        return re.sub(granted, rb"\1false", body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                proxy._connections.add(self.connection)

            def finish(self) -> None:
                proxy._connections.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                status, headers, content = proxy.answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """The vCenter's own audit log says it all."""

        return Handler


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A connection that breaks is what this is for."""


@contextmanager
def vcenter_proxy(lab: Lab) -> Iterator[VCenterProxy]:
    """A proxy that listens, until the `with` block ends."""
    proxy = VCenterProxy(lab)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.hang_up()

"""An HTTPS server that speaks as little SOAP as a vSphere session needs."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

from csi_migration.vsphere.csi_config import VCenter

VERSIONS = (
    '<namespaces version="1.0"><namespace><name>urn:vim25</name>'
    "<version>8.0.3.0</version></namespace></namespaces>"
)
CONTENT = (
    '<rootFolder type="Folder">group-d1</rootFolder>'
    '<propertyCollector type="PropertyCollector">pc</propertyCollector>'
    "<about><name>vCenter</name><fullName>vCenter</fullName><vendor>v</vendor>"
    "<version>8.0.3</version><build>1</build><osType>linux</osType>"
    "<productLineId>vpx</productLineId><apiType>VirtualCenter</apiType>"
    "<apiVersion>8.0.3.0</apiVersion><instanceUuid>u-1</instanceUuid></about>"
    '<sessionManager type="SessionManager">SessionManager</sessionManager>'
    '<virtualDiskManager type="VirtualDiskManager">disks</virtualDiskManager>'
    '<vStorageObjectManager type="VcenterVStorageObjectManager">vso</vStorageObjectManager>'
)
LOGIN = (
    "<key>k</key><userName>u</userName><fullName>u</fullName>"
    "<loginTime>2026-01-01T00:00:00Z</loginTime>"
    "<lastActiveTime>2026-01-01T00:00:00Z</lastActiveTime><locale>en</locale>"
    "<messageLocale>en</messageLocale>"
)
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def vcenter_at(port: int) -> VCenter:
    return VCenter(
        host="127.0.0.1",
        port=port,
        user="csi@vsphere.local",
        password="s3cret",
        insecure=False,
        ca_file="",
        thumbprint="",
        datacenters=(),
    )


class Cut(Exception):
    """Raised by an answer to drop the connection without a word."""


def fault(kind: str, inside: str = "") -> str:
    return (
        f"<Fault><faultcode>ServerFaultCode</faultcode><faultstring>{kind}</faultstring><detail>"
        f'<{kind}Fault xmlns="urn:vim25" xmlns:xsi="{XSI}" xsi:type="{kind}">{inside}</{kind}Fault>'
        "</detail></Fault>"
    )


class Server:
    """What was asked is in `calls`; `answers` maps a method to what it says."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self.calls: list[str] = []
        self.cookies: list[str | None] = []
        self.answers: dict[str, Callable[[], str]] = {
            "RetrieveServiceContent": lambda: CONTENT,
            "Login": lambda: LOGIN,
            "Logout": lambda: "",
            "CurrentTime": lambda: "2026-01-01T00:00:00Z",
        }
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.present(certificate)
        self._plain = self._http.socket
        self._http.get_request = self._accept  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def present(self, certificate: trustme.LeafCert) -> None:
        """Show this certificate from the next connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self._context = context

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _accept(self) -> tuple[Any, Any]:
        connection, address = self._plain.accept()
        connection.settimeout(5)
        return self._context.wrap_socket(connection, server_side=True), address


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self._send(200, VERSIONS)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            method = body.split("Body>", 1)[1].lstrip("\n<").split(" ", 1)[0]
            server.calls.append(method)
            server.cookies.append(self.headers["Cookie"])
            try:
                inside = server.answers[method]()
            except Cut:
                self.close_connection = True
                return
            failed = inside.startswith("<Fault>")
            self._send(500 if failed else 200, _envelope(method, inside, failed=failed))

        def _send(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            if not self.headers["Cookie"]:
                self.send_header("Set-Cookie", f"vmware_soap_session={len(server.calls)}; Path=/")
            self.end_headers()
            self.wfile.write(text.encode())

    return Handler


def _envelope(method: str, inside: str, *, failed: bool) -> str:
    if failed:
        answer = inside.replace("Fault>", "soapenv:Fault>", 1)
        answer = answer.replace("</detail></Fault>", "</detail></soapenv:Fault>")
    else:
        value = f"<returnval>{inside}</returnval>" if inside else ""
        answer = f'<{method}Response xmlns="urn:vim25">{value}</{method}Response>'
    return (
        '<?xml version="1.0"?><soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
        f"<soapenv:Body>{answer}</soapenv:Body></soapenv:Envelope>"
    )


@contextmanager
def serving(certificate: trustme.LeafCert) -> Iterator[Server]:
    server = Server(certificate)
    try:
        yield server
    finally:
        server.stop()

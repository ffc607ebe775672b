"""One session on one vCenter: log in, call, log in again, log out."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPSConnection
from typing import Any, Self, TypeVar
from xml.etree import ElementTree as ET

from csi_migration.vsphere._bindings import SoapStubAdapter, newest_version, vim
from csi_migration.vsphere.csi_config import VCenter
from csi_migration.vsphere.errors import VCenterUnreachable, VSphereError
from csi_migration.vsphere.faults import LOST, FaultTypes, translated
from csi_migration.vsphere.trust import Trust

T = TypeVar("T")

# The first version with CNS (vSphere 6.7 U3); pyVmomi's own default is older
# and lacks every CNS call.
_CNS_VERSION = "vsan.version.version11"
_CNS_PATH = "/vsanHealth"


@dataclass(frozen=True, slots=True)
class About:
    """What vCenter says about itself.

    Attributes:
        api_version: as the driver compares it (`8.0.3.0`).
        version: the product's (`8.0.3`).
    """

    api_version: str
    version: str
    build: str
    instance_uuid: str


class Session:
    """A logged-in session. Calls from several threads run one after the other.

    Reads are repeated where that is safe; a write never is, unless vCenter
    said that it did not know the session. A context manager that logs out.
    """

    def __init__(self, vcenter: VCenter, context: ssl.SSLContext, timeout: float) -> None:
        self.host = vcenter.host
        self.port = vcenter.port
        self._vcenter = vcenter
        self._lock = threading.Lock()
        with translated(self.host, self.port, "GET vimServiceVersions.xml", ""):
            version = _negotiated(vcenter, context, timeout)
        self._stub = _stub(vcenter, context, timeout, "/sdk", version)
        self._cns_stub = _stub(vcenter, context, timeout, _CNS_PATH, _CNS_VERSION)
        try:
            self.content: Any = self._content()
            self._login()
        except VSphereError:
            self._disconnect()
            raise

    @classmethod
    def connect(cls, vcenter: VCenter, trust: Trust, *, timeout: float = 30.0) -> Session:
        """Log in. `timeout` bounds, in seconds, every wait for an answer.

        Raises:
            VCenterUnreachable, CertificateRefused, VCenterAuthenticationFailed.
        """
        context = trust.context(vcenter.host, vcenter.port, timeout=timeout)
        return cls(vcenter, context, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def about(self) -> About:
        """Versions and identity, as of the login."""
        about = self.content.about
        return About(about.apiVersion, about.version, about.build, about.instanceUuid or "")

    @property
    def cns(self) -> Any:
        """CNS' volume manager, on its own endpoint with this session's cookie.

        Ask for it anew within each call: a new login changes the cookie.
        """
        self._cns_stub.cookie = self._stub.cookie
        return vim.cns.VolumeManager("cns-volume-manager", self._cns_stub)

    def managed(self, kind: Any, moid: str) -> Any:
        """The managed object of that type and id (`datastore-42`), without a call."""
        return kind(moid, self._stub)

    def read(
        self, call: Callable[[], T], *, method: str, subject: str = "", expect: FaultTypes = ()
    ) -> T:
        """Run a call that changes nothing, again if the connection or session was stale.

        Raises:
            VSphereError: translated; faults of the types in `expect` pass as they are.
        """
        with self._lock, translated(self.host, self.port, method, subject, expect=expect):
            try:
                return self._authenticated(call)
            except TimeoutError:
                raise  # as long as the caller was willing to wait
            except LOST:
                return self._authenticated(call)

    def write(
        self, call: Callable[[], T], *, method: str, subject: str, expect: FaultTypes = ()
    ) -> T:
        """Run a call that changes something, on a connection made for it.

        Raises:
            VCenterUnreachable: nothing was sent.
            RegistrationUnknown: it was sent, and no answer came.
            VSphereError: translated; faults of the types in `expect` pass as they are.
        """
        with self._lock:
            try:
                return self._sent(call, method, subject, (*expect, vim.fault.NotAuthenticated))
            except vim.fault.NotAuthenticated:
                self._login()  # vCenter looks at the session first: nothing was applied
            return self._sent(call, method, subject, expect)

    def keep_alive(self) -> None:
        """Keep vCenter from ending the session as idle; logs in again if it did."""
        service = vim.ServiceInstance("ServiceInstance", self._stub)
        self.read(service.CurrentTime, method="CurrentTime")

    def close(self) -> None:
        """Log out."""
        # A session that cannot be ended now, vCenter ends as idle.
        with contextlib.suppress(VSphereError):
            self.read(self.content.sessionManager.Logout, method="Logout")
        self._disconnect()

    def _disconnect(self) -> None:
        self._stub.DropConnections()
        self._cns_stub.DropConnections()

    def _content(self) -> Any:
        with translated(self.host, self.port, "RetrieveServiceContent", ""):
            return vim.ServiceInstance("ServiceInstance", self._stub).RetrieveContent()

    def _authenticated(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except vim.fault.NotAuthenticated:
            self._login()
            return call()

    def _sent(self, call: Callable[[], T], method: str, subject: str, expect: FaultTypes) -> T:
        # On a pooled connection that vCenter closed meanwhile, "not sent" would
        # look like "no answer".
        with translated(self.host, self.port, method, subject):
            self._stub.DropConnections()
            self._stub.ReturnConnection(self._stub.GetConnection())
        with translated(self.host, self.port, method, subject, expect=expect, sent=True):
            return call()

    def _login(self) -> None:
        manager, vcenter = self.content.sessionManager, self._vcenter
        with translated(self.host, self.port, "Login", vcenter.user):
            self._stub.cookie = ""
            manager.Login(vcenter.user, vcenter.password, None)


def _stub(
    vcenter: VCenter, context: ssl.SSLContext, timeout: float, path: str, version: str
) -> Any:
    return SoapStubAdapter(
        host=vcenter.host,
        port=vcenter.port,
        path=path,
        version=version,
        sslContext=context,
        httpConnectionTimeout=timeout,
    )


def _negotiated(vcenter: VCenter, context: ssl.SSLContext, timeout: float) -> str:
    """The newest API version that both sides know."""
    connection = HTTPSConnection(vcenter.host, vcenter.port, timeout=timeout, context=context)
    with contextlib.closing(connection):
        connection.request("GET", "/sdk/vimServiceVersions.xml")
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != HTTPStatus.OK:
        raise VCenterUnreachable(
            f"{vcenter.host}:{vcenter.port} answers, but not as a vCenter",
            details=f"GET /sdk/vimServiceVersions.xml: {answer.status} {answer.reason}",
        )
    version = newest_version(_spoken(body))
    if version is None:
        raise VSphereError(f"{vcenter.host} speaks no version of the vSphere API known here")
    return version


def _spoken(body: bytes) -> set[str]:
    try:
        root = ET.fromstring(body)  # noqa: S314 - from a vCenter that proved itself
    except ET.ParseError as error:
        raise VSphereError("vimServiceVersions.xml is not XML", details=str(error)) from error
    return {
        version.text or ""
        for namespace in root.iter("namespace")
        if namespace.findtext("name") == "urn:vim25"
        for version in namespace.iter("version")
    }

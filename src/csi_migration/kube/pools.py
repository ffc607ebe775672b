"""urllib3 connections that tell whether a request began to leave this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from csi_migration.kube.proxies import proxy_for
from csi_migration.kube.tls import ssl_context

if TYPE_CHECKING:
    from csi_migration.kube.connection import Connection
    from csi_migration.kube.credentials import Credential

_CONNECTIONS = 8


class Progress(threading.local):
    """How far this thread's request got. `begun` is set right before its first byte."""

    begun = False


progress = Progress()


class _Observed(HTTPConnection):
    """A connection that tells when it starts to write a request.

    `endheaders` is where http.client writes the first byte. Connecting happens
    before, including a proxy's CONNECT, which must not count.
    """

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        if self.sock is None:
            self.connect()
        progress.begun = True
        super().endheaders(message_body, encode_chunked=encode_chunked)


class _ObservedTLS(_Observed, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Observed


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _ObservedTLS


def pools(connection: Connection, credential: Credential) -> urllib3.PoolManager:
    """Connections to the server, over its proxy, with the credential's certificate.

    Raises:
        KubeconfigError: a certificate or the key cannot be used.
    """
    settings: dict[str, Any] = {"maxsize": _CONNECTIONS}
    if urlsplit(connection.server).scheme == "https":
        settings["ssl_context"] = ssl_context(connection, credential.certificate, credential.key)
        if connection.tls_server_name:
            settings["server_hostname"] = connection.tls_server_name
    proxy = proxy_for(connection)
    manager = _over(proxy, settings) if proxy else urllib3.PoolManager(**settings)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return manager


def _over(proxy: str, settings: dict[str, Any]) -> urllib3.ProxyManager:
    parts = urlsplit(proxy)
    headers = None
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=pair)
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **settings)

"""TLS settings for a connection; a client key never stays on a disk."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from csi_migration.kube.connection import Connection
from csi_migration.kube.errors import KubeconfigError

_PROTOCOL = "http/1.1"


class _SharedContext(ssl.SSLContext):
    """Connections of several threads share it, so it is not changed once it is made.

    urllib3 sets the protocols at each connection (util/ssl_.py:ssl_wrap_socket), and that
    frees what another thread's beginning handshake reads (cpython issue 141012).
    """

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Nothing, if they are those that are set already."""
        if list(alpn_protocols) != [_PROTOCOL]:
            raise ValueError(f"this context is for {_PROTOCOL}")


def ssl_context(connection: Connection, certificate: str, key: str) -> ssl.SSLContext:
    """The TLS context to reach `connection` with a client certificate, if not empty.

    Raises:
        KubeconfigError: a certificate or the key cannot be used.
    """
    context = _server_verification(connection)
    if certificate:
        _load_client(context, connection.source, certificate, key)
    return context


def _server_verification(connection: Connection) -> ssl.SSLContext:
    # What ssl.create_default_context makes, but for the strict checks of RFC 5280 that
    # Python 3.13 added: authorities that cluster installers made over the years lack
    # extensions that those insist on.
    context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
    ssl.SSLContext.set_alpn_protocols(context, [_PROTOCOL])
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_authority(context, connection)
    return context


def _load_authority(context: ssl.SSLContext, connection: Connection) -> None:
    if not connection.certificate_authority:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(cadata=connection.certificate_authority)
    except ssl.SSLError as error:
        raise KubeconfigError(
            f"{connection.source}: the certificate authority is no PEM certificate",
            details=str(error),
            resolution="Check certificate-authority or certificate-authority-data.",
        ) from error


def _load_client(context: ssl.SSLContext, source: str, certificate: str, key: str) -> None:
    try:
        with _readable_file(f"{certificate.rstrip()}\n{key.rstrip()}\n".encode()) as path:
            # Without a password callback OpenSSL would prompt on the terminal.
            context.load_cert_chain(path, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(
            f"{source}: the client certificate and its key cannot be used",
            details=str(error),
            resolution="They must be PEM, belong together, and the key must not be encrypted.",
        ) from error


@contextmanager
def _readable_file(content: bytes) -> Iterator[str]:
    """A path that OpenSSL can read `content` from, gone with the block."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        with os.fdopen(os.memfd_create("client-key"), "wb") as memory:
            memory.write(content)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as file:  # mode 0600
        file.write(content)
        file.flush()
        yield file.name

"""TLS settings for a connection; a client key never stays on a disk."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from csi_migration.kube.connection import Connection
from csi_migration.kube.errors import KubeconfigError


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
    try:
        context = ssl.create_default_context(cadata=connection.certificate_authority or None)
    except ssl.SSLError as error:
        raise KubeconfigError(
            f"{connection.source}: the certificate authority is no PEM certificate",
            details=str(error),
            resolution="Check certificate-authority or certificate-authority-data.",
        ) from error
    # Python 3.13 checks RFC 5280 strictly by default; authorities that cluster
    # installers made over the years lack extensions that it then insists on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


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

"""TLS for clients whose threads share their connections."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class _SharedContext(ssl.SSLContext):
    """Never changed once it is made.

    urllib3 sets the protocols at each connection, and that frees what another thread's
    beginning handshake reads (cpython issue 141012).
    """

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Nothing: without any, a server speaks HTTP/1.1."""


def trusting(authority: Path) -> ssl.SSLContext:
    """For servers whose certificate this authority, a PEM file, has signed."""
    context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    return context


def as_told_by(content: dict[str, Any]) -> ssl.SSLContext:
    """For the first cluster of a kubeconfig, as its first user."""
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context.load_verify_locations(cadata=authority)
    # ssl reads a client certificate from a file only.
    with tempfile.NamedTemporaryFile() as pem:
        for field in ("client-certificate-data", "client-key-data"):
            pem.write(base64.b64decode(user[field]))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context

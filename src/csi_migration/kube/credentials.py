"""Who is asking: the Authorization header and client certificate of each request."""

from __future__ import annotations

import base64
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from csi_migration.kube.errors import CredentialsFailed
from csi_migration.kube.exec_credentials import run_plugin

if TYPE_CHECKING:
    from pathlib import Path

    from csi_migration.kube.connection import Connection, ExecPlugin

_SENDABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Credential:
    """What one request carries. `key` belongs to `certificate`; both are PEM."""

    authorization: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)


class Credentials(Protocol):
    """Where each request's credential comes from. Safe to share between threads."""

    def current(self) -> Credential:
        """The credential to use now.

        Raises:
            CredentialsFailed: there is none to be had.
        """

    def after_refusal(self, refused: Credential) -> Credential:
        """Another one after the server answered 401, or the same if there is none.

        Raises:
            CredentialsFailed: there is none to be had.
        """


def credentials_for(connection: Connection) -> Credentials:
    """The credentials that a connection asks for.

    As in kubectl, an explicit token or password goes before an exec plugin.
    """
    certificate, key = connection.client_certificate, connection.client_key
    if connection.token_file:
        return TokenFile(connection.token_file, certificate, key)
    if connection.token:
        return Fixed(Credential(bearer(connection.token, connection.source), certificate, key))
    if connection.username:
        pair = f"{connection.username}:{connection.password}".encode()
        return Fixed(Credential(f"Basic {base64.b64encode(pair).decode()}", certificate, key))
    if connection.exec_plugin:
        return Plugin(connection.exec_plugin, connection)
    return Fixed(Credential("", certificate, key))


def bearer(token: str, source: str) -> str:
    """The Authorization header for a token.

    Raises:
        CredentialsFailed: it holds what a header cannot carry. The HTTP
            library's own error would quote it.
    """
    if not _SENDABLE.fullmatch(token.strip()):
        raise CredentialsFailed(f"{source}: the token is empty or no single word of ASCII")
    return f"Bearer {token.strip()}"


@dataclass(frozen=True, slots=True)
class Fixed:
    """A credential that never changes."""

    credential: Credential

    def current(self) -> Credential:
        """The credential."""
        return self.credential

    def after_refusal(self, refused: Credential) -> Credential:  # noqa: ARG002
        """The same one."""
        return self.credential


class TokenFile:
    """A bearer token in a file that something else keeps fresh."""

    def __init__(self, file: Path, certificate: str, key: str) -> None:
        self._file = file
        self._certificate = certificate
        self._key = key
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()
        self._credential = Credential()

    def current(self) -> Credential:
        """The token in the file, read again when the file is another one."""
        with self._lock:
            try:
                self._read_if_changed()
            except (OSError, UnicodeDecodeError) as error:
                raise CredentialsFailed(
                    f"token file {self._file} cannot be read", details=str(error)
                ) from error
            return self._credential

    def after_refusal(self, refused: Credential) -> Credential:  # noqa: ARG002
        """The token in the file, whether or not the file looks changed."""
        with self._lock:
            self._seen = ()
        return self.current()

    def _read_if_changed(self) -> None:
        status = self._file.stat()
        now = (status.st_ino, status.st_mtime_ns, status.st_size)
        if now != self._seen:
            authorization = bearer(self._file.read_text(encoding="utf-8"), str(self._file))
            self._credential = Credential(authorization, self._certificate, self._key)
            self._seen = now


class Plugin:
    """What an exec plugin prints, kept until it expires or is refused."""

    def __init__(self, plugin: ExecPlugin, connection: Connection) -> None:
        self._plugin = plugin
        self._connection = connection
        self._lock = threading.Lock()
        self._credential: Credential | None = None
        self._expires: datetime | None = None
        self._failure: CredentialsFailed | None = None
        self._failed_at = 0.0

    def current(self) -> Credential:
        """The kept credential, or a new one from the plugin.

        Who waited while it failed for another is not worth a second prompt.
        """
        asked = time.monotonic()
        with self._lock:
            if self._failure and self._failed_at >= asked:
                raise self._failure
            if self._credential is None or self._has_expired():
                self._credential = self._run()
            return self._credential

    def after_refusal(self, refused: Credential) -> Credential:
        """One run of the plugin, unless another thread already got a new credential."""
        with self._lock:
            if self._credential is refused:
                self._credential = None
        return self.current()

    def _has_expired(self) -> bool:
        return self._expires is not None and datetime.now(UTC) >= self._expires

    def _run(self) -> Credential:
        try:
            return self._new()
        except CredentialsFailed as error:
            self._failure, self._failed_at = error, time.monotonic()
            raise

    def _new(self) -> Credential:
        printed = run_plugin(self._plugin, self._connection)
        self._expires = printed.expires
        source = f"exec plugin {self._plugin.command!r}"
        return Credential(
            bearer(printed.token, source) if printed.token else "",
            printed.certificate or self._connection.client_certificate,
            printed.key or self._connection.client_key,
        )

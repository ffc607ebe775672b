"""Runs a kubeconfig's exec plugin, by the client.authentication.k8s.io protocol.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
A plugin that fails raises: no request is ever sent without the credentials
that the kubeconfig asks for.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from csi_migration.kube.connection import Connection, ExecPlugin, InteractiveMode
from csi_migration.kube.errors import CredentialsFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS_TO_ANSWER = 60.0
"""How long a plugin that does not talk to a person may take."""

SECONDS_FOR_A_PERSON = 600.0
"""How long one that may ask a person something may take: a run must not hang for good."""


@dataclass(frozen=True, slots=True)
class ExecCredential:
    """What a plugin printed. `expires` is an aware time, None if it holds for good."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: datetime | None = None


def run_plugin(plugin: ExecPlugin, connection: Connection) -> ExecCredential:
    """Run the plugin and read what it prints.

    Raises:
        CredentialsFailed: it is missing, failed, or printed no credentials.
    """
    interactive = _interactive(plugin)
    limit = SECONDS_FOR_A_PERSON if interactive else SECONDS_TO_ANSWER
    told = _told(plugin, connection, interactive=interactive)
    environment = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(told)}
    try:
        done = subprocess.run(  # noqa: S603 - the kubeconfig of this machine names the command
            [plugin.command, *plugin.args],
            env=environment,
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # Without the cause: it quotes the arguments, which may hold secrets.
        raise _failed(plugin, f"did not answer within {limit:.0f} s") from None
    except OSError as error:
        raise _failed(plugin, "could not be run", error.strerror or "") from error
    if done.returncode != 0:
        words = (done.stderr or b"").decode(errors="replace").strip()
        raise _failed(plugin, f"exited with status {done.returncode}", words[:512])
    return _read(plugin, done.stdout)


def _interactive(plugin: ExecPlugin) -> bool:
    terminal = sys.stdin is not None and sys.stdin.isatty()
    if plugin.interactive_mode is InteractiveMode.ALWAYS and not terminal:
        raise _failed(plugin, "needs a terminal and there is none")
    return terminal and plugin.interactive_mode is not InteractiveMode.NEVER


def _told(plugin: ExecPlugin, connection: Connection, *, interactive: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.provide_cluster_info:
        spec["cluster"] = _cluster(plugin, connection)
    return {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}


def _cluster(plugin: ExecPlugin, connection: Connection) -> dict[str, Any]:
    authority = base64.b64encode(connection.certificate_authority.encode()).decode()
    known = {
        "server": connection.server,
        "tls-server-name": connection.tls_server_name,
        "insecure-skip-tls-verify": connection.insecure,
        "certificate-authority-data": authority,
        "proxy-url": connection.proxy_url,
        "config": json.loads(plugin.cluster_config or "null"),
    }
    return {key: value for key, value in known.items() if value}


def _read(plugin: ExecPlugin, printed: bytes) -> ExecCredential:
    try:
        answer = json.loads(printed)
    except ValueError:
        # Without the cause: it carries what was printed, which is a secret.
        raise _failed(plugin, "did not print JSON") from None
    if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
        raise _failed(plugin, "did not print an ExecCredential")
    if answer.get("apiVersion") != plugin.api_version:
        raise _failed(plugin, f"printed apiVersion {answer.get('apiVersion')!r}")
    return _credential(plugin, answer.get("status") or {})


def _credential(plugin: ExecPlugin, status: Mapping[str, Any]) -> ExecCredential:
    token, certificate, key = (
        status.get(name) or "" for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if bool(certificate) != bool(key):
        raise _failed(plugin, "printed a client certificate or a key without the other")
    if not token and not certificate:
        raise _failed(plugin, "printed neither a token nor a client certificate")
    return ExecCredential(token, certificate, key, _expires(plugin, status))


def _expires(plugin: ExecPlugin, status: Mapping[str, Any]) -> datetime | None:
    if not (text := status.get("expirationTimestamp")):
        return None
    try:
        expires = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise _failed(plugin, f"printed expirationTimestamp {text!r}") from error
    if expires.tzinfo is None:
        raise _failed(plugin, f"printed expirationTimestamp {text!r} without a time zone")
    return expires


def _failed(plugin: ExecPlugin, what: str, details: str = "") -> CredentialsFailed:
    return CredentialsFailed(
        f"exec plugin {plugin.command!r} {what}; nothing was sent",
        details=details,
        resolution=plugin.install_hint or f"Run {plugin.command!r} by hand and see what it says.",
    )

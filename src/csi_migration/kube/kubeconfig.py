"""Finds, merges and reads kubeconfigs, by kubectl's rules.

Where kubectl would go on as `system:anonymous` although a user is named, this
refuses: a tool that deletes objects must know as whom it does so.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from csi_migration.kube.connection import Connection, ExecPlugin, InteractiveMode
from csi_migration.kube.documents import Document, Merged, merge, read
from csi_migration.kube.errors import KubeconfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_SUPPORTED_USER_KEYS = frozenset(
    {
        "client-certificate",
        "client-certificate-data",
        "client-key",
        "client-key-data",
        "token",
        "tokenFile",
        "username",
        "password",
        "exec",
        "extensions",
    }
)


def load(path: str | None = None, context: str | None = None) -> Connection:
    """Read the kubeconfig at `path`, or else at KUBECONFIG, or else ~/.kube/config.

    Like KUBECONFIG, `path` may be a list. The first file wins: for
    current-context, and for each named entry as a whole. As with kubectl, a
    file that KUBECONFIG lists need not exist; one that `path` lists must.

    Args:
        path: one file, or several separated by `os.pathsep`.
        context: the context to use in place of current-context.

    Raises:
        KubeconfigError: there is none, or it cannot be used.
    """
    if path:
        files = _split(path)
    elif listed := _split(os.environ.get("KUBECONFIG", "")):
        files = [file for file in listed if file.exists()] or listed
    else:
        files = [Path.home() / ".kube" / "config"]
    return _connection(merge([read(file) for file in files]), context)


def from_mapping(mapping: Mapping[str, Any], source: str, context: str | None = None) -> Connection:
    """Read a kubeconfig that did not come from this machine, such as a Secret's.

    It may neither name files nor a command to run: who writes the Secret must
    not choose what is read or run here.

    Args:
        mapping: the kubeconfig.
        source: where it was read, for messages.
        context: the context to use in place of current-context.

    Raises:
        KubeconfigError: it cannot be used.
    """
    return _connection(merge([Document(mapping, source, None)]), context)


def _split(paths: str) -> list[Path]:
    return [Path(path).expanduser() for path in paths.split(os.pathsep) if path]


def _connection(merged: Merged, context: str | None) -> Connection:
    name = context or merged.current_context
    if not name:
        raise KubeconfigError(
            f"{merged.sources}: no current-context",
            resolution=f"Choose one with --context: {_listed(merged.contexts)}.",
        )
    chosen = _entry(merged.contexts, name, "context", merged.sources)
    cluster = _entry(merged.clusters, chosen.text("cluster"), "cluster", chosen.source)
    connection = replace(
        _server(cluster, f"context {name!r} of {chosen.source}"),
        namespace=chosen.text("namespace") or "default",
    )
    if not (user_name := chosen.text("user")):
        return connection
    user = _entry(merged.users, user_name, "user", chosen.source)
    return _as_user(connection, user, user_name, cluster)


def _entry(entries: Mapping[str, Document], name: str, what: str, source: str) -> Document:
    if name not in entries:
        raise KubeconfigError(
            f"{source}: there is no {what} {name!r}",
            resolution=f"Known {what}s: {_listed(entries)}.",
        )
    return entries[name]


def _listed(entries: Mapping[str, Document]) -> str:
    return ", ".join(sorted(entries)) or "none"


def _server(cluster: Document, source: str) -> Connection:
    connection = Connection(
        server=cluster.text("server").rstrip("/"),
        source=source,
        certificate_authority=cluster.content_of("certificate-authority"),
        insecure=cluster.flag("insecure-skip-tls-verify"),
        tls_server_name=cluster.text("tls-server-name"),
        proxy_url=cluster.text("proxy-url"),
    )
    if urlsplit(connection.server).scheme not in {"http", "https"}:
        raise KubeconfigError(f"{source}: server {connection.server!r} is no http(s) URL")
    if connection.insecure and connection.certificate_authority:
        raise KubeconfigError(
            f"{source}: insecure-skip-tls-verify contradicts the certificate-authority",
            resolution="Remove insecure-skip-tls-verify.",
        )
    if connection.proxy_url and urlsplit(connection.proxy_url).scheme not in {"http", "https"}:
        raise KubeconfigError(
            f"{source}: its proxy-url is no http(s) URL",
            resolution="SOCKS proxies are not supported; name an HTTP proxy.",
        )
    return connection


def _as_user(connection: Connection, user: Document, name: str, cluster: Document) -> Connection:
    where = f"{connection.source}: user {name!r}"
    _refuse_unsupported(user, where)
    connection = replace(
        connection,
        client_certificate=user.content_of("client-certificate"),
        client_key=user.content_of("client-key"),
        token=user.text("token"),
        token_file=user.file("tokenFile"),
        username=user.text("username"),
        password=user.text("password"),
        exec_plugin=_exec_plugin(user, cluster, where) if user.inner("exec").content else None,
    )
    _check_credentials(connection, where)
    return connection


def _refuse_unsupported(user: Document, where: str) -> None:
    unsupported = sorted(user.content.keys() - _SUPPORTED_USER_KEYS)
    if unsupported:
        raise KubeconfigError(
            f"{where}: {', '.join(unsupported)} is not supported",
            resolution="Use a client certificate, a token, a password or an exec plugin"
            " (auth-provider was removed from Kubernetes in 1.26).",
        )


def _check_credentials(connection: Connection, where: str) -> None:
    if bool(connection.client_certificate) != bool(connection.client_key):
        raise KubeconfigError(f"{where}: client-certificate and client-key come together")
    bearer = connection.token or connection.token_file
    if bearer and connection.username:
        raise KubeconfigError(
            f"{where}: token and username contradict each other", resolution="Remove one."
        )
    offered = (bearer, connection.username, connection.client_certificate, connection.exec_plugin)
    if not any(offered):
        raise KubeconfigError(
            f"{where} has no credentials",
            resolution="Add some, or take the user out of the context to go on as nobody.",
        )


def _exec_plugin(user: Document, cluster: Document, where: str) -> ExecPlugin:
    plugin = user.inner("exec")
    command, version, mode = (
        plugin.text(key) for key in ("command", "apiVersion", "interactiveMode")
    )
    if plugin.folder is None:
        raise KubeconfigError(
            f"{where} runs a command on this machine, which only a local kubeconfig may",
            resolution="Put a client certificate or a token into it.",
        )
    if not command or version not in _EXEC_VERSIONS:
        raise KubeconfigError(
            f"{where}: exec with command {command!r} and apiVersion {version!r}",
            resolution=f"A command is needed; supported are {' and '.join(_EXEC_VERSIONS)}.",
        )
    return ExecPlugin(
        command=str(plugin.folder / command) if os.sep in command else command,
        args=plugin.texts("args"),
        env=tuple((item.text("name"), item.text("value")) for item in plugin.inners("env")),
        api_version=version,
        interactive_mode=_interactive_mode(mode, where),
        install_hint=plugin.text("installHint").strip(),
        provide_cluster_info=plugin.flag("provideClusterInfo"),
        cluster_config=_cluster_config(cluster),
    )


def _interactive_mode(mode: str, where: str) -> InteractiveMode:
    try:
        return InteractiveMode(mode) if mode else InteractiveMode.IF_AVAILABLE
    except ValueError as error:
        raise KubeconfigError(f"{where}: interactiveMode {mode!r} is not known") from error


def _cluster_config(cluster: Document) -> str:
    for item in cluster.inners("extensions"):
        if item.text("name") == _EXEC_EXTENSION:
            return json.dumps(item.content.get("extension"))
    return ""

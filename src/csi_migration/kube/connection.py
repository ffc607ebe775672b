"""One API server and how to prove who is asking, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class InteractiveMode(Enum):
    """Whether an exec plugin may talk to the person at the terminal."""

    NEVER = "Never"
    IF_AVAILABLE = "IfAvailable"
    ALWAYS = "Always"


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A command that prints credentials (`users[].user.exec` of a kubeconfig).

    Attributes:
        command: a bare name looked up in PATH, or a path.
        args: its arguments; may hold secrets, hence not shown.
        env: variables set on top of the tool's own; not shown either.
        api_version: of the ExecCredential objects that go in and come out.
        interactive_mode: whether the plugin may use the terminal.
        install_hint: what a person can do when the command is not there.
        provide_cluster_info: whether the plugin is told about the cluster.
        cluster_config: JSON of the cluster's `client.authentication.k8s.io/exec`
            extension, handed to the plugin; empty if there is none.
    """

    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str = "client.authentication.k8s.io/v1"
    interactive_mode: InteractiveMode = InteractiveMode.IF_AVAILABLE
    install_hint: str = ""
    provide_cluster_info: bool = False
    cluster_config: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """What a kubeconfig's context comes down to. Its repr shows no secret.

    Attributes:
        server: the API server's URL, without a slash at its end.
        source: where this was read (`context 'prod' of /root/.kube/config`).
        namespace: the context's namespace.
        certificate_authority: PEM; empty for the system's authorities.
        insecure: do not verify the server's certificate.
        tls_server_name: the name to expect in it, if not the URL's host.
        proxy_url: the cluster's own proxy; empty to go by the environment.
        client_certificate: PEM, with its `client_key`.
        token: bearer token.
        token_file: file with the bearer token, read again when it changes;
            wins over `token`.
        username: for basic authentication, with its `password`.
        exec_plugin: asked when nothing else makes an Authorization header.
    """

    server: str
    source: str
    namespace: str = "default"
    certificate_authority: str = field(default="", repr=False)
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    client_certificate: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    exec_plugin: ExecPlugin | None = None

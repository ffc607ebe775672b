"""Command lines of the real control plane: etcd, API servers, controllers, scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.pki import Pair
from lab.watches import CLIENTS

# Writes with their bodies, but no secrets; reads of the tool and of who works by hand, and the
# watches of the parts.
READERS = ["migration-tool", "operator"]
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "users": READERS, "verbs": ["get", "list", "watch"]},
        {"level": "Metadata", "users": CLIENTS, "verbs": ["watch"]},
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
        {"level": "Request"},
    ],
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """The built programs."""

    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    etcd: Path
    vcenter: Path
    played: Path


@dataclass(frozen=True, slots=True)
class Keys:
    """What the processes of one cluster are given to prove who they are.

    `service_accounts` signs ServiceAccount tokens; its public half checks them.
    """

    ca: Path
    serving: Pair
    service_accounts: Path


@dataclass(frozen=True, slots=True)
class Audit:
    """Where an API server finds its audit policy, and writes its audit log."""

    policy: Path
    log: Path


def etcd(binary: Path, data: Path, client_port: int, peer_port: int) -> list[str]:
    """A single member that keeps its data for as long as the lab lives."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        str(binary),
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(
    binary: Path, cluster: str, port: int, etcd_port: int, *, keys: Keys, audit: Audit
) -> list[str]:
    """A cluster of its own under a prefix of the common etcd: RBAC, ServiceAccounts, TLS."""
    return [
        str(binary),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--etcd-prefix=/{cluster}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        # A loopback address may not become the endpoint of the kubernetes Service.
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={keys.serving.certificate}",
        f"--tls-private-key-file={keys.serving.key}",
        f"--client-ca-file={keys.ca}",
        "--authorization-mode=RBAC",
        # As kubeadm has it: there are databases that raise a kernel limit before they start.
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys.service_accounts}",
        f"--service-account-signing-key-file={keys.service_accounts}",
        f"--audit-policy-file={audit.policy}",
        f"--audit-log-path={audit.log}",
        # In megabytes: what was rotated away, nobody would look at.
        "--audit-log-maxsize=4096",
        "--profiling=false",
    ]


def controller_manager(binary: Path, kubeconfig: Path, port: int, keys: Keys) -> list[str]:
    """Its timings are the defaults: the binding stall of 15 s is part of what is tried."""
    return [
        *_behind_tls(binary, kubeconfig, port, keys),
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={keys.service_accounts}",
        f"--root-ca-file={keys.ca}",
    ]


def scheduler(binary: Path, kubeconfig: Path, port: int, keys: Keys) -> list[str]:
    """The default profile."""
    return _behind_tls(binary, kubeconfig, port, keys)


def _behind_tls(binary: Path, kubeconfig: Path, port: int, keys: Keys) -> list[str]:
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={keys.serving.certificate}",
        f"--tls-private-key-file={keys.serving.key}",
        "--profiling=false",
    ]

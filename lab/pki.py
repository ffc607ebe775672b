"""The lab's certificate authority, its certificates and kubeconfigs."""

from __future__ import annotations

import base64
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml

# CN and O of each client certificate: its user and its group in Kubernetes.
# The tool's group has no rights: it gets what deploy/ grants to its user.
IDENTITIES = {
    "admin": ("lab-admin", "system:masters"),
    "tool": ("migration-tool", "lab"),
    # Who does by hand what the tool does.
    "operator": ("operator", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", "lab"),
    "kube-scheduler": ("system:kube-scheduler", "lab"),
    "external-provisioner": ("external-provisioner", "system:masters"),
    "external-attacher": ("external-attacher", "system:masters"),
    "syncer": ("syncer", "system:masters"),
    "kubelet": ("kubelet", "system:masters"),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Issues every certificate of one lab; servers are checked against `ca`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._authority = trustme.CA(organization_name="lab")
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca))

    def server(self, name: str) -> Pair:
        """A serving certificate for 127.0.0.1 and localhost."""
        return self._write(name, self._authority.issue_cert("127.0.0.1", "localhost"))

    def client(self, name: str, user: str, group: str) -> Pair:
        """A client certificate that Kubernetes reads as `user` in `group`."""
        # Go refuses a certificate without any alternative name.
        issued = self._authority.issue_cert(
            f"{name}.lab.internal", common_name=user, organization_name=group
        )
        return self._write(name, issued)

    def _write(self, name: str, issued: trustme.LeafCert) -> Pair:
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}-key.pem")
        pair.key.touch(mode=0o600)
        issued.cert_chain_pems[0].write_to_path(str(pair.certificate))
        issued.private_key_pem.write_to_path(str(pair.key))
        return pair


def thumbprint(certificate: Path) -> str:
    """SHA-1 of the certificate the way vSphere prints it: `AA:BB:…`."""
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    return hashlib.sha1(der, usedforsecurity=False).digest().hex(":").upper()


def kubeconfig(server: str, ca: Path, user: str, pair: Pair) -> dict[str, Any]:
    """A kubeconfig with everything embedded, so that it can travel in a Secret."""
    cluster = {"server": server, "certificate-authority-data": _base64(ca)}
    client = {
        "client-certificate-data": _base64(pair.certificate),
        "client-key-data": _base64(pair.key),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": user, "user": client}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
        "current-context": "lab",
    }


def write_kubeconfig(path: Path, content: dict[str, Any]) -> None:
    """Write it so that nobody else can read the key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def edited_kubeconfig(source: Path, target: Path, *, cluster: dict[str, Any]) -> Path:
    """A copy of a kubeconfig with some fields of its cluster replaced."""
    content: dict[str, Any] = yaml.safe_load(source.read_text())
    content["clusters"][0]["cluster"] |= cluster
    write_kubeconfig(target, content)
    return target


def led_to(port: int, own: Path, path: Path) -> Path:
    """A copy of the kubeconfig `own`, but that its server is this port of 127.0.0.1."""
    return edited_kubeconfig(own, path, cluster={"server": f"https://127.0.0.1:{port}"})


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()

"""Where the lab keeps its state and where builds are cached."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CLUSTERS = ("user", "admin")


@dataclass(frozen=True, slots=True)
class Layout:
    """The state folder of one lab; every path in it has its name here."""

    root: Path

    @classmethod
    def default(cls) -> Layout:
        """`LAB_DIR`, or `.lab` in the repository."""
        return cls(Path(os.environ.get("LAB_DIR") or REPOSITORY / ".lab").absolute())

    @property
    def facts(self) -> Path:
        """What `lab up` found out and started, as JSON."""
        return self.root / "lab.json"

    @property
    def lock(self) -> Path:
        """Held by `up` and `down`."""
        return self.root / "lock"

    @property
    def pki(self) -> Path:
        """Certificates and keys; `ca.pem` is the authority of all of them."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """`PART.log` of each process."""
        return self.root / "logs"

    @property
    def vcenter(self) -> Path:
        """The vCenter's datastores, devices and audit log."""
        return self.root / "vcenter"

    @property
    def evidence(self) -> Path:
        """The ledgers of records, and the logs of what must never happen."""
        return self.root / "evidence"

    def kubeconfig(self, cluster: str, identity: str) -> Path:
        """Of an identity in pki.IDENTITIES, for the user or the admin cluster."""
        return self.root / "kubeconfigs" / f"{cluster}-{identity}.yaml"

    def audit_log(self, cluster: str) -> Path:
        """One JSON line for each write to a cluster, with its body and its sender."""
        return self.logs / f"audit-{cluster}.jsonl"

    @property
    def audit_policy(self) -> Path:
        """What the API servers write to their audit logs."""
        return self.root / "audit-policy.json"

    def played_config(self, cluster: str) -> Path:
        """The configuration of a cluster's played parts."""
        return self.root / f"played-{cluster}.json"


def cache_dir() -> Path:
    """The user's cache folder for this project (XDG base directory rules)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "statefulset-csi-migration-tool"

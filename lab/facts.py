"""`lab.json`: what is needed to use, look at and stop a lab."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.layout import CLUSTERS, Layout
from lab.processes import Part, free_ports

PORT_NAMES = (
    "etcd",
    "etcd-peer",
    "vcenter",
    *(
        f"{part}-{cluster}"
        for cluster in CLUSTERS
        for part in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
)


@dataclass(slots=True)
class Facts:
    """Grows while the lab starts, and is written after each process.

    Attributes:
        version: Kubernetes' version, without `v`.
        ports: by part, see PORT_NAMES.
        vcenter: url, host, port, ca, thumbprint, version, and user and password of
            administrator and driver.
        parts: the processes, in the order of their start.
        workloads: the clusters that can run pods.
        seconds: from `up` to ready.
    """

    version: str
    ports: dict[str, int] = field(
        default_factory=lambda: dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
    )
    vcenter: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    workloads: list[str] = field(default_factory=list)
    seconds: float = 0

    def server(self, cluster: str) -> str:
        """The URL of a cluster's API server."""
        return f"https://127.0.0.1:{self.ports[f'kube-apiserver-{cluster}']}"

    def part(self, name: str) -> Part:
        """The process of that name. Raises StopIteration when there is none."""
        return next(part for part in self.parts if part.name == name)

    def write(self, layout: Layout) -> None:
        """Put them into `lab.json`, whole or not at all."""
        temporary = layout.facts.with_suffix(".tmp")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(asdict(self), indent=2))
        temporary.replace(layout.facts)


def read(layout: Layout) -> Facts | None:
    """The facts of the lab in this folder, or None when none was started."""
    if not layout.facts.exists():
        return None
    content = json.loads(layout.facts.read_text())
    content["parts"] = [Part(**part) for part in content["parts"]]
    return Facts(**content)

"""The test bed: one lab, and a StatefulSet for each run, all of them there from the start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import bystanders
from bench.away import Absence, Span, absences, windows
from bench.calls import Call, CallLog
from bench.delays import KUBERNETES_CALL
from bench.distance import distant
from bench.usage import Usage
from bench.watching import Watching
from lab import cluster as lab_cluster
from lab import workload as lab_workload
from lab.client import Cluster
from lab.facts import Facts
from lab.layout import Layout
from lab.manifests import Workload
from lab.objects import driver_config
from lab.vcenter import ADMINISTRATOR, DRIVER

OPERATOR = "operator"
_MAKERS = 8
# Of a hundred disks, with delays; what stays on a node takes the place of one of sixty.
_DETACHING_SECONDS = 400.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one method on one set.

    Attributes:
        span: from the method's start to its end; `usage` is of its process.
        windows: when there was no StatefulSet.
    """

    workload: Workload
    span: Span
    absences: list[Absence]
    windows: list[Span]
    calls: list[Call]
    usage: Usage | None

    @property
    def wall_seconds(self) -> float:
        return self.usage.wall_seconds if self.usage else self.span.seconds


@dataclass(frozen=True, slots=True)
class Bed:
    """The lab that everything runs in, one after the other.

    Attributes:
        user: talks to the user cluster as the lab's administrator, whose reads are in no log.
    """

    layout: Layout
    facts: Facts
    user: Cluster
    delays: Mapping[str, float]

    def make(self, workloads: Sequence[Workload]) -> None:
        """Bring the sets to life; returns when all replicas are Ready."""
        with ThreadPoolExecutor(_MAKERS) as pool:
            list(pool.map(self._make, workloads))

    def clear(self, workloads: Sequence[Workload]) -> None:
        """Take the sets away, so that their disks leave the nodes."""
        with ThreadPoolExecutor(_MAKERS) as pool:
            list(pool.map(self._clear, workloads))

    def crowd(self, workload: Workload, number: int) -> None:
        """Put so many bystanders beside the set, for good."""
        bystanders.gather(self.layout, self.facts, self.user, workload.namespace, number)

    def watched(
        self, workload: Workload, by: str, method: Callable[[Workload], Usage | None]
    ) -> Run:
        """Run the method on the set while everything is noted; `by` is who makes its calls.

        Raises:
            CommandFailed: the method's command did.
        """
        log = CallLog(self.layout, by)
        with Watching(self.user, workload.namespace) as watching:
            begun = watching.now()
            usage = method(workload)
            ended = watching.now()
        seen = watching.seen
        return Run(
            workload,
            Span(begun, ended),
            absences(seen, workload.pod_names),
            windows(seen),
            log.calls(),
            usage,
        )

    @property
    def vcenter_config(self) -> Path:
        """A driver's configuration with the administrator's account, see CallLog."""
        path = self.layout.root / "administrator.conf"
        known = self.facts.vcenter
        content = driver_config(known | {"driver_password": known["password"]})
        path.touch(mode=0o600)
        path.write_text(content.replace(f'user = "{DRIVER}"', f'user = "{ADMINISTRATOR}"'))
        return path

    @contextmanager
    def far(self, identity: str) -> Iterator[Path]:
        """A kubeconfig for the user cluster, as far away as the delays say."""
        own = self.layout.kubeconfig("user", identity)
        with distant(own, self.delays[KUBERNETES_CALL], self.layout.root) as path:
            yield path

    @contextmanager
    def by_hand(self) -> Iterator[dict[str, str]]:
        """The environment of who works with kubectl and a vCenter client."""
        known = self.facts.vcenter
        with self.far(OPERATOR) as kubeconfig:
            yield os.environ | {
                "KUBECONFIG": str(kubeconfig),
                "VCENTER_HOST": known["host"],
                "VCENTER_PORT": str(known["port"]),
                "VCENTER_USER": known["user"],
                "VCENTER_PASSWORD": known["password"],
                "VCENTER_CA": known["ca"],
                "VCENTER_DATACENTER": known["datacenter"],
            }

    def _clear(self, workload: Workload) -> None:
        lab_workload.clear(
            self.layout, self.user, workload.namespace, detaching_seconds=_DETACHING_SECONDS
        )

    def _make(self, workload: Workload) -> None:
        lab_workload.create(self.user, self.facts.vcenter, workload)


@contextmanager
def bed(folder: Path, delays: Mapping[str, float]) -> Iterator[Bed]:
    """A lab with these delays; stopped in the end."""
    layout = Layout(folder)
    try:
        own = {name: each for name, each in delays.items() if name != KUBERNETES_CALL}
        facts = lab_cluster.up(layout, delays=own)
        yield Bed(layout, facts, Cluster(layout.kubeconfig("user", "admin")), delays)
    finally:
        lab_cluster.down(layout)

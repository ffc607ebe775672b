"""The end check of a migration: every disk of a set, the ledger and the audit logs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.client import Cluster, Object
from lab.evidence import Judgement, destroyed, judge
from lab.layout import Layout
from lab.manifests import Workload
from lab.vcenter import DATASTORES, disks
from lab.workload import volumes


@dataclass(frozen=True, slots=True)
class ClaimReport:
    """A claim before and now.

    Attributes:
        old_volume: its PersistentVolume when the inspection began.
        new_volume: its PersistentVolume now; empty when it has none.
        old_path: the VMDK of the old volume.
        disk_id: the First Class Disk's id, if the new volume is a CSI one.
        judgement: of the disk that the claim points to now.
        disk_there: whether the old volume's bytes still exist.
    """

    claim: str
    old_volume: str
    new_volume: str
    old_path: str
    disk_id: str
    judgement: Judgement
    disk_there: bool

    @property
    def moved(self) -> bool:
        """Whether the claim is on a CSI volume of a new name."""
        return bool(self.disk_id) and self.new_volume != self.old_volume

    @property
    def records_before(self) -> int:
        """Records written through the old volume."""
        return self.judgement.by_volume.get(self.old_volume, 0)

    @property
    def records_after(self) -> int:
        """Records written through the new volume."""
        return self.judgement.by_volume.get(self.new_volume, 0) if self.moved else 0

    @property
    def chain_crosses(self) -> bool:
        """Whether records of the new volume continue the old volume's chain."""
        return self.judgement.crossings == 1 and self.records_after > 0


@dataclass(frozen=True, slots=True)
class Report:
    """What is left to see after a run; counts are of the inspected set only.

    Attributes:
        second_writers: refused locks, and pods that wrote after their successor.
        io_errors: disks that were taken from under a running pod.
        broken_starts: pods that found a broken chain when they started.
        disks_deleted: datastore paths of the set's disks that are gone.
    """

    claims: list[ClaimReport]
    second_writers: int
    io_errors: int
    broken_starts: int
    disks_deleted: list[str]

    @property
    def records_lost(self) -> int:
        """Records that are missing, there twice, or broken, on all disks together."""
        judged = [claim.judgement for claim in self.claims]
        return sum(one.lost + one.duplicates + one.corrupt for one in judged)

    def problems(self) -> list[str]:
        """One line for each thing that a migration must never cause."""
        counts = {
            "records lost, doubled or broken": self.records_lost,
            "second writers": self.second_writers,
            "I/O errors": self.io_errors,
            "pods that started on a broken chain": self.broken_starts,
            "disks deleted": len(self.disks_deleted),
        }
        return [f"{what}: {count}" for what, count in counts.items() if count]


class Inspection:
    """Begins before the tool runs, so that it knows the disks that were there."""

    def __init__(
        self, layout: Layout, cluster: Cluster, vcenter: dict[str, Any], workload: Workload
    ) -> None:
        self._layout, self._cluster, self._vcenter = layout, cluster, vcenter
        self._workload = workload
        self._old = volumes(cluster, workload)
        self._marks = {name: _size(layout.evidence / f"{name}.log") for name in _EVENT_LOGS}
        self._calls = _size(layout.vcenter / "calls.jsonl")

    @property
    def claims(self) -> list[str]:
        """The names of the claims that were there when it began."""
        return list(self._old)

    def report(self) -> Report:
        """Read every disk of the set, and what the lab has noted since the beginning."""
        claims = self._claims()
        second, errors, broken = (self._events(name) for name in _EVENT_LOGS)
        return Report(
            claims=claims,
            second_writers=second + sum(claim.judgement.returns for claim in claims),
            io_errors=errors,
            broken_starts=broken,
            disks_deleted=self._deleted(claims),
        )

    def _claims(self) -> list[ClaimReport]:
        new = volumes(self._cluster, self._workload)
        paths = self._paths(filter(None, map(_disk_id, new.values())))
        return [self._claim(name, old, new.get(name), paths) for name, old in self._old.items()]

    def _claim(
        self, name: str, old: Object, new: Object | None, paths: dict[str, str]
    ) -> ClaimReport:
        old_path = old["spec"]["vsphereVolume"]["volumePath"]
        disk_id = _disk_id(new) if new else ""
        return ClaimReport(
            claim=name,
            old_volume=old["metadata"]["name"],
            new_volume=new["metadata"]["name"] if new else "",
            old_path=old_path,
            disk_id=disk_id,
            # Where it lay, if vCenter no longer knows it.
            judgement=self._judge(name, paths.get(disk_id, old_path)),
            disk_there=flat_file(self._layout, old_path) is not None,
        )

    def _judge(self, claim: str, path: str) -> Judgement:
        # The ledger first: a record that is written between the two reads is
        # then on the disk but not in the ledger, which is no loss.
        ledger = _lines(self._layout.evidence / "records" / self._workload.namespace / claim)
        flat = flat_file(self._layout, path)
        return judge(_lines(flat) if flat else [], ledger)

    def _paths(self, disk_ids: Iterable[str]) -> dict[str, str]:
        """Where the First Class Disks lie that vCenter knows; asked in one session."""
        asked, paths = list(disk_ids), {}
        if asked:
            with disks(self._vcenter) as datacenter:
                for disk_id in asked:
                    with contextlib.suppress(KeyError):
                        paths[disk_id] = datacenter.path_of(disk_id)
        return paths

    def _events(self, name: str) -> int:
        lines = _lines(self._layout.evidence / f"{name}.log", self._marks[name])
        return sum(f" {self._workload.namespace}/" in line for line in lines)

    def _deleted(self, claims: list[ClaimReport]) -> list[str]:
        calls = _lines(self._layout.vcenter / "calls.jsonl", self._calls)
        gone = set(destroyed(calls))
        return [one.old_path for one in claims if one.old_path in gone or not one.disk_there]


_EVENT_LOGS = ("second-writers", "io-errors", "corrupt")


def _disk_id(volume: Object) -> str:
    return str(volume["spec"].get("csi", {}).get("volumeHandle", ""))


def flat_file(layout: Layout, path: str) -> Path | None:
    """The file with a VMDK's bytes, or None when it is gone."""
    datastore, _, file = path.removeprefix("[").partition("] ")
    folder = layout.vcenter / "datastores" / str(DATASTORES.index(datastore))
    flat = folder / (file.removesuffix(".vmdk") + "-flat.vmdk")
    return flat if flat.exists() else None


def _lines(path: Path, start: int = 0) -> list[str]:
    """Whole lines from byte `start` on; what a writer has only begun is left out."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace").split("\n")[:-1]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

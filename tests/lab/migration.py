"""One migration on trial: the set before it, what happened, the set after it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.manifests import Workload
from lab.vcenter import disks
from lab.waiting import until
from tests.lab.labkit import Lab, ToolRun, Trial
from tests.lab.witness import ADDED, DELETED, THERE, Change, Witness
from tests.lab.world import World, attached


@dataclass(frozen=True, slots=True)
class Migration:
    """`rolling-migration all`, run to its end."""

    trial: Trial
    window: str
    run: ToolRun
    before: World
    after: World
    witness: Witness
    audit: list[str]

    @property
    def workload(self) -> Workload:
        return self.trial.workload

    @property
    def swapped_first(self) -> list[str]:
        """The set's pods in the order in which they must be swapped."""
        return self.workload.pod_names[::-1]

    def disks(self) -> dict[str, Any]:
        """The First Class Disk behind each claim, by the claim's name."""
        with disks(self.trial.lab.facts.vcenter) as datacenter:
            return {
                claim: datacenter.first_class_disk(
                    self.after.volume_of(claim)["spec"]["csi"]["volumeHandle"]
                )
                for claim in self.workload.claim_names
            }

    def calls(self, method: str) -> list[dict[str, Any]]:
        """The calls that vCenter accepted of anybody while the tool ran."""
        made = [json.loads(line) for line in self.audit]
        return [call for call in made if call["method"] == method and not call["fault"]]

    def moment(self, kind: str, name: str, change: str) -> int:
        """When an object of that name came (ADDED) or went (DELETED), once only."""
        (found,) = self.witness.of(kind, name, change)
        return found.revision

    def farewell(self, kind: str, name: str) -> int:
        """When somebody first asked the object of that name to go."""
        return next(
            change.revision
            for change in self.witness.of(kind, name)
            if change.type == DELETED or "deletionTimestamp" in change.item["metadata"]
        )

    def attachments(self, claim: str) -> dict[str, list[Change]]:
        """Coming and going of the claim's VolumeAttachments, `old` and `new`."""
        sides = {"old": self.before, "new": self.after}
        volumes = {
            side: world.volume_of(claim)["metadata"]["name"] for side, world in sides.items()
        }
        changes = self.witness.changes("VolumeAttachment")
        return {
            side: [
                one
                for one in changes
                if attached(one.item) == volume and one.type in (THERE, ADDED, DELETED)
            ]
            for side, volume in volumes.items()
        }


@contextmanager
def migrated(
    lab: Lab,
    directory: Path,
    *,
    options: Sequence[str] = (),
    where: str = "user",
    window: str = "replica",
    **fields: Any,
) -> Iterator[Migration]:
    """A StatefulSet with these fields of Workload, migrated; its namespace is cleared after."""
    if where == "admin":
        lab.allow_admin_workloads()
    with Trial(lab, Workload(**fields), where, directory / "work") as trial:
        yield migrate(trial, *options, window=window)


def migrate(trial: Trial, *extra: str, window: str = "replica") -> Migration:
    """Migrate a trial's set while everything that happens to it is written down."""
    namespace = trial.workload.namespace
    audit = trial.lab.layout.vcenter / "calls.jsonl"
    heard = len(audit.read_text().splitlines())
    before = World.of(trial.cluster, namespace)
    with Witness(trial.cluster, namespace) as witness:
        run = trial.migrate("--soak-seconds", "1", "--window", window, *extra)
        assert run.exit_code == 0, run
        # A set that came back at the very end has no status yet.
        until("all counted", trial.available)
        after = World.of(trial.cluster, namespace, before.names("PersistentVolume"))
    calls = audit.read_text().splitlines()[heard:]
    return Migration(trial, window, run, before, after, witness, calls)

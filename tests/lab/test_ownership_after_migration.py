"""After a whole migration, and during it, the set's owner applies as he always did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import manifests
from lab.client import Object
from lab.manifests import Workload
from lab.waiting import until
from tests.lab.kubectlkit import (
    GITOPS,
    Kubectl,
    Said,
    needs_kubectl,
    on_class,
    scaled,
    spelled_out,
)
from tests.lab.labkit import Lab, Trial

pytestmark = needs_kubectl

TOOL = "statefulset-csi-migration-tool"
OWNERS = ("gitops", "kubectl-client-side-apply", "kube-controller-manager")


@dataclass
class Owned:
    """A migrated set and its owner.

    `seen` is what the owner saw when he applied on the new class between two swaps;
    empty for a run whose set was away.
    """

    trial: Trial
    owner: Kubectl
    before: Object
    csi_manifest: Object
    window: str
    seen: str

    def apply(self, manifest: Object, *options: str) -> tuple[Said, bool]:
        """What was said, and whether the set stayed the very version that it was."""
        was = self.trial.statefulset()["metadata"]["resourceVersion"]
        said = self.owner.apply(manifest, *options)
        return said, self.trial.statefulset()["metadata"]["resourceVersion"] == was


def migrated(lab: Lab, folder: Path, namespace: str, window: str, *options: str) -> Iterator[Owned]:
    """Let an owner apply the set with these options of kubectl, then migrate it."""
    work = Workload(namespace, replicas=2)
    owner = Kubectl(lab.layout.kubeconfig("user", "admin"))
    manifest = spelled_out(manifests.statefulset(work))
    with Trial(lab, work, "user", folder / "work") as trial:
        said = owner.apply(manifest, *options)
        assert said.success, said.text
        _leave_to_its_owner(trial)
        before, csi = trial.statefulset(), on_class(manifest, "standard-rwo")
        log = folder / "seen.log"
        log.touch()
        command = _applying(owner, folder, csi, log, *options)
        # In the other window, it would create the set that is away all the time.
        during = ["--health-command", command] if window == "replica" else []
        run = trial.migrate("--window", window, *during)
        assert run.exit_code == 0, run
        until("all counted", trial.available)
        yield Owned(trial, owner, before, csi, window, log.read_text())


def _leave_to_its_owner(trial: Trial) -> None:
    """Take the lab, which created the set, off its owners."""
    entries = trial.statefulset()["metadata"]["managedFields"]
    left = [one for one in entries if one["manager"] in OWNERS]
    body: Object = {"metadata": {"managedFields": left}}
    trial.cluster.patch("StatefulSet", trial.workload.name, body, trial.workload.namespace)


def _applying(owner: Kubectl, folder: Path, manifest: Object, log: Path, *options: str) -> str:
    """A shell command that applies, first something new as a try only; never fails."""
    lines = []
    for name, body, mode in (
        ("scaled", scaled(manifest, 3), ["--dry-run=server"]),
        ("same", manifest, []),
    ):
        file = folder / f"{name}.json"
        file.write_text(json.dumps(body))
        words = ["kubectl", "--kubeconfig", str(owner.kubeconfig), "apply", *options, *mode]
        lines.append(" ".join([*words, "-f", str(file), f">>{log}", "2>&1"]))
    return "; ".join([*lines, "true"])


def specified(item: Object) -> list[Object]:
    entries: list[Object] = item["metadata"].get("managedFields", [])
    return [entry for entry in entries if entry.get("subresource") != "status"]


@pytest.fixture(scope="module", params=["replica", "run"])
def server_side(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Owned]:
    folder = tmp_path_factory.mktemp("server-side")
    yield from migrated(lab, folder, f"ssa-{request.param}", request.param, *GITOPS)


@pytest.fixture(scope="module")
def client_side(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owned]:
    yield from migrated(lab, tmp_path_factory.mktemp("client-side"), "csa", "replica")


def test_server_side_apply_meets_no_conflict_and_changes_nothing(server_side: Owned) -> None:
    said, unchanged = server_side.apply(server_side.csi_manifest, *GITOPS)
    assert said.success, said.text
    assert unchanged
    assert server_side.trial.statefulset()["metadata"]["generation"] == 1


def test_the_owner_may_change_what_was_his(server_side: Owned) -> None:
    larger = scaled(server_side.csi_manifest, 3)
    said, _ = server_side.apply(larger, *GITOPS, "--dry-run=server")
    assert said.success, said.text


def test_the_owners_are_exactly_those_of_before(server_side: Owned) -> None:
    after = server_side.trial.statefulset()
    assert specified(after) == specified(server_side.before)
    assert TOOL not in str(after["metadata"]["managedFields"])


def test_server_side_apply_during_the_run_meets_no_conflict(server_side: Owned) -> None:
    assert ("serverside-applied" in server_side.seen) == (server_side.window == "replica")
    assert "onflict" not in server_side.seen


def test_client_side_apply_is_no_change(client_side: Owned) -> None:
    said, unchanged = client_side.apply(client_side.csi_manifest)
    assert said.text == "statefulset.apps/web unchanged\n"
    assert unchanged


def test_client_side_apply_during_the_run_is_no_change(client_side: Owned) -> None:
    said = {line for line in client_side.seen.splitlines() if "dry run" not in line}
    assert said == {"statefulset.apps/web unchanged"}


def test_labels_annotations_and_owners_stay(client_side: Owned) -> None:
    after, before = client_side.trial.statefulset()["metadata"], client_side.before["metadata"]
    for part in ("labels", "ownerReferences"):
        assert after.get(part) == before.get(part)
    assert set(after["annotations"]) == set(before["annotations"])

"""After a whole migration, during it, and when it was taken back, the set's owner applies as he
always did.
"""

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
from tests.lab.interruptkit import await_words, started
from tests.lab.kubectlkit import (
    Gitops,
    Kubectl,
    Owner,
    Said,
    needs_kubectl,
    on_class,
    scaled,
    spelled_out,
)
from tests.lab.labkit import Lab, Trial, finish

TOOL = "statefulset-csi-migration-tool"
OWNERS = ("gitops", "kubectl-client-side-apply", "kube-controller-manager")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BACK = "back"


@dataclass
class Owned:
    """A set that was migrated, or taken back as well, and its owner.

    `after` is how the tool left it, before its owner applied anything again;
    `manifest` is the set as its owner has it by now; `seen` is what he was told when he
    applied it on the new class between two swaps, empty for a run whose set was away.
    """

    trial: Trial
    owner: Owner
    before: Object
    after: Object
    manifest: Object
    way: str
    seen: list[Said]

    def apply(self) -> tuple[Said, bool]:
        """What was said, and whether the set stayed the very version that it was."""
        was = self.trial.statefulset()["metadata"]["resourceVersion"]
        said = self.owner.apply(self.manifest)
        return said, self.trial.statefulset()["metadata"]["resourceVersion"] == was


def migrated(lab: Lab, folder: Path, workload: Workload, owner: Owner, way: str) -> Iterator[Owned]:
    """Let the owner apply the set, then take it this way: with one of the windows, or back."""
    with Trial(lab, workload, "user", folder / "work") as trial:
        manifest = owned_manifest(trial)
        said = owner.apply(manifest)
        assert said.success, said.text
        leave_to_its_owner(trial)
        before, csi = trial.statefulset(), on_class(manifest, "standard-rwo")
        seen = migrate_while_applied(trial, folder / "healthy", owner, csi, way)
        if way == BACK:
            done = trial.rollback()
            assert done.exit_code == 0, str(done)
        until("all counted", trial.available)
        now = manifest if way == BACK else csi
        yield Owned(trial, owner, before, trial.statefulset(), now, way, seen)


def owned_manifest(trial: Trial) -> Object:
    """The set with an annotation of its own, and an owner that controls nothing."""
    namespace = trial.workload.namespace
    root: Object = {"apiVersion": "v1", "kind": "ConfigMap"}
    root = trial.cluster.create(root | {"metadata": {"name": "app", "namespace": namespace}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "app"}
    manifest = spelled_out(manifests.statefulset(trial.workload))
    manifest["metadata"]["annotations"] = {"shop.example/team": "a<b> & \u00e9"}
    manifest["metadata"]["ownerReferences"] = [reference | {"uid": root["metadata"]["uid"]}]
    return manifest


def leave_to_its_owner(trial: Trial) -> None:
    """Take the lab, which created the set, off its owners."""
    entries = trial.statefulset()["metadata"]["managedFields"]
    left = [one for one in entries if one["manager"] in OWNERS]
    body: Object = {"metadata": {"managedFields": left}}
    trial.cluster.patch("StatefulSet", trial.workload.name, body, trial.workload.namespace)


def migrate_while_applied(
    trial: Trial, healthy: Path, owner: Owner, manifest: Object, way: str
) -> list[Said]:
    """Between two swaps the owner tries something new and applies what he has.

    In the other window, he would create the set that is away all the time.
    """
    seen, window = [], "run" if way == "run" else "replica"
    with started(trial, "--window", window, "--health-command", f"test -e {healthy}") as tool:
        await_words(tool, "web-1 soak: waiting")
        if window == "replica":
            seen = [owner.apply(scaled(manifest, 3), dry_run=True), owner.apply(manifest)]
        healthy.touch()
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    return seen


def specified(item: Object) -> list[Object]:
    entries: list[Object] = item["metadata"].get("managedFields", [])
    return [entry for entry in entries if entry.get("subresource") != "status"]


@pytest.fixture(scope="module", params=["replica", "run", BACK])
def server_side(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Owned]:
    folder = tmp_path_factory.mktemp("server-side")
    workload = Workload(f"ssa-{request.param}", replicas=2)
    yield from migrated(lab, folder, workload, Gitops(lab.cluster()), request.param)


@pytest.fixture(scope="module", params=["replica", BACK])
def client_side(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Owned]:
    folder = tmp_path_factory.mktemp("client-side")
    owner = Kubectl(lab.layout.kubeconfig("user", "admin"))
    workload = Workload(f"csa-{request.param}", replicas=2)
    yield from migrated(lab, folder, workload, owner, request.param)


def test_server_side_apply_meets_no_conflict_and_changes_nothing(server_side: Owned) -> None:
    said, unchanged = server_side.apply()
    assert said.success, said.text
    assert unchanged
    assert server_side.trial.statefulset()["metadata"]["generation"] == 1


def test_the_owner_may_change_what_was_his(server_side: Owned) -> None:
    said = server_side.owner.apply(scaled(server_side.manifest, 3), dry_run=True)
    assert said.success, said.text


def test_the_owners_are_exactly_those_of_before(server_side: Owned) -> None:
    after = server_side.after
    assert specified(after) == specified(server_side.before)
    assert TOOL not in str(after["metadata"]["managedFields"])


def test_server_side_apply_during_the_run_meets_no_conflict(server_side: Owned) -> None:
    assert len(server_side.seen) == (0 if server_side.way == "run" else 2)
    assert [said.text for said in server_side.seen if not said.success] == []


@needs_kubectl
def test_client_side_apply_is_no_change(client_side: Owned) -> None:
    said, unchanged = client_side.apply()
    assert said.text == "statefulset.apps/web unchanged\n"
    assert unchanged


@needs_kubectl
def test_client_side_apply_during_the_run_is_no_change(client_side: Owned) -> None:
    tried, applied = client_side.seen
    assert tried.success, tried.text
    assert applied.text == "statefulset.apps/web unchanged\n"


def test_labels_annotations_and_owners_stay(server_side: Owned) -> None:
    assert_stay(server_side)


@needs_kubectl
def test_labels_annotations_and_owners_stay_beside_kubectls_record(client_side: Owned) -> None:
    assert_stay(client_side)
    record = client_side.after["metadata"]["annotations"][LAST_APPLIED]
    assert client_side.manifest == json.loads(record)


def assert_stay(owned: Owned) -> None:
    after, before = (
        {**item["metadata"], "annotations": own_annotations(item)}
        for item in (owned.after, owned.before)
    )
    for part in ("labels", "annotations", "ownerReferences"):
        assert before[part]
        assert after[part] == before[part]


def own_annotations(item: Object) -> dict[str, str]:
    found: dict[str, str] = item["metadata"]["annotations"]
    return {key: value for key, value in found.items() if key != LAST_APPLIED}

"""What the command line can get wrong: each is refused, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.demo import tool
from lab.objects import USER_CLUSTER
from tests.lab.labkit import Lab, Running, Trial, finish
from tests.lab.refusalkit import assert_refusal, assert_refused, standing


@pytest.fixture(scope="module")
def trial(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("arguments")
    with standing(lab, folder, namespace="refused-arguments", replicas=2) as made:
        yield made


REFUSALS = {
    "no such StatefulSet": (("--sts-name", "nope"), 2, ("no StatefulSet nope", "--sts-name")),
    "no such namespace": (
        ("--sts-namespace", "nope"),
        2,
        ("in namespace nope", "--sts-namespace"),
    ),
    "no such in-tree class": (
        ("--intree-storageclass", "nope"),
        3,
        ("storageclass/nope: it does not exist",),
    ),
    "no such CSI class": (
        ("--csi-storageclass", "nope"),
        3,
        ("storageclass/nope: it does not exist",),
    ),
    "classes swapped": (
        ("--intree-storageclass", "standard-rwo", "--csi-storageclass", "standard"),
        3,
        (
            "storageclass/standard-rwo: its provisioner is csi.vsphere.vmware.com",
            "storageclass/standard: its provisioner is kubernetes.io/vsphere-volume",
        ),
    ),
    "another in-tree class": (
        ("--intree-storageclass", "standard-wffc"),
        3,
        ("its class is standard, not standard-wffc",),
    ),
    # With the rights that deploy/ grants the server says 403 of any other Secret.
    "a user cluster that may not be read": (
        ("--cluster-name", "nope"),
        8,
        ("may not read the kubeconfig of cluster 'nope'", "--cluster-name"),
    ),
    "a Secret that may not be read": (
        ("--cluster-secret", f"{USER_CLUSTER}/other/admin.conf"),
        8,
        (f"{USER_CLUSTER}/other/admin.conf: not allowed", "deploy/rbac-admin-cluster.yaml"),
    ),
    "an in-tree class without a name": (
        ("--intree-storageclass", ""),
        2,
        ("--intree-storageclass", "is no object's name"),
    ),
    "a CSI class without a name": (
        ("--csi-storageclass", ""),
        2,
        ("--csi-storageclass", "is no object's name"),
    ),
    "no such key in the Secret": (
        ("--cluster-secret", f"{USER_CLUSTER}/admin/other.conf"),
        2,
        ("no key 'other.conf'", "admin.conf"),
    ),
    "Secret without a key": (
        ("--cluster-secret", f"{USER_CLUSTER}/admin"),
        2,
        ("NAMESPACE/NAME/KEY",),
    ),
    "no such context": (("--context", "nope"), 2, ("nope",)),
}


@pytest.mark.parametrize(("extra", "exit_code", "says"), REFUSALS.values(), ids=REFUSALS)
def test_a_wrong_name_is_refused(
    trial: Trial, tmp_path: Path, extra: tuple[str, ...], exit_code: int, says: tuple[str, ...]
) -> None:
    to_do = "-h" if "is no object's name" in says else "To do:"
    assert_refused(trial, tmp_path / "work", extra, exit_code, *says, to_do=to_do)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (("--cluster-name", "nope"), ("no kubeconfig of cluster 'nope'", "--cluster-name")),
        (
            ("--cluster-secret", f"{USER_CLUSTER}/other/admin.conf"),
            (f"{USER_CLUSTER}/other/admin.conf: there is no such Secret", "NAMESPACE/NAME/KEY"),
        ),
    ],
)
def test_whoever_may_read_every_secret_is_told_that_there_is_none(
    lab: Lab, trial: Trial, tmp_path: Path, extra: tuple[str, ...], says: tuple[str, ...]
) -> None:
    everybody = ("--kubeconfig", lab.layout.kubeconfig("admin", "admin"))
    assert_refused(trial, tmp_path / "work", (*everybody, *extra), 2, *says)


def test_a_csi_class_of_another_provisioner_is_refused(trial: Trial, tmp_path: Path) -> None:
    name, provisioner = "refused-class", "csi.example.com"
    trial.cluster.create(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": provisioner,
        }
    )
    try:
        extra, says = ["--csi-storageclass", name], f"its provisioner is {provisioner}"
        assert_refused(trial, tmp_path / "work", extra, 3, f"storageclass/{name}: {says}")
    finally:
        trial.cluster.delete("StorageClass", name)


def test_a_window_that_is_none_is_refused(trial: Trial, tmp_path: Path) -> None:
    extra = ["--window", "sometimes"]
    run = assert_refused(trial, tmp_path / "work", extra, 2, "--window", "sometimes", to_do="-h")
    assert "replica" in run.stderr
    assert "run" in run.stderr


@pytest.mark.parametrize(
    "flag", ["--sts-name", "--sts-namespace", "--intree-storageclass", "--csi-storageclass"]
)
def test_a_missing_flag_is_named(trial: Trial, flag: str) -> None:
    given = trial.options
    at = given.index(flag)
    trial_options = given[:at] + given[at + 2 :]
    run = finish(Running([str(tool()), "preflight", *trial_options], None))
    assert_refusal(run, 2, f"Missing option '{flag}'")


def test_a_missing_working_directory_is_named(trial: Trial) -> None:
    run = finish(Running([str(tool()), "rolling-migration", "all", *trial.options], None))
    assert_refusal(run, 2, "Missing option '--working-directory'")


def test_preflight_refuses_as_the_migration_does(trial: Trial) -> None:
    run = trial.preflight("--csi-storageclass", "nope")
    assert run.exit_code == 3, str(run)
    assert "storageclass/nope: it does not exist" in run.stdout
    assert "To do: Check --csi-storageclass." in run.stdout
    assert "Not ready to migrate: 1 blocker" in run.stdout

"""Sets whose in-tree volumes are of several classes, or of none: accepted, there and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.client import Object
from tests.conftest import StartTrial
from tests.lab.labkit import Trial

ACCEPTED = ("--accept", "volumes-class")
CSI_CLASS = "standard-rwo"


def classes(made: Trial) -> Iterator[str]:
    """Of the templates, then of every claim and its volume, as `what: class`."""
    for template in made.statefulset()["spec"]["volumeClaimTemplates"]:
        yield f"template {template['metadata']['name']}: {class_in(template)}"
    for claim, volume in made.volumes().items():
        found = made.cluster.get("PersistentVolumeClaim", claim, made.workload.namespace)
        yield f"{claim}: {class_in(found)} and {class_in(volume)}"


def class_in(item: Object) -> str:
    return str(item["spec"].get("storageClassName", ""))


@pytest.mark.parametrize(
    "named", [("standard", "standard-wffc"), ("standard", ""), ("", "standard"), ("",)]
)
def test_in_tree_volumes_of_whatever_class_move_when_accepted_and_come_back(
    trial: StartTrial, named: tuple[str, ...]
) -> None:
    claims = ("data", "logs")[: len(named)]
    made = trial(replicas=2, claims=claims, storage_classes=named)
    before, spec = list(classes(made)), made.statefulset()["spec"]

    refused = made.migrate()
    assert refused.exit_code == 3, str(refused)
    assert "volumes-class" in refused.stderr
    made.assert_untouched()

    run = made.migrate(*ACCEPTED)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()
    assert {line.partition(": ")[2] for line in classes(made)} == {
        CSI_CLASS,
        f"{CSI_CLASS} and {CSI_CLASS}",
    }
    looked = made.run_tool(
        "rolling-migration", "verify", "--working-directory", str(made.directory)
    )
    assert looked.exit_code == 0, str(looked)

    back = made.rollback()
    assert back.exit_code == 0, str(back)
    made.assert_untouched()
    assert list(classes(made)) == before
    assert made.statefulset()["spec"] == spec

"""Claim templates that leave the class to the cluster's default, as many a chart's do."""

from __future__ import annotations

from lab.client import Object
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import orphan_the_set
from tests.lab.labkit import Trial


def test_a_set_whose_templates_name_no_class_is_migrated_to_its_end(trial: StartTrial) -> None:
    made = trial(replicas=2)
    leave_the_class_to_the_default(made)
    run = made.migrate()
    assert run.exit_code == 0, str(run)
    assert "claim template data is of class <default>" in run.stderr
    made.assert_migrated()


def leave_the_class_to_the_default(made: Trial) -> None:
    """As if the in-tree class had been the default when the claims were made."""
    name, namespace = made.workload.name, made.workload.namespace
    found = made.cluster.get("StatefulSet", name, namespace)
    orphan_the_set(made)
    for template in found["spec"]["volumeClaimTemplates"]:
        del template["spec"]["storageClassName"]
    kept = {
        key: found["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")
    }
    made.cluster.create(
        {
            "apiVersion": found["apiVersion"],
            "kind": found["kind"],
            "metadata": {key: value for key, value in kept.items() if value},
            "spec": found["spec"],
        }
    )
    until("the set again", lambda: _is_settled(made.cluster.get("StatefulSet", name, namespace)))


def _is_settled(found: Object) -> bool:
    status = found.get("status", {})
    return bool(status.get("readyReplicas") == found["spec"]["replicas"])

"""Classes that are not the one given, are not there, or make nothing: what may be accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from csi_migration.decide.catalogue import blockers, findings
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy


def test_in_tree_volumes_of_any_class_go_with_the_set_if_that_is_accepted() -> None:
    other = changed(healthy(), "volumes/pvc-0/spec/storageClassName", "fast")
    other = changed(other, "claims/data-web-0/spec/storageClassName", "fast")
    accepting = replace(other.request, accepted=frozenset({"volumes-class"}))

    assert [f.subject for f in blockers(findings(other))] == ["pv/pvc-0", "pvc/data-web-0"]
    assert blockers(findings(replace(other, request=accepting))) == ()


def test_a_volume_that_is_not_in_tree_can_not_be_accepted() -> None:
    done = replace(healthy(), volumes={"pvc-0": snapshots.csi_volume("pvc-0", "fcd-0")})
    accepting = replace(done.request, accepted=frozenset({"volumes-class", "volumes-in-tree"}))

    found = blockers(findings(replace(done, request=accepting)))
    assert "volumes-in-tree" in {f.id for f in found}
    assert "volumes-class" not in {f.id for f in found}


@pytest.mark.parametrize(
    ("provisioner", "acceptable"),
    [
        (None, True),
        ("kubernetes.io/no-provisioner", True),
        ("csi.example.com", False),
        ("csi.vsphere.vmware.com", False),
    ],
)
def test_an_in_tree_class_may_be_missing_or_make_nothing_if_that_is_accepted(
    provisioner: str | None, *, acceptable: bool
) -> None:
    whole = healthy()
    classes = {"standard-rwo": whole.classes["standard-rwo"]}
    if provisioner:
        classes["standard"] = snapshots.storage_class("standard", provisioner)
    request = replace(whole.request, accepted=frozenset({"classes"}))
    refused = blockers(findings(replace(whole, classes=classes)))
    accepted = blockers(findings(replace(whole, classes=classes, request=request)))

    assert {f.id for f in refused} == {"classes"}
    assert (accepted == ()) is acceptable


def test_a_missing_csi_class_can_not_be_accepted() -> None:
    whole = healthy()
    classes = {"standard": whole.classes["standard"]}
    request = replace(whole.request, accepted=frozenset({"classes"}))

    assert blockers(findings(replace(whole, classes=classes, request=request)))

"""kubectl's record is rewritten to the byte as kubectl writes it, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.decide.last_applied import LAST_APPLIED, rewritten, written
from csi_migration.decide.manifests import new_statefulset, recreated, with_claim_templates
from tests.unit import snapshots
from tests.unit.snapshots import changed

# As kubectl 1.32 wrote it; only shortened.
BY_KUBECTL = (
    '{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"annotations":'
    '{"note":"a\\u003cb\\u003e\\u0026c \\u2028 é \\"q\\""},"name":"web","namespace":"shop"},'
    '"spec":{"replicas":2,"template":{"metadata":{"labels":{"app":"web"}}},'
    '"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],'
    '"resources":{"requests":{"storage":"64Mi"}},"storageClassName":"standard"}}]}}\n'
)
ON_CSI = BY_KUBECTL.replace('"storageClassName":"standard"', '"storageClassName":"standard-rwo"')

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def applied(record: str) -> snapshots.Raw:
    annotations = {LAST_APPLIED: record}
    made: snapshots.Raw = changed(snapshots.statefulset(), "metadata/annotations", annotations)
    return made


def record_of(statefulset: snapshots.Raw) -> Any:
    return statefulset["metadata"]["annotations"][LAST_APPLIED]


def test_the_record_names_the_new_class_and_nothing_else_changes() -> None:
    assert record_of(new_statefulset(applied(BY_KUBECTL), "standard-rwo")) == ON_CSI


def test_a_set_that_comes_back_in_between_has_the_new_class_on_record_too() -> None:
    planned = new_statefulset(snapshots.statefulset(), "standard-rwo")

    assert record_of(with_claim_templates(applied(BY_KUBECTL), planned)) == ON_CSI
    assert record_of(with_claim_templates(applied(ON_CSI), planned)) == ON_CSI


def test_a_set_that_comes_back_as_it_was_keeps_its_record() -> None:
    assert record_of(recreated(applied(BY_KUBECTL))) == BY_KUBECTL


def test_a_class_that_came_from_the_beta_annotation_becomes_a_field() -> None:
    manifest = json.loads(BY_KUBECTL)
    (template,) = manifest["spec"]["volumeClaimTemplates"]
    template["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "standard"}
    del template["spec"]["storageClassName"]

    again = new_statefulset(applied(written(manifest)), "standard-rwo")
    assert record_of(again) == ON_CSI


@pytest.mark.parametrize(
    "record",
    [
        "",
        "no JSON",
        "null\n",
        '"text"\n',
        "[" * 100_000 + "\n",
        BY_KUBECTL.removesuffix("\n"),
        BY_KUBECTL.replace(":", ": "),
        BY_KUBECTL.replace("\\u003c", "<"),
        BY_KUBECTL.replace('"replicas":2', '"replicas":2.50'),
        BY_KUBECTL.replace('"replicas":2', '"replicas":2,"replicas":2'),
        BY_KUBECTL.replace('"name":"data"', '"name":"another"'),
        BY_KUBECTL.replace('"name":"data"', '"nam":"data"'),
        written({"kind": "StatefulSet"}),
        written({"spec": {"volumeClaimTemplates": [1]}}),
        written({"spec": {"volumeClaimTemplates": {"data": 1}}}),
        written({"spec": None}),
    ],
)
def test_a_record_that_is_not_understood_is_left_alone(record: str) -> None:
    assert record_of(new_statefulset(applied(record), "standard-rwo")) == record


def test_a_set_without_a_record_gets_none() -> None:
    assert "annotations" not in new_statefulset(snapshots.statefulset(), "c")["metadata"]


@given(VALUES)
def test_what_is_written_is_read_as_the_same_and_written_the_same_again(value: Any) -> None:
    text = written(value)

    assert json.loads(text) == value
    assert rewritten(text, lambda _: None) == text
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.index("\n") == len(text) - 1

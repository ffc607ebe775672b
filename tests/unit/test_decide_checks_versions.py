"""Versions of API servers: known by their numbers, whatever a distributor puts behind them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.decide.catalogue import findings
from csi_migration.model.finding import Severity
from tests.unit.snapshots import healthy

NUMBERS = st.tuples(st.just(1), st.integers(25, 40), st.integers(0, 12))
# A build or pre-release that is put behind the patch: never a digit first.
BUILDS = st.from_regex(r"([-+][a-z0-9.-]{0,12})?", fullmatch=True)
MISBEHAVING = {(1, 34, 0), (1, 34, 1), (1, 29, 0)}


def warned_of(version: str) -> set[str]:
    snapshot = replace(healthy(), server_version=version)
    found = findings(snapshot, only=("server-version", "server-supported"))
    return {one.id for one in found if one.severity is Severity.WARNING}


@pytest.mark.parametrize(
    "version",
    [
        *("v1.34.1", "v1.34.0+rke2r1", "v1.34.1+k3s1", "v1.34.1-gke.5", "v1.34.1-eks-3025e55"),
        *("v1.34.1-gke.1203000", "v1.29.0-rc.1", "1.29.0", "v1.29.0+vmware.wcp.2"),
    ],
)
def test_a_misbehaving_release_is_known_in_every_distribution(version: str) -> None:
    assert "server-version" in warned_of(version)


@pytest.mark.parametrize(
    "version", ["v1.34.10", "v1.34.12-gke.1", "v1.34.2-eks-1.34.1", "v11.34.1"]
)
def test_a_release_that_only_looks_like_one_is_not_taken_for_it(version: str) -> None:
    assert "server-version" not in warned_of(version)


@pytest.mark.parametrize("version", ["", "unknown", "v1.x", "v1.34", "v2.34.4", "v1.340.1"])
def test_a_version_that_cannot_be_read_is_none_of_those_that_were_tried(version: str) -> None:
    assert warned_of(version) == {"server-supported"}


@given(NUMBERS, BUILDS)
def test_what_stands_behind_the_patch_changes_nothing(
    numbers: tuple[int, int, int], build: str
) -> None:
    plain = "v" + ".".join(map(str, numbers))

    assert warned_of(plain + build) == warned_of(plain)
    assert ("server-version" in warned_of(plain)) == (numbers in MISBEHAVING)
    assert ("server-supported" in warned_of(plain)) == (numbers[1] not in range(30, 38))

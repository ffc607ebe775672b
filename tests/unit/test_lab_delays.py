"""Delays given to a lab reach the parts that they are of, and the others keep their own."""

from __future__ import annotations

from pathlib import Path

from lab.cluster import PLAYED_DELAYS, VCENTER_DELAYS, _Starter
from lab.controlplane import Binaries
from lab.facts import Facts
from lab.layout import Layout

NOWHERE = Path("/nonexistent")


def starter(**delays: float) -> _Starter:
    built = Binaries(*[NOWHERE] * len(Binaries.__slots__))
    return _Starter(Layout(NOWHERE), Facts("1.34.4"), built, delays)


def test_a_disks_way_is_vcenters_delay_and_a_pods_start_the_kubelets() -> None:
    told = starter(attach=7, pod_start=9)
    assert told.vcenter_delays == VCENTER_DELAYS | {"attach": 7}
    assert told.delays == PLAYED_DELAYS | {"pod_start": 9}


def test_a_lab_without_delays_of_its_own_has_the_short_ones() -> None:
    assert (starter().delays, starter().vcenter_delays) == (PLAYED_DELAYS, VCENTER_DELAYS)


def test_no_delay_has_two_meanings() -> None:
    assert not PLAYED_DELAYS.keys() & VCENTER_DELAYS.keys()

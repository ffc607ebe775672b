"""The lab's end check must see every way in which bytes can go wrong."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from lab.evidence import Judgement, Record, checksum, destroyed, judge

WRITERS = [("pod-1", "pvc-old")] * 3 + [("pod-2", "csi-new")] * 2


def chain(writers: list[tuple[str, str]]) -> list[str]:
    """The lines that these pods write through these volumes, one record each."""
    lines, previous = [], ""
    for number, (pod, volume) in enumerate(writers, start=1):
        text = f"{number} node-1 {pod} {volume} 1700000000000"
        previous = checksum(previous, text)
        lines.append(f"{text} {previous}")
    return lines


def flawless(judgement: Judgement) -> bool:
    flaws = (judgement.lost, judgement.duplicates, judgement.corrupt, judgement.returns)
    return flaws == (0, 0, 0, 0)


def test_a_whole_chain_across_a_swap_is_flawless() -> None:
    lines = chain(WRITERS)
    assert judge(lines, lines) == Judgement(
        records=5,
        lost=0,
        duplicates=0,
        corrupt=0,
        returns=0,
        by_volume={"pvc-old": 3, "csi-new": 2},
        crossings=1,
    )


def test_a_record_that_nobody_acknowledged_yet_is_no_flaw() -> None:
    lines = chain(WRITERS)
    assert flawless(judge(lines, lines[:-1]))


def test_an_empty_disk_has_lost_all_that_was_acknowledged() -> None:
    assert judge([], chain(WRITERS)).lost == 5


def test_an_empty_volume_in_place_of_a_full_one_loses_its_records() -> None:
    fresh = chain([("pod-2", "csi-new")] * 2)
    judgement = judge(fresh, [*chain(WRITERS)[:3], *fresh])
    assert judgement.lost == 3
    assert judgement.crossings == 0


def test_a_missing_end_is_lost() -> None:
    lines = chain(WRITERS)
    assert judge(lines[:-2], lines).lost == 2


def test_a_hole_is_lost_and_breaks_the_chain() -> None:
    lines = chain(WRITERS)
    judgement = judge(lines[:2] + lines[3:], lines[:2])
    assert (judgement.lost, judgement.corrupt) == (1, 1)


def test_a_record_written_twice_is_a_duplicate_and_breaks_the_chain() -> None:
    lines = chain(WRITERS)
    judgement = judge([*lines, lines[-1]], lines)
    assert (judgement.duplicates, judgement.corrupt, judgement.lost) == (1, 1, 0)


def test_changed_bytes_break_the_chain() -> None:
    lines = chain(WRITERS)
    changed = [*lines[:1], lines[1].replace("node-1", "node-2"), *lines[2:]]
    assert judge(changed, lines).corrupt == 1
    assert judge(changed, lines).lost == 1


def test_a_line_that_is_no_record_is_corrupt() -> None:
    assert judge(["\0\0\0\0"], []).corrupt == 1


def test_a_pod_that_writes_after_its_successor_is_a_second_writer() -> None:
    writers = [("pod-1", "pvc-old"), ("pod-2", "csi-new"), ("pod-1", "pvc-old")]
    assert judge(chain(writers), []).returns == 1


def test_a_second_chain_on_the_same_disk_is_no_crossing() -> None:
    lines = chain([("pod-1", "pvc-old")]) + chain([("pod-2", "csi-new")])
    assert judge(lines, []).crossings == 0


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_no_single_change_of_a_line_goes_unseen(old: int, new: int, data: st.DataObject) -> None:
    lines = chain([("pod-1", "pvc-old")] * old + [("pod-2", "csi-new")] * new)
    assert flawless(judge(lines, lines))
    index = data.draw(st.integers(0, len(lines) - 1))
    position = data.draw(st.integers(0, len(lines[index]) - 1))
    letter = data.draw(st.sampled_from("0x ").filter(lambda one: one != lines[index][position]))
    line = lines[index][:position] + letter + lines[index][position + 1 :]
    assert not flawless(judge([*lines[:index], line, *lines[index + 1 :]], lines))


@given(st.integers(1, 20), st.data())
def test_no_dropped_line_goes_unseen(count: int, data: st.DataObject) -> None:
    lines = chain([("pod-1", "pvc-old")] * count)
    index = data.draw(st.integers(0, count - 1))
    assert judge(lines[:index] + lines[index + 1 :], lines).lost == 1


def test_a_record_says_who_wrote_what_and_when() -> None:
    line = "7 node-2 4cf1 pvc-old 1700000000123 0badcafe"
    assert Record.parse(line) == Record(7, "node-2", "4cf1", "pvc-old", 1700000000123, "0badcafe")


def test_destroyed_disks_are_read_from_the_audit_log() -> None:
    calls = [
        json.dumps({"method": "AttachDisk_Task", "destroyed": None}),
        json.dumps({"method": "DeleteVStorageObject_Task", "destroyed": ["[ds] fcd/a.vmdk"]}),
        json.dumps({"method": "Login"}),
        '{"method":"Logout","destroyed":[]}',
    ]
    assert destroyed(calls) == ["[ds] fcd/a.vmdk"]

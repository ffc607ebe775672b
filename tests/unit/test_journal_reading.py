from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.journal import Journal
from csi_migration.journal.reading import read
from csi_migration.journal.record import (
    Done,
    Failed,
    Intent,
    Note,
    ObjectRef,
    Record,
    Saved,
    check,
    decode,
    encode,
)
from tests.unit.journal_samples import IDENTITY, Clock, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_cut_at_every_byte_it_keeps_the_whole_records_and_goes_on(path: Path) -> None:
    whole = written(path)
    records = read(whole).records
    first_line = whole.index(b"\n") + 1

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if length < first_line:
            with pytest.raises(JournalUnreadable):
                Journal.open(path)
            assert path.read_bytes() == whole[:length]
            continue
        journal, notice = Journal.open(path, Clock())
        count = whole[:length].count(b"\n")
        assert journal.records() == records[:count]
        assert bool(notice) == (whole[length - 1 : length] != b"\n")
        journal.note("after the crash")
        journal.close()
        assert read(path.read_bytes()).records[:-1] == records[:count]


@pytest.mark.parametrize(
    "damage",
    [lambda b: b ^ 0xFF, lambda b: b ^ 0x01, lambda b: b ^ 0x20, lambda _: 0x0A, lambda _: 0],
    ids=["all bits", "lowest bit", "letter case", "line feed", "zero"],
)
def test_with_any_byte_damaged_it_refuses(path: Path, damage: Callable[[int], int]) -> None:
    """Of the last record too: what it announced may have been done."""
    whole = written(path)
    for position, byte in enumerate(whole):
        if damage(byte) != byte:
            with pytest.raises(JournalUnreadable):
                read(whole[:position] + bytes([damage(byte)]) + whole[position + 1 :])


@pytest.mark.parametrize("length", [2, 16, 4096])
def test_zeros_in_the_last_record_are_a_write_cut_short_and_elsewhere_damage(
    path: Path, length: int
) -> None:
    whole = written(path)
    records, last_line = read(whole).records, whole.rindex(b"\n", 0, -1) + 1

    for position in range(len(whole) - 1):
        zeros = bytes(min(length, whole.index(b"\n", position) - position))
        if len(zeros) < 2:
            continue
        data = whole[:position] + zeros + whole[position + len(zeros) :]
        if position < last_line:
            with pytest.raises(JournalUnreadable):
                read(data)
            continue
        assert read(data).records == records[:-1]
        assert read(data).dropped == len(whole) - last_line


def test_a_line_that_was_left_out_is_noticed(path: Path) -> None:
    lines = written(path).splitlines(keepends=True)

    for missing in range(len(lines) - 2):
        with pytest.raises(JournalUnreadable, match="damaged"):
            read(b"".join(lines[:missing] + lines[missing + 1 :]))


def test_lines_of_another_journal_are_noticed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    Journal.create(other, IDENTITY).note("elsewhere")
    lines = written(path).splitlines(keepends=True)
    lines[3] = other.read_bytes().splitlines(keepends=True)[1]

    with pytest.raises(JournalUnreadable, match="damaged at record 3"):
        read(b"".join(lines))


def chained(*bodies: str) -> bytes:
    """Lines with right checksums, whatever they say."""
    lines, checksum = b"", ""
    for body in bodies:
        checksum = f"{zlib.crc32(checksum.encode() + body.encode()):08x}"
        lines += f'{body[:-1]},"crc":"{checksum}"}}\n'.encode()
    return lines


FIRST = (
    '{"type":"created","seq":0,"time":"2026-11-22T20:10:00.000Z","schema":1,"identity":'
    '{"namespace":"n","statefulset":"s","statefulsetUid":"u","cluster":"c","clusterUid":"k",'
    '"toolVersion":"0.1.0"}}'
)
RESUMED = (
    '{"type":"run-started","seq":1,"time":"2026-11-22T20:10:00.000Z",'
    '"toolVersion":"0.9.0","arguments":{}}'
)


def test_the_checksum_is_the_documented_one() -> None:
    assert len(read(chained(FIRST)).records) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([FIRST.replace('"schema":1', '"schema":2')], "version 0.1.0"),
        ([FIRST.replace('"schema":1', '"schema":2,"new":{}')], "version 0.1.0"),
        ([FIRST, '{"type":"moved","seq":1,"time":"2026-11-22T20:10:00.000Z"}'], "version 0.1.0"),
        (
            [
                FIRST,
                RESUMED,
                '{"type":"note","seq":2,"time":"2026-11-22T20:10:00.000Z","text":"","new":1}',
            ],
            "version 0.9.0",
        ),
        (['{"seq":0}'], "another version"),
    ],
    ids=["schema", "schema and members", "type", "member", "nothing known"],
)
def test_what_another_version_wrote_is_refused_by_that_version(
    lines: list[str], message: str
) -> None:
    with pytest.raises(JournalUnreadable, match=f"written by {message} of the tool"):
        read(chained(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        [FIRST, FIRST],
        [FIRST, '{"type":"note","seq":2,"time":"2026-11-22T20:10:00.000Z","text":""}'],
        ['{"type":"note","seq":0,"time":"2026-11-22T20:10:00.000Z","text":""}'],
    ],
    ids=["two beginnings", "a gap", "no beginning"],
)
def test_records_out_of_order_are_refused(lines: list[str]) -> None:
    with pytest.raises(JournalUnreadable, match="damaged"):
        read(chained(*lines))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), json_values, max_size=4)
time = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001  the zone is written as Z below
    lambda moment: moment.isoformat(timespec="milliseconds") + "Z"
)
numbers = st.integers(min_value=0, max_value=2**31)
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(Saved, seq=numbers, time=time, file=st.text(), sha256=st.text()),
    st.builds(Done, seq=numbers, time=time, intent=numbers, result=objects),
    st.builds(Failed, seq=numbers, time=time, intent=numbers, error=st.text()),
    st.builds(Note, seq=numbers, time=time, text=st.text()),
    st.builds(
        Intent,
        seq=numbers,
        time=time,
        step=st.text(),
        replica=st.text(),
        action=st.text(),
        object=st.builds(ObjectRef, kind=st.text(), name=st.text()),
        parameters=objects,
    ),
)


@given(record=records, previous=st.sampled_from(["", "00000000", "deadbeef"]))
def test_every_record_is_one_line_and_comes_back_as_it_was(record: Record, previous: str) -> None:
    line, checksum = encode(record, previous)

    assert line.count(b"\n") == 1
    body, proven = check(line[:-1], previous)
    assert decode(body) == record
    assert proven == checksum

"""What is packed comes out again to the byte, and nothing else ever does."""

from __future__ import annotations

import hashlib
import io
import lzma
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from csi_migration.journal import archive as archives
from csi_migration.journal.archive import CHUNK_BYTES, Chunk, Content, join, pack, split, unpack
from csi_migration.journal.errors import JournalUnreadable
from tests.unit.journal_samples import IDENTITY
from tests.unit.large_set import LargeSet

_SEGMENT = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120
).filter(lambda text: not text.startswith("."))
_NAMES = st.lists(_SEGMENT, min_size=1, max_size=4).map("/".join)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
CONTENTS = st.builds(
    Content,
    st.just(IDENTITY),
    st.dictionaries(st.text(max_size=9), _VALUES, max_size=4),
    st.dictionaries(_NAMES, st.binary(max_size=2000), max_size=5),
)
SMALL = Content(IDENTITY, {"window": "run"}, {"backup/pods/web-0.json": bytes(range(256)) * 9})


@given(CONTENTS)
def test_what_is_packed_is_unpacked(content: Content) -> None:
    assert unpack(pack(content)) == content


@given(CONTENTS)
def test_the_order_of_the_files_makes_no_difference(content: Content) -> None:
    turned = replace(content, files=dict(reversed(content.files.items())))

    assert pack(turned) == pack(content)


@given(CONTENTS, st.integers(1, 300))
def test_chunks_join_in_whichever_order_they_come(content: Content, size: int) -> None:
    archive = pack(content)
    chunks = split(archive, size)

    assert all(len(chunk.data) <= size for chunk in chunks)
    assert join(chunks) == join(reversed(chunks)) == archive


@given(st.data())
def test_any_flipped_bit_is_noticed(data: st.DataObject) -> None:
    chunks = list(split(pack(SMALL), 100))
    which = data.draw(st.integers(0, len(chunks) - 1))
    damaged = bytearray(chunks[which].data)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    chunks[which] = replace(chunks[which], data=bytes(damaged))

    with pytest.raises(JournalUnreadable, match="its SHA-256 is not"):
        join(chunks)


@given(st.data())
def test_any_missing_chunk_is_named(data: st.DataObject) -> None:
    chunks = split(pack(SMALL), 60)
    gone = data.draw(st.integers(0, len(chunks) - 1))

    with pytest.raises(JournalUnreadable, match=rf"to {len(chunks) - 1}, {gone} cannot be found"):
        join(chunk for chunk in chunks if chunk.number != gone)


@given(st.data())
def test_chunks_that_changed_places_are_noticed(data: st.DataObject) -> None:
    chunks = list(split(pack(SMALL), 60))
    one, other = data.draw(
        st.lists(st.integers(0, len(chunks) - 1), min_size=2, max_size=2, unique=True)
    )
    assume(chunks[one].data != chunks[other].data)
    first, second = chunks[one], chunks[other]
    chunks[one], chunks[other] = (
        replace(first, data=second.data),
        replace(second, data=first.data),
    )

    with pytest.raises(JournalUnreadable, match="SHA-256"):
        join(chunks)


def test_a_chunk_of_another_archive_is_noticed() -> None:
    others = split(pack(replace(SMALL, arguments={})), 60)
    chunks = split(pack(SMALL), 60)

    with pytest.raises(JournalUnreadable, match="do not belong together"):
        join([*chunks[:-1], others[-1]])


@pytest.mark.parametrize("number", [0, 7])
def test_a_chunk_too_many_is_noticed(number: int) -> None:
    chunks = split(pack(SMALL), 10**6)

    with pytest.raises(JournalUnreadable, match=f"part {number} is one too many"):
        join([*chunks, replace(chunks[0], number=number)])


def test_no_chunks_are_no_archive() -> None:
    with pytest.raises(JournalUnreadable):
        join(())


@given(st.data())
def test_an_archive_cut_short_is_refused(data: st.DataObject) -> None:
    archive = pack(SMALL)

    with pytest.raises(JournalUnreadable, match="cannot be unpacked"):
        unpack(archive[: data.draw(st.integers(0, len(archive) - 1))])


@given(st.binary(max_size=300))
def test_whatever_else_is_refused(noise: bytes) -> None:
    for archive in (noise, lzma.compress(noise)):
        with pytest.raises(JournalUnreadable):
            unpack(archive)


def test_an_archive_that_unpacks_to_far_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = pack(SMALL)
    monkeypatch.setattr(archives, "_LARGEST_BYTES", 1000)

    with pytest.raises(JournalUnreadable):
        unpack(archive)


def test_a_link_in_an_archive_is_refused() -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        link = tarfile.TarInfo("restore/statefulset.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)

    with pytest.raises(JournalUnreadable, match="is no file"):
        unpack(lzma.compress(written.getvalue()))


@pytest.mark.parametrize("change", [{"schema": 2}, {"more": 1}, {"arguments": None}])
def test_an_archive_of_another_version_is_not_guessed_at(change: dict[str, Any]) -> None:
    heading = msgspec.json.decode(archives._heading(SMALL)) | change
    files = {archives._HEADING: msgspec.json.encode(heading)}

    with pytest.raises(JournalUnreadable, match="another version"):
        unpack(lzma.compress(archives._tar(files)))


def test_a_name_that_does_not_come_out_as_it_went_in_is_refused() -> None:
    with pytest.raises(ValueError, match="do not come out"):
        pack(replace(SMALL, files={"a\0b": b""}))


def test_a_person_opens_it_without_the_tool(tmp_path: Path) -> None:
    (tmp_path / "backup.tar.xz").write_bytes(pack(SMALL))

    subprocess.run(["tar", "xJf", "backup.tar.xz"], cwd=tmp_path, check=True)

    pod = tmp_path / "backup" / "pods" / "web-0.json"
    assert pod.read_bytes() == SMALL.files["backup/pods/web-0.json"]


def test_a_set_of_500_replicas_with_2_claims_each_fits_a_few_config_maps() -> None:
    files = LargeSet(replicas=500, claims=2).files()
    archive = pack(Content(IDENTITY, {}, files))
    chunks = split(archive)

    total = sum(map(len, files.values()))
    print(  # noqa: T201 - docs/decisions/0008 quotes it
        f"{len(files)} files, {total / 1e6:.1f} MB, packed {len(archive) / 1e6:.2f} MB, "
        f"{len(chunks)} chunks of at most {CHUNK_BYTES // 1024} KiB"
    )
    assert len(chunks) <= 3
    assert hashlib.sha256(join(chunks)).hexdigest() == chunks[0].sha256


def test_a_chunk_knows_its_place() -> None:
    digest = hashlib.sha256(b"abcde").hexdigest()

    assert split(b"abcde", 3) == (Chunk(0, 2, digest, b"abc"), Chunk(1, 2, digest, b"de"))

"""The documents' tables are those that were kept, and what was kept says where it is from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import evidence
from bench.report import DOCUMENTS, sources, written
from lab.layout import REPOSITORY

BLOCK = "Before\n<!-- docs/evidence/one.json -->\nof old\n<!-- end -->\nafter\n"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_documents_show_what_was_kept(document: str) -> None:
    text = (REPOSITORY / document).read_text()
    assert sources(text)
    assert text == written(text, REPOSITORY), "make bench-report"


def test_a_block_is_what_the_command_printed(tmp_path: Path) -> None:
    keep(tmp_path, "A  B\n1  2")
    assert written(BLOCK, tmp_path) == (
        "Before\n<!-- docs/evidence/one.json -->\n"
        "Of `python -m bench --runs 2` at abc1234 on 2026-01-01, 2 cores:\n"
        "\n```text\nA  B\n1  2\n```\n<!-- end -->\nafter\n"
    )


def test_what_is_not_measured_yet_stays_as_it_is(tmp_path: Path) -> None:
    assert written(BLOCK, tmp_path) == BLOCK
    assert sources(BLOCK) == ["docs/evidence/one.json"]


def test_writing_twice_changes_nothing_more(tmp_path: Path) -> None:
    keep(tmp_path, "A")
    once = written(BLOCK, tmp_path)
    assert written(once, tmp_path) == once


def test_what_is_kept_says_by_which_command_of_which_commit(tmp_path: Path) -> None:
    path = tmp_path / "new" / "one.json"
    evidence.keep(path, {"ratios": {"a": 1}}, "A\nB")
    kept = json.loads(path.read_text())
    assert (kept["ratios"], kept["printed"]) == ({"a": 1}, ["A", "B"])
    assert kept["commit"] == evidence.commit()
    assert {"command", "date", "cores"} <= kept.keys()


def test_a_command_is_told_without_the_file_that_it_writes() -> None:
    arguments = ["-m", "bench", "--json", "out.json", "--runs", "2"]
    assert evidence.command(arguments) == "python -m bench --runs 2"


def keep(root: Path, printed: str) -> None:
    path = root / "docs/evidence/one.json"
    path.parent.mkdir(parents=True)
    about = {"command": "python -m bench --runs 2", "date": "2026-01-01", "commit": "abc1234"}
    path.write_text(json.dumps({**about, "cores": 2, "printed": printed.splitlines()}))

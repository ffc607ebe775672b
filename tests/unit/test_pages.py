"""The pages of preflight, plan and inventory are those that were looked at."""

from __future__ import annotations

import re

import pytest

from tests.unit.pages import FOLDER, pages

PAGES = dict(pages())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_it_was_looked_at(name: str) -> None:
    kept = (FOLDER / name).read_text(encoding="utf-8")
    assert PAGES[name] == kept, "run `python -m tests.unit.pages` and look at what changed"


def test_no_page_is_kept_that_nobody_prints() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


@pytest.mark.parametrize("name", [name for name in PAGES if name.endswith(".ansi")])
def test_colours_change_no_character(name: str) -> None:
    plain = re.sub(r"\033\[\d+m", "", PAGES[name])
    assert plain == PAGES[name.replace(".ansi", ".txt")]
    assert plain != PAGES[name]

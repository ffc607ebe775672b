"""The timeline: one bar a replica, and every phase as wide as it is long."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from bench.away import OWN_PHASES, PHASES
from bench.picture import BORDER, COLOURS, picture
from tests.unit.bench_samples import absence, run

SVG = "{http://www.w3.org/2000/svg}"


def bars(drawn: str) -> dict[str, float]:
    """Width of each bar that says what it is, by what it says."""
    found = {}
    for bar in ET.fromstring(drawn).iter(f"{SVG}rect"):  # noqa: S314 - our own
        title = bar.find(f"{SVG}title")
        if title is not None and title.text:
            found[title.text] = float(bar.attrib["width"])
    return found


def test_a_phase_is_as_wide_as_it_is_long() -> None:
    drawn = bars(picture({"tool": run(absence(0, 1, 2, 0, 0, 1, 0, 4), wall=10)}))
    assert drawn["detaching 2.00 s"] == 2 * drawn["terminating 1.00 s"]
    assert drawn["Ready 10.00 s"] == 10 * drawn["binding 1.00 s"]


def test_a_phase_that_did_not_take_place_is_not_drawn() -> None:
    drawn = bars(picture({"floor": run(absence(0, 1, 2, 0, 0, 4))}))
    assert not [title for title in drawn if title.startswith("converting")]


def test_all_methods_have_the_same_scale() -> None:
    runs = {"tool": run(absence(0, 1), wall=10), "copy": run(absence(0, 2), wall=40)}
    drawn = bars(picture(runs))
    assert drawn["terminating 2.00 s"] == 2 * drawn["terminating 1.00 s"]


def test_the_time_without_a_set_has_a_bar_of_its_own() -> None:
    drawn = bars(picture({"tool": run(absence(0, 1, without_set=3), wall=10)}))
    assert drawn["no StatefulSet 3.00 s"] == 3 * drawn["terminating 1.00 s"]


def test_what_the_tool_takes_is_told_from_what_the_cluster_takes() -> None:
    drawn = picture({"tool": run(absence(0, 1, 1, 1, 1, 1, 1, 1))})
    bordered = re.findall(r'stroke="black"><title>(\w+) ', drawn)
    assert bordered == list(OWN_PHASES)


def test_the_legend_names_every_colour_and_a_replica_its_seconds() -> None:
    drawn = picture({"a < b": run(absence(0, 1, 2, 3, 4, 5), wall=20)})
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert {*COLOURS, BORDER.replace("'", "&#x27;")} <= set(texts)
    assert set(PHASES) <= set(COLOURS)
    assert "15.0 s" in texts
    assert "a &lt; b: 20.0 s in all" in texts

"""The reporting side of the benchmark: what the tables and charts say of given figures."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.bench import table
from tests.bench.__main__ import choose
from tests.bench.row import CPU, WALL, Goal, Row, Sample, at_most
from tests.bench.rows import ROWS
from tests.bench.svg import chart


class _Row(Row):
    name = title = "open"
    group = "Files"

    def __init__(self, goal: Goal | None) -> None:
        self.goal = goal

    def run(self, lab) -> Sample:
        raise NotImplementedError


def _cells(goal: Goal | None, ours: list[Sample], theirs: list[Sample]) -> list[str]:
    text = table.line(_Row(goal), {"pysmbd": ours, "samba": theirs})
    return [cell.strip() for cell in text.strip("|").split("|")]


def test_the_median_of_the_rounds_counts():
    cells = _cells(None, [{CPU: 10}, {CPU: 1}, {CPU: 30}], [{CPU: 40}, {CPU: 20}, {CPU: 10}])
    assert cells == ["open", "10.0", "20.0", "0.50", "-", "-", "-", "-", "-", "-", "", ""]


@pytest.mark.parametrize(
    ("cpu", "wall", "met"), [(5, 6, "yes"), (5, 7, "CPU"), (7, 6, "time"), (7, 7, "**no**")]
)  # fmt: skip
def test_a_goal_for_two_measures(cpu, wall, met):
    assert _cells(at_most(0.6), [{CPU: cpu, WALL: wall}], [{CPU: 10, WALL: 10}])[-2:] == ["<= 0.6", met]


def test_a_goal_that_is_no_ratio():
    goal = Goal(4.5, "<= 4.5 MB", (WALL,), absolute=True)
    assert _cells(goal, [{WALL: 4}], [{WALL: 1}])[-1] == "yes"
    assert _cells(goal, [{WALL: 5}], [{WALL: 1}])[-1] == "**no**"


def test_without_samba_no_goal_is_judged():
    assert _cells(at_most(0.6), [{CPU: 1, WALL: 1}], [])[-1] == "-"


def test_lines_of_some_rows_are_replaced_where_they_stand():
    row = _Row(None)
    document = f"before\n{table.line(row, {'pysmbd': [{CPU: 1}]})}\nafter\n"
    assert table.update(document, {row: {"pysmbd": [{CPU: 2}]}}).startswith("before\n| open | 2.00 |")
    with pytest.raises(ValueError, match="unpack"):
        table.update("before\n", {row: {}})


def test_rows_are_chosen_by_pattern():
    assert {row.name for row in choose(["echo", "read-1m-*"])} == {
        "echo", "read-1m-plain", "read-1m-cmac", "read-1m-gmac", "read-1m-gcm",
    }  # fmt: skip
    with pytest.raises(SystemExit):
        choose(["no-such-row"])


def test_names_and_titles_of_the_rows_are_unique():
    assert len({row.name for row in ROWS}) == len({row.title for row in ROWS}) == len(ROWS)


def test_a_chart_shows_every_point_and_name():
    svg = chart("a < b", "files", "us", {"pysmbd": {1: 10, 10: 12, 100: 9}, "Samba": {1: 20, 10: 200, 100: 2000}})
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}circle")) == 6
    texts = [text.text for text in root.findall(f"{space}text")]
    assert {"a < b", "files", "us", "pysmbd", "Samba", "5", "2,000"} <= set(texts)
    heights = [float(circle.get("cy", "")) for circle in root.findall(f"{space}circle")]
    assert heights[5] < heights[4] < heights[3]

"""The tables: medians of the rounds, side by side, and their place in docs/PERFORMANCE.md."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.row import CPU, DEEP, DEEP_CPU, FOUR, WALL, Goal, Row, Sample

BEGIN = "<!-- bench:begin -->"
END = "<!-- bench:end -->"

#: Row to server to samples.
Results = Mapping[Row, Mapping[str, Sequence[Sample]]]

_HEADING = (
    "| operation | CPU pysmbd | Samba | ratio | time pysmbd | Samba | ratio "
    "| 32 deep: CPU | time | 4 conn. | goal | met |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|:-:|"
)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _medians(samples: Sequence[Sample]) -> dict[str, float]:
    measures = {measure for sample in samples for measure in sample}
    return {
        measure: statistics.median(sample[measure] for sample in samples if measure in sample) for measure in measures
    }


def _ratio(ours: Mapping[str, float], theirs: Mapping[str, float], measure: str) -> float | None:
    if not ours.get(measure) or not theirs.get(measure):
        return None
    return ours[measure] / theirs[measure]


def _met(goal: Goal | None, ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    if goal is None:
        return ""
    reached = {}
    for measure in goal.measures:
        value = ours.get(measure) if goal.absolute else _ratio(ours, theirs, measure)
        if value is not None:
            # As exact as it is printed.
            reached[measure] = round(value, 2) <= round(goal.limit, 2)
    if not reached:
        return "-"
    if all(reached.values()):
        return "yes"
    if not any(reached.values()):
        return "**no**"
    return "CPU" if reached.get(CPU) else "time"


def line(row: Row, by_server: Mapping[str, Sequence[Sample]]) -> str:
    """One line of a table."""
    ours = _medians(by_server.get("pysmbd", ()))
    theirs = _medians(by_server.get("samba", ()))
    cells = [row.title]
    for measure in (CPU, WALL):
        cells += [_number(ours.get(measure)), _number(theirs.get(measure)), _number(_ratio(ours, theirs, measure))]
    cells += [_number(_ratio(ours, theirs, measure)) for measure in (DEEP_CPU, DEEP, FOUR)]
    cells += [row.goal.text if row.goal else "", _met(row.goal, ours, theirs)]
    return f"| {' | '.join(cells)} |"


def render(results: Results) -> str:
    """All tables as Markdown, one for each group of rows."""
    parts = []
    for group in dict.fromkeys(row.group for row in results):
        lines = [line(row, by_server) for row, by_server in results.items() if row.group == group]
        parts.append("\n".join([f"### {group}", "", _HEADING, *lines, ""]))
    return "\n".join(parts)


def update(document: str, results: Results) -> str:
    """Replace the lines of some rows in a document that has all of them.

    Raises:
        ValueError: a row is missing there.
    """
    lines = document.split("\n")
    for row, by_server in results.items():
        (at,) = [number for number, text in enumerate(lines) if text.startswith(f"| {row.title} |")]
        lines[at] = line(row, by_server)
    return "\n".join(lines)


def cpu_model() -> str:
    """The processor's name."""
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = text.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return "unknown processor"


def insert(document: str, table: str, heading: str) -> str:
    """Put the tables between the markers of a document.

    Raises:
        ValueError: the markers are missing.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{BEGIN} and {END} not found")
    return f"{head}{BEGIN}\n{heading}\n\n{table}{END}{tail}"


def today() -> str:
    """The date, as written above the tables."""
    return datetime.now(UTC).date().isoformat()

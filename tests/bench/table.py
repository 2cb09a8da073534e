"""The table: medians of the rounds, side by side, and its place in docs/PERFORMANCE.md."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.rows import Row, Sample

BEGIN = "<!-- bench:begin -->"
END = "<!-- bench:end -->"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _median(samples: Sequence[Sample]) -> tuple[float | None, float | None]:
    if not samples:
        return None, None
    cpus = [sample.cpu for sample in samples if sample.cpu is not None]
    return statistics.median(sample.value for sample in samples), statistics.median(cpus) if cpus else None


def _ratio(ours: float | None, theirs: float | None, *, bigger_is_better: bool) -> str:
    if not ours or not theirs:
        return "-"
    return f"{ours / theirs if bigger_is_better else theirs / ours:.2f}"


def render(results: Mapping[Row, Mapping[str, Sequence[Sample]]]) -> str:
    """The table as Markdown. A ratio above 1 always means that pysmbd is the better one."""
    lines = [
        "| load | unit | pysmbd | Samba | ratio | CPU us/op pysmbd | CPU us/op Samba | ratio |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row, by_server in results.items():
        ours, our_cpu = _median(by_server.get("pysmbd", ()))
        theirs, their_cpu = _median(by_server.get("samba", ()))
        cells = [
            row.title,
            row.unit,
            *("-" if value is None else _number(value) for value in (ours, theirs)),
            _ratio(ours, theirs, bigger_is_better=row.bigger_is_better),
            *("-" if value is None else _number(value) for value in (our_cpu, their_cpu)),
            _ratio(our_cpu, their_cpu, bigger_is_better=False),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cpu_model() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return "unknown processor"


def insert(document: str, table: str, heading: str) -> str:
    """Put the table between the markers of a document.

    Raises:
        ValueError: the markers are missing.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{BEGIN} and {END} not found")
    return f"{head}{BEGIN}\n{heading}\n\n{table}{END}{tail}"


def today() -> str:
    """The date, as written above the table."""
    return datetime.now(UTC).date().isoformat()

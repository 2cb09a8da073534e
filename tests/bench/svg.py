"""Line charts as SVG, with what a chart of costs needs and no more: two logarithmic axes, lines, labels, units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_WIDTH: Final = 640
_HEIGHT: Final = 400
_LEFT: Final = 70
_RIGHT: Final = 110
_TOP: Final = 44
_BOTTOM: Final = 54
_COLOURS: Final = ("#1565c0", "#c62828", "#2e7d32", "#6a1b9a")
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}"
    ".grid{stroke:#ddd}.axis{stroke:#222;fill:none}.line{fill:none;stroke-width:2}"
)

#: Of each line: x to y.
Lines = Mapping[str, Mapping[float, float]]


class Axis:
    """A logarithmic axis.

    Args:
        values: what it has to show.
        begin: where the smallest goes.
        end: where the largest goes.
        ticks: where to draw ticks; None for 1, 2, 5, 10 ... that enclose the values.
    """

    def __init__(self, values: Sequence[float], begin: float, end: float, ticks: Sequence[float] | None = None) -> None:
        self.ticks = list(ticks) if ticks is not None else _enclosing(min(values), max(values))
        self._begin, self._end = begin, end
        self._low, self._high = math.log(self.ticks[0]), math.log(self.ticks[-1])

    def at(self, value: float) -> float:
        """The place of a value."""
        if self._high == self._low:
            return (self._begin + self._end) / 2
        return self._begin + (math.log(value) - self._low) / (self._high - self._low) * (self._end - self._begin)


def _enclosing(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1
    steps = [factor * 10.0**power for power in range(first, last) for factor in (1, 2, 5)]
    below = max(index for index, step in enumerate(steps) if step <= low)
    above = min(index for index, step in enumerate(steps) if step >= high)
    return steps[below : max(above, below + 1) + 1]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def chart(title: str, x_label: str, y_label: str, lines: Lines) -> str:
    """Draw the lines; return the SVG document.

    Args:
        title: above the chart.
        x_label: what the horizontal axis shows, with its unit.
        y_label: likewise, vertical.
        lines: at least one, none of them empty, all values above zero.
    """
    xs = sorted({x for line in lines.values() for x in line})
    x_axis = Axis(xs, _LEFT, _WIDTH - _RIGHT, xs)
    y_axis = Axis([y for line in lines.values() for y in line.values()], _HEIGHT - _BOTTOM, _TOP)
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>',
    ]
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        out.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        out.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    for tick in x_axis.ticks:
        x = x_axis.at(tick)
        out.append(f'<path class="axis" d="M{x:.1f} {bottom}v5"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 19}" text-anchor="middle">{_number(tick)}</text>')
    out.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    middle = (_LEFT + right) / 2
    out.append(f'<text x="{middle}" y="{_HEIGHT - 14}" text-anchor="middle">{escape(x_label)}</text>')
    centre = (_TOP + bottom) / 2
    out.append(
        f'<text x="18" y="{centre}" text-anchor="middle" transform="rotate(-90 18 {centre})">{escape(y_label)}</text>'
    )
    out += _lines(lines, x_axis, y_axis)
    return "\n".join([*out, "</svg>", ""])


def _lines(lines: Lines, x_axis: Axis, y_axis: Axis) -> list[str]:
    out = []
    # Names stand at the ends of the lines, and not upon each other.
    ends = {name: y_axis.at(line[max(line)]) for name, line in lines.items()}
    last = 0.0
    for name in sorted(ends, key=ends.__getitem__):
        ends[name] = last = max(ends[name], last + 14)
    for (name, line), colour in zip(lines.items(), _COLOURS, strict=False):
        points = [(x_axis.at(x), y_axis.at(y)) for x, y in sorted(line.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        end = points[-1][0] + 9
        out.append(f'<text x="{end:.1f}" y="{ends[name] + 4:.1f}" style="fill:{colour}">{escape(name)}</text>')
    return out

"""A row of the table: what it measures, what it is to reach."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

from tests.bench.lab import Lab

#: Microseconds of server CPU per operation: all processes of the server, finished ones included.
CPU: Final = "cpu"
#: Microseconds per operation that the client sees, one operation at a time.
WALL: Final = "wall"
#: Microseconds per operation with 32 operations at a time on one connection.
DEEP: Final = "deep"
#: Microseconds of server CPU per operation then.
DEEP_CPU: Final = "deep cpu"
#: Microseconds per operation with 4 connections at once, each with one operation at a time.
FOUR: Final = "four"

Sample = Mapping[str, float]


class Goal(NamedTuple):
    """What a row is to reach.

    Attributes:
        limit: the ratio to Samba, or the figure itself if `absolute`, may be this large.
        text: as it stands in the table.
        measures: which measures count.
        absolute: not a ratio.
    """

    limit: float
    text: str
    measures: tuple[str, ...] = (CPU, WALL)
    absolute: bool = False


def at_most(limit: float, *measures: str) -> Goal:
    """A goal for the ratio to Samba: lower is better."""
    return Goal(limit, f"<= {limit:g}", measures or (CPU, WALL))


class Row(abc.ABC):
    """One row: figures per operation, whatever an operation is.

    Attributes:
        name: for the command line.
        title: for the table.
        group: the table it stands in.
        goal: None if there is none.
        unit: of the figures.
        only: servers that can do it; None for all.
        most_rounds: more are of no use.
    """

    name: str
    title: str
    group: str
    goal: Goal | None = None
    unit: str = "us"
    only: ClassVar[frozenset[str] | None] = None
    most_rounds = 1 << 30

    def prepare(self, lab: Lab) -> None:  # noqa: B027 - most rows need nothing
        """Make what the runs need, connections included."""

    @abc.abstractmethod
    def run(self, lab: Lab) -> Sample:
        """Put the load on the server once."""

    def finish(self, lab: Lab) -> None:  # noqa: B027 - most rows leave nothing
        """Take back what `prepare` made."""

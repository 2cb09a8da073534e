"""The line structure of smb.conf: sections, parameters, comments, continuation.

This knows nothing of which parameters exist: it yields `Section` and `Setting` items with the file and line
where they stand, for `smbd.config.loadparm` to give them a meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, or worth saying, about a place in a configuration file.

    Attributes:
        file: the file, empty for settings of the command line.
        line: the line in it, 0 if the problem has none.
        message: what is wrong.
        remedy: what to do about it, may be empty.
    """

    file: str
    line: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.message}{': ' + self.remedy if self.remedy else ''}"


class ConfigError(Exception):
    """A configuration cannot be used; ``problems`` tells where and why, one entry per mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Section:
    """A ``[name]`` line."""

    file: str
    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A ``name = value`` line."""

    file: str
    line: int
    name: str
    value: str


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines and drop comments and empty lines; yields the number of the first line of each.

    A comment does not continue: a backslash at its end means nothing.
    """
    pending = ""
    first = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not pending:
            if not line or line[0] in "#;":
                continue
            first = number
        if line.endswith("\\"):
            pending += line[:-1].rstrip() + " "
            continue
        yield first, (pending + line).strip()
        pending = ""
    if pending.strip():
        yield first, pending.strip()


def parse(text: str, file: str, problems: list[Problem], warnings: list[Problem]) -> Iterator[Section | Setting]:
    """Yield the sections and settings of a file in order.

    A section name that cannot be read goes to ``problems``, because the settings after it would end up in the
    wrong section. A line that is neither section nor setting is left out and goes to ``warnings``.
    """
    for number, line in logical_lines(text):
        if line.startswith("["):
            name, bracket, rest = line[1:].partition("]")
            name = " ".join(name.split())
            if not bracket or not name:
                problems.append(Problem(file, number, f"not a section name: {line!r}", "write [name]"))
                continue
            if rest.strip():
                warnings.append(Problem(file, number, "text after the section name", "it is ignored"))
            yield Section(file, number, name)
            continue
        name, equals, value = line.partition("=")
        name = " ".join(name.split())
        if not equals or not name:
            warnings.append(Problem(file, number, f"not a setting: {line!r}", "the line is ignored"))
        else:
            yield Setting(file, number, name, value.strip())

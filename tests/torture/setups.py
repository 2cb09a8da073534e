"""What single tests need other than all others do: read from the file ``setups``.

An INI file; a section's name is a suite, a leaf test or a shell pattern as in ``suites``, a line of it one of::

    share PARAMETER = VALUE     a parameter of the share that is tested
    global PARAMETER = VALUE    a parameter of [global]
    option NAME = VALUE         an option of smbtorture
    file PATH = CONTENTS        a file in the share, or a stream of one (FILE:STREAM), there before the test
    limit = SECONDS             how long the test may take

In values DIR is the server's directory. A test with parameters of its own gets a server of its own.
"""

from __future__ import annotations

import configparser
import fnmatch
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SETUPS = Path(__file__).parent / "setups"


class SetupError(ValueError):
    """The file ``setups`` is malformed."""


class Setup(NamedTuple):
    """What a test needs; the default is what most do."""

    share: tuple[tuple[str, str], ...] = ()
    globals: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    limit: float | None = None

    @property
    def wants_server(self) -> bool:
        """Whether it takes a server of its own."""
        return bool(self.share or self.globals)


class Setups:
    """The table of all setups.

    Args:
        text: as in the file.

    Raises:
        SetupError: a line says nothing known.
    """

    def __init__(self, text: str) -> None:
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            parser.read_string(text)
        except configparser.Error as error:
            raise SetupError(str(error)) from error
        self._setups = {pattern: _setup(pattern, parser[pattern].items()) for pattern in parser.sections()}

    def of(self, name: str) -> Setup:
        """Return the setup of a leaf test: that of the first pattern that fits."""
        for pattern, setup in self._setups.items():
            if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"{pattern}.*"):
                return setup
        return Setup()

    def unused(self, names: Iterable[str]) -> list[str]:
        """Return the patterns that are for none of these tests."""
        used = {id(self.of(name)) for name in names}
        return [pattern for pattern, setup in self._setups.items() if id(setup) not in used]


def _setup(pattern: str, lines: Iterable[tuple[str, str]]) -> Setup:
    found: dict[str, list[tuple[str, str]]] = {"share": [], "global": [], "option": [], "file": []}
    limit = None
    for key, value in lines:
        kind, _, name = key.partition(" ")
        if key == "limit":
            limit = float(value)
        elif kind in found and name:
            found[kind].append((name, value))
        else:
            raise SetupError(f"[{pattern}] {key}: no such setting")
    share, globals_, options, files = (tuple(found[kind]) for kind in ("share", "global", "option", "file"))
    return Setup(share, globals_, options, files, limit)

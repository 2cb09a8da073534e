"""File name expressions: [MS-FSA] 2.1.4.3 (wildcards), 2.1.4.4 (is a name in an expression).

The expression is run as a non-deterministic automaton whose set of states is one integer, so that the time is
proportional to the length of the name whatever the expression is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from vfs.posix.names import fold

DOS_STAR: Final = "<"
DOS_QM: Final = ">"
DOS_DOT: Final = '"'
_WILDCARDS: Final = frozenset('*?<>"')
_EXPRESSION_CACHE: Final = 256
"""Compiled expressions kept: a client uses few different ones."""

Matcher = Callable[[str], bool]


def has_wildcards(expression: str) -> bool:
    """Tell whether `expression` contains a wildcard character ([MS-FSA] 2.1.4.3)."""
    return not _WILDCARDS.isdisjoint(expression)


class _Automaton:
    """States are positions in the expression; bit i set: everything before position i has been matched."""

    __slots__ = ("_accept", "_any", "_dos_dot", "_dos_qm", "_dos_star", "_eps", "_eps_end", "_literal", "_star")

    def __init__(self, expression: str) -> None:
        self._literal: dict[str, int] = {}
        masks = dict.fromkeys('*?<>"', 0)
        for index, char in enumerate(expression):
            bit = 1 << index
            if char in masks:
                masks[char] |= bit
            else:
                self._literal[char] = self._literal.get(char, 0) | bit
        self._star = masks["*"]
        self._any = masks["?"]
        self._dos_star = masks[DOS_STAR]
        self._dos_qm = masks[DOS_QM]
        self._dos_dot = masks[DOS_DOT]
        self._eps = self._star | self._dos_star
        self._eps_end = self._eps | self._dos_qm | self._dos_dot
        self._accept = 1 << len(expression)

    def match(self, name: str) -> bool:
        last_dot = name.rfind(".")
        states = 1
        for index, char in enumerate(name):
            stay = self._star
            if char == ".":
                # DOS_QM gives way at a period; DOS_STAR may eat any period but the last.
                skip = self._eps | self._dos_qm
                eat = self._any | self._dos_dot | self._literal.get(char, 0)
                if index != last_dot:
                    stay |= self._dos_star
            else:
                skip = self._eps
                eat = self._any | self._dos_qm | self._literal.get(char, 0)
                stay |= self._dos_star
            states |= (skip + (states & skip)) ^ skip  # the carry runs through a row of skippable positions
            states = (states & eat) << 1 | (states & stay)
            if not states:
                return False
        skip = self._eps_end
        states |= (skip + (states & skip)) ^ skip
        return bool(states & self._accept)


@lru_cache(_EXPRESSION_CACHE)
def compile_expression(expression: str, ignore_case: bool = True) -> Matcher:
    """Return a function that tells whether a name is in `expression` ([MS-FSA] 2.1.4.4)."""
    if expression in {"*", "*.*"}:
        return bool
    wanted = fold(expression) if ignore_case else expression
    folded = fold if ignore_case else str
    if not has_wildcards(wanted):
        return lambda name: folded(name) == wanted
    if wanted[0] == "*" and not has_wildcards(tail := wanted[1:]):
        return lambda name: folded(name).endswith(tail)
    automaton = _Automaton(wanted)
    return lambda name: automaton.match(folded(name))


def is_in_expression(name: str, expression: str, ignore_case: bool = True) -> bool:
    """Tell whether `name` matches `expression` ([MS-FSA] 2.1.4.4)."""
    if not name or not expression:
        return name == expression
    return compile_expression(expression, ignore_case)(name)

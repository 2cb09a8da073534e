"""Functions that every worker runs are put side by side in memory before the parent forks.

A call changes the reference counts of the function and of its code, and so copies their pages. Those of an import lie
among others that nobody calls, so that nearly each call would cost two pages.
"""

from __future__ import annotations

import gc
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

_KEPT: Final = ("__annotations__", "__doc__", "__kwdefaults__", "__module__", "__qualname__")


def gather(used: set[int]) -> None:
    """Give the functions that ran copies of their code, and modules and classes copies of these functions.

    Who else holds a function goes on with the old one, which has the new code.

    Args:
        used: the identities of the code objects that ran.
    """
    things = gc.get_objects()
    functions = [thing for thing in things if type(thing) is FunctionType and id(thing.__code__) in used]
    codes = {id(code): code for code in (function.__code__ for function in functions)}
    copies: dict[int, CodeType] = {identity: code.replace() for identity, code in codes.items()}
    for function in functions:
        function.__code__ = copies[id(function.__code__)]
    moved = {id(function): _copy(function) for function in functions}
    for holder in things:
        if isinstance(holder, type | ModuleType):
            for name, value in list(vars(holder).items()):
                other = _in_place_of(value, moved)
                if other is not None:
                    setattr(holder, name, other)


def _copy(function: FunctionType) -> FunctionType:
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    for attribute in _KEPT:
        setattr(copy, attribute, getattr(function, attribute))
    copy.__dict__.update(function.__dict__)
    return copy


def _in_place_of(value: Any, moved: dict[int, FunctionType]) -> Any:
    """Return what takes the place of an attribute; None if it stays."""
    kind = type(value)
    if kind is FunctionType:
        return moved.get(id(value))
    if kind in {staticmethod, classmethod}:
        function = moved.get(id(value.__func__))
        return None if function is None else kind(function)
    if kind is property and id(value.fget) in moved:
        return property(moved[id(value.fget)], value.fset, value.fdel, value.__doc__)
    return None

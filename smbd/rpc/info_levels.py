"""Structures that come in numbered levels, as the network management interfaces have them ([MS-SRVS] 2.2.4).

A level is a row of fields, each a kind and the name of an attribute of the value object. So every level of every
structure is a line in a table, and one function writes them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import partial
from typing import Final, TypeAlias

from smbd.rpc.errors import ERROR_INVALID_LEVEL, ERROR_SUCCESS
from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter


class Kind(Enum):
    """How a field is written."""

    NUMBER = auto()
    """A 32-bit integer."""
    TEXT = auto()
    """A unique pointer to a string."""
    DESCRIPTOR = auto()
    """The size of a security descriptor, and a unique pointer to it; None is no descriptor."""


Level: TypeAlias = Sequence[tuple[Kind, str]]

_TABLE_LETTERS: Final = {"#": Kind.NUMBER, "$": Kind.TEXT, "@": Kind.DESCRIPTOR}


def level(text: str) -> Level:
    """Read a level from its short form: ``$name #type`` is a string and a number; ``@`` is a descriptor."""
    return tuple((_TABLE_LETTERS[word[0]], word[1:]) for word in text.split())


def write_structure(writer: NdrWriter, fields: Level, value: object) -> None:
    """Write one structure, without what its pointers point to."""
    for kind, name in fields:
        content = getattr(value, name)
        if kind is Kind.NUMBER:
            writer.u32(content)
        elif kind is Kind.TEXT:
            writer.string_pointer(content)
        else:
            writer.u32(len(content or b""))
            writer.pointer(None if content is None else partial(writer.byte_array, content))


def write_info(writer: NdrWriter, levels: Mapping[int, Level], number: int, value: object | None, status: int) -> None:
    """Write the answer of a ...GetInfo operation: a union with a pointer to the structure, and the status.

    Without a value, or if there is no such level, the pointer is null; the status tells why.
    """
    fields = levels.get(number)
    writer.u32(number)
    if fields is None:
        status = status or ERROR_INVALID_LEVEL
        writer.parameter(None)
    elif value is None:
        writer.parameter(None)
    else:
        writer.parameter(partial(write_structure, writer, fields, value))
    writer.u32(status)


def read_enumeration(reader: NdrReader, levels: Mapping[int, Level]) -> int | None:
    """Read the empty container that an ...Enum operation takes, and return its level.

    Returns:
        The level; None if it is not one of `levels`: what follows cannot be read then.

    Raises:
        NdrError: the container is not empty, or its discriminant is not its level.
    """
    number, discriminant = reader.u32(), reader.u32()
    if number != discriminant:
        raise NdrError(f"level {number} with discriminant {discriminant}")
    if number not in levels:
        return None
    if reader.pointer():
        reader.u32()
        if reader.pointer() and reader.u32():
            raise NdrError("a container with elements in it")
    return number


def write_enumeration(
    writer: NdrWriter,
    number: int,
    fields: Level | None,
    values: Sequence[object],
    status: int = ERROR_SUCCESS,
    resume: int | None = None,
) -> None:
    """Write the answer of an ...Enum operation: container, total, resume handle, status.

    All values are returned at once, whatever length the client prefers, as Samba does: they are at hand, and
    fragments carry an answer of any size.

    Args:
        writer: where to.
        number: the level that was asked for.
        fields: of that level, None if there is none.
        values: what to list, beginning behind `resume`.
        status: the return value.
        resume: the resume handle that the client sent.
    """
    rest = values[resume or 0 :]
    writer.u32(number)
    writer.u32(number)
    if fields is not None:
        rows = [partial(write_structure, writer, fields, value) for value in rest]

        def container() -> None:
            writer.u32(len(rows))
            writer.pointer(partial(writer.array, rows) if rows or not status else None)

        writer.parameter(container)
    writer.u32(len(rest))
    # Everything has been returned: zero, so that the next call begins anew.
    writer.optional_u32(None if resume is None else 0)
    writer.u32(status)

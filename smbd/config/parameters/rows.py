"""How parameters are declared that pysmbd knows by name only: a row per parameter, a topic per reason.

They have a type, so that testparm shows them as Samba's does and a mistake in them is reported, but no
attribute: nothing in the server can ask for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from smbd.config.registry import GLOBAL, KNOWN, AnyParam, Param
from smbd.config.values import ValueType


class Topic(NamedTuple):
    """Parameters that have no effect for one common ``reason``; a row's own text goes before it."""

    reason: str
    params: tuple[AnyParam, ...]

    def declarations(self) -> list[AnyParam]:
        """The parameters with the reason as their text, where they have none of their own."""
        for param in self.params:
            param.doc = param.doc or self.reason
        return list(self.params)


def row(
    name: str,
    kind: ValueType[Any],
    default: str = "",
    doc: str = "",
    status: str = KNOWN,
    *,
    scope: str = GLOBAL,
    synonyms: tuple[str, ...] = (),
    inverted: tuple[str, ...] = (),
    since: str = "",
) -> AnyParam:
    """Declare one parameter; the default is written as in smb.conf."""
    return Param(
        kind,
        kind.parse(default),
        doc,
        synonyms=synonyms,
        inverted=inverted,
        status=status,
        name=name,
        scope=scope,
        since=since,
    )

"""docs/PARAMETERS.md, made from the registry: ``python -m smbd.config.docs > docs/PARAMETERS.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from smbd.config.parameters import REGISTRY
from smbd.config.registry import ACCEPTED, GLOBAL, IMPLEMENTED, KNOWN, SHARE, AnyParam

_INTRODUCTION: Final = """\
# Parameters of smb.conf

This file is generated: `python -m smbd.config.docs > docs/PARAMETERS.md`. A test holds it up to date.

pysmbd reads Samba's `smb.conf`. Names are compared without regard to case and blanks. A share parameter in
`[global]` is the default of all shares. testparm warns of each line that sets a parameter without effect.
"""

_SECTIONS: Final = (
    ("Implemented", IMPLEMENTED, ""),
    ("Accepted, without an effect", ACCEPTED, "They have nothing to decide here; the text says why."),
    ("Known, not implemented", KNOWN, "Their line has no effect, which may matter."),
)


def markdown() -> Iterator[str]:
    """The lines of the document."""
    yield _INTRODUCTION
    for title, status, text in _SECTIONS:
        params = [param for param in REGISTRY.params if param.status == status]
        yield f"## {title}"
        yield ""
        if text:
            yield text
            yield ""
        for scope, heading in ((GLOBAL, "Global parameters"), (SHARE, "Share parameters")):
            chosen = [param for param in params if param.scope == scope]
            yield f"### {heading}"
            yield ""
            if status == KNOWN:
                yield from _by_reason(chosen)
            else:
                for param in chosen:
                    yield from _entry(param)


def _entry(param: AnyParam) -> Iterator[str]:
    yield f"**{param.name}**{_also(param)}  "
    choices = f" One of: {', '.join(param.kind.choices())}." if param.kind.choices() else ""
    default = f"`{param.default_text}`" if param.default_text else "empty"
    if param.attribute == "netbios_name":
        default = "the host name"
    yield f"{param.doc}{choices} Default: {default}."
    yield ""


def _by_reason(params: Iterable[AnyParam]) -> Iterator[str]:
    """Parameters that share a text are one item; the items in the order of their first parameter."""
    groups: dict[str, list[AnyParam]] = {}
    for param in params:
        groups.setdefault(param.doc, []).append(param)
    for doc, group in groups.items():
        yield f"* {', '.join(f'**{param.name}**{_also(param)}' for param in group)}: {doc}"
    yield ""


def _also(param: AnyParam) -> str:
    notes = []
    if param.synonyms:
        notes.append(f"also {', '.join(param.synonyms)}")
    if param.inverted:
        notes.append(f"the opposite of {', '.join(param.inverted)}")
    if param.since:
        notes.append(f"Samba {param.since}")
    return f" ({'; '.join(notes)})" if notes else ""


def text() -> str:
    """The whole document."""
    return "\n".join(markdown()).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())

"""Names between disk (bytes), Python (str) and the comparison of Windows.

On disk a name is bytes, nearly always UTF-8. A byte that is not becomes a lone surrogate (PEP 383), so every name
has one text form and comes back unchanged. Folding is the simple one-to-one upper-casing of Windows ([MS-UCODEREF]
3.1.5.3): never `str.casefold` or `str.upper` on a whole non-ASCII string, which would make ``ss`` equal to ``ß``.
"""

from __future__ import annotations

from typing import Final

#: Longest name on a Linux file system.
NAME_MAX_BYTES: Final = 255


class _UpcaseTable(dict[int, int]):
    """`str.translate` table filled as characters turn up; at most one entry for each BMP character."""

    def __missing__(self, code: int) -> int:
        upper = chr(code).upper()
        # Windows folds UTF-16 code units one by one: nothing that grows, nothing beyond the BMP.
        result = ord(upper) if len(upper) == 1 and code <= 0xFFFF and code not in _NOT_FOLDED else code
        self[code] = result
        return result


#: Characters Unicode upper-cases and Windows does not.
_NOT_FOLDED: Final = frozenset({0x00B5, 0x0131, 0x017F})
_UPCASE = _UpcaseTable()


def to_text(name: bytes) -> str:
    """The text form of an on-disk name; never fails."""
    return name.decode("utf-8", "surrogateescape")


def to_bytes(name: str) -> bytes:
    """The on-disk form of `name`.

    Raises:
        UnicodeEncodeError: `name` has a lone surrogate that stands for no byte.
    """
    return name.encode("utf-8", "surrogateescape")


def fold(name: str) -> str:
    """The key two names share exactly if Windows thinks them equal."""
    return name.upper() if name.isascii() else name.translate(_UPCASE)


def fold_bytes(name: bytes) -> str:
    """`fold` of an on-disk name."""
    text = name.decode("utf-8", "surrogateescape")
    return text.upper() if text.isascii() else text.translate(_UPCASE)

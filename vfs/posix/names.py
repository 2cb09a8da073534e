"""Names between disk (bytes), Python (str) and the comparison of Windows.

On disk a name is bytes, nearly always UTF-8. A byte that is not becomes a lone surrogate (PEP 383), so every name
has one text form and comes back unchanged. Folding is the simple one-to-one upper-casing of Windows ([MS-UCODEREF]
3.1.5.3): never `str.casefold` or `str.upper` on a whole non-ASCII string, which would make ``ss`` equal to ``ß``.
"""

from __future__ import annotations

from typing import Final

#: Longest name on a Linux file system.
NAME_MAX_BYTES: Final = 255


#: The one letter folded although its capital has another small letter: the final sigma.
_FINAL_SIGMA: Final = 0x03C2


class _UpcaseTable(dict[int, int]):
    """`str.translate` table, filled as characters turn up; at most one entry for each BMP character."""

    def __missing__(self, code: int) -> int:
        # Windows folds UTF-16 code units one by one: nothing that grows, nothing beyond the BMP. Nor does it fold
        # variants that do not come back in lower case, such as the dotless i, the long s or the title-case digraphs.
        if code > 0xFFFF:
            return code
        char = chr(code)
        upper = char.upper()
        reversible = len(upper) == 1 and (upper.lower() == char or code == _FINAL_SIGMA)
        result = self[code] = ord(upper) if reversible else code
        return result


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

"""Account control flags ([MS-SAMR] 2.2.1.12) and the letters that smbpasswd and pdbedit use for them."""

from __future__ import annotations

from typing import Final

ACB_DISABLED: Final = 0x00000001
ACB_HOMDIRREQ: Final = 0x00000002
ACB_PWNOTREQ: Final = 0x00000004
ACB_TEMPDUP: Final = 0x00000008
ACB_NORMAL: Final = 0x00000010
ACB_MNS: Final = 0x00000020
ACB_DOMTRUST: Final = 0x00000040
ACB_WSTRUST: Final = 0x00000080
ACB_SVRTRUST: Final = 0x00000100
ACB_PWNOEXP: Final = 0x00000200
ACB_AUTOLOCK: Final = 0x00000400

ACB_ACCOUNT_TYPES: Final = ACB_NORMAL | ACB_TEMPDUP | ACB_DOMTRUST | ACB_WSTRUST | ACB_SVRTRUST
"""Exactly one of these is set in an account."""

# In the order in which they are printed.
_LETTERS: Final = {
    "N": ACB_PWNOTREQ,
    "D": ACB_DISABLED,
    "H": ACB_HOMDIRREQ,
    "T": ACB_TEMPDUP,
    "U": ACB_NORMAL,
    "M": ACB_MNS,
    "W": ACB_WSTRUST,
    "S": ACB_SVRTRUST,
    "L": ACB_AUTOLOCK,
    "X": ACB_PWNOEXP,
    "I": ACB_DOMTRUST,
}
_WIDTH: Final = 11


def format_flags(flags: int) -> str:
    """Return the flags as ``[DU         ]``, padded to the fixed width that scripts rely on."""
    letters = "".join(letter for letter, bit in _LETTERS.items() if flags & bit)
    return f"[{letters:<{_WIDTH}}]"


def parse_flags(text: str) -> int:
    """Return the flags of a text like ``[UX]``; blanks do not matter.

    Raises:
        ValueError: no brackets around it, or a letter that means nothing.
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"account flags have to be in brackets, such as [U]: {text!r}")
    flags = 0
    for letter in text[1:-1].replace(" ", ""):
        try:
            flags |= _LETTERS[letter.upper()]
        except KeyError:
            raise ValueError(f"there is no account flag {letter!r}") from None
    return flags

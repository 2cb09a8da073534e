"""8.3 names for clients that need them ([MS-FSCC] 2.1.5.2.1).

A short name is computed from the long one alone (a hash, no table), so it is the same in every process and after a
restart: one upper-case character of the name, six of the hash around a tilde, the extension's first three characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vfs.posix.names import fold

MANGLED_NO: Final = 0
"""`mangled names = no`: there are no short names."""
MANGLED_YES: Final = 1
"""`mangled names = yes`: every name that is not 8.3 has a short name."""
MANGLED_ILLEGAL: Final = 2
"""`mangled names = illegal`: only names that a Windows client cannot spell have a short name."""

_LEGAL: Final = r"[A-Za-z0-9!#$%&'()@^_`{}~\x2d]"
_IS_8_3: Final = re.compile(rf"{_LEGAL}{{1,8}}(?:\.{_LEGAL}{{1,3}})?")
_IS_MANGLED: Final = re.compile(rf"{_LEGAL}[0-9A-Z]{{5}}~[0-9A-Z](?:\.{_LEGAL}{{1,3}})?")
_NOT_LEGAL: Final = re.compile(rf"(?!{_LEGAL}).", re.DOTALL)
_DEVICE: Final = r"(?:CON|PRN|AUX|NUL|CLOCK\$|COM[1-9]|LPT[1-9])(?:\.|\Z)"
_IS_DEVICE: Final = re.compile(_DEVICE, re.IGNORECASE)
DEVICE_BEGINS: Final = frozenset({"CON", "PRN", "AUX", "NUL", "CLO", "COM", "LPT"})
"""What the name of a device begins with."""
ILLEGAL_CHARACTER: Final = re.compile(r'[\x00-\x1f"\\/:|<>*?\udc80-\udcff]')
"""Finds what Windows clients cannot spell, stray bytes included."""
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HASH_CHARACTERS: Final = 6
# FNV-1a, 32 bits
_FNV_OFFSET: Final = 2166136261
_FNV_PRIME: Final = 16777619
_MASK_32: Final = 0xFFFFFFFF


def is_8_3(name: str) -> bool:
    """Tell whether `name` is a legal 8.3 name itself."""
    return _IS_8_3.fullmatch(name) is not None and _IS_DEVICE.match(name) is None


def is_illegal(name: str) -> bool:
    """Tell whether Windows clients cannot spell `name` ([MS-FSCC] 2.1.5)."""
    # For every entry of every listing: one expression for all of it takes twice as long.
    if ILLEGAL_CHARACTER.search(name) is not None:
        return True
    if name[-1:] in {" ", "."}:
        return name not in {".", ".."}
    return name[:3].upper() in DEVICE_BEGINS and _IS_DEVICE.match(name) is not None


def could_be_mangled(name: str) -> bool:
    """Tell whether `name` has the form of a computed short name."""
    return "~" in name and _IS_MANGLED.fullmatch(name.upper()) is not None


def mangle(name: str) -> str:
    """Return the computed short name of `name`, whether it needs one or not."""
    base, dot, extension = name.rpartition(".")
    if not dot or not base:
        base, extension = name, ""
    value = _FNV_OFFSET
    for byte in fold(name).encode("utf-16-le", "surrogatepass"):
        value = (value ^ byte) * _FNV_PRIME & _MASK_32
    digits = ""
    for _ in range(_HASH_CHARACTERS):
        value, digit = divmod(value, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    first = _NOT_LEGAL.sub("", base.upper())[:1] or "_"
    short = f"{first}{digits[:-1]}~{digits[-1]}"
    extension = _NOT_LEGAL.sub("", extension.upper())[:3]
    return f"{short}.{extension}" if extension else short


def short_name(name: str, mode: int) -> str:
    """Return the short name of `name` under the ``mangled names`` choice `mode`; empty if it has none of its own."""
    if mode == MANGLED_NO or is_8_3(name) or name in {".", ".."}:
        return ""
    if mode == MANGLED_ILLEGAL and not is_illegal(name):
        return ""
    return mangle(name)


def find_mangled(short: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` whose short name is `short`, None if there is none.

    A client may ask for the short name of any file, also of one that is listed without (`mangled names = illegal`).
    """
    wanted = short.upper()
    for name in names:
        # A short name begins as its long name does, if that is possible at all: spares the hash of most.
        if name[0].upper() != wanted[0] and _NOT_LEGAL.match(name) is None:
            continue
        if short_name(name, MANGLED_YES) == wanted:
            return name
    return None

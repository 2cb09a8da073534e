"""The types of parameter values: how each is read from smb.conf and printed by testparm.

A `ValueType` turns the text right of the ``=`` into the Python value which the server uses, and back into the
spelling that Samba's testparm prints. A bad text raises `ValueError` whose message says what is expected: it
becomes the remedy in the report with file and line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

_TRUE = frozenset({"yes", "true", "1", "on"})
_FALSE = frozenset({"no", "false", "0", "off"})
_SIZE_SUFFIXES = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_LIST_SEPARATORS = " \t\r\n,;"


def strip_quotes(text: str) -> str:
    """Take one pair of double quotes off a text, unless there are quotes inside as well."""
    trimmed = text.strip('"')
    return text if '"' in trimmed else trimmed


def parse_bool(text: str) -> bool:
    """Read a yes/no word.

    Raises:
        ValueError: if it is none of the known words.
    """
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("use yes or no (or true, false, on, off, 1, 0)")


def split_list(text: str, separators: str = _LIST_SEPARATORS) -> list[str]:
    """Split a list at blanks and commas; double quotes keep an entry with blanks together.

    Quotes may surround a part of an entry only: ``@"Domain Users"`` is the entry ``@Domain Users``.
    """
    entries: list[str] = []
    current: list[str] = []
    quoted = started = False
    for char in text:
        if char == '"':
            quoted = not quoted
            started = True
        elif not quoted and char in separators:
            if started:
                entries.append("".join(current))
            current, started = [], False
        else:
            current.append(char)
            started = True
    if started:
        entries.append("".join(current))
    return entries


class ValueType(ABC, Generic[T]):
    """One kind of value. ``samba_name`` is the type testparm shows for it."""

    samba_name = "P_STRING"

    @abstractmethod
    def parse(self, text: str) -> T:
        """Read the value from its text in smb.conf.

        Raises:
            ValueError: if the text is not one of this type; the message names what is.
        """

    @abstractmethod
    def format(self, value: T) -> str:
        """The spelling which testparm prints."""

    def normalise(self, text: str) -> str:
        """What testparm prints for this text: the formatted value, or the text itself for plain strings."""
        return self.format(self.parse(text))

    def choices(self) -> Sequence[str]:
        """All accepted words, for types with a fixed set of them."""
        return ()


class BoolType(ValueType[bool]):
    """Yes or no."""

    samba_name = "P_BOOL"

    def parse(self, text: str) -> bool:
        """Read yes/no/true/false/on/off/1/0 in any case."""
        return parse_bool(text)

    def format(self, value: bool) -> str:
        """Samba's capitalised words."""
        return "Yes" if value else "No"


class IntType(ValueType[int]):
    """A whole number, decimal or with 0x / 0 prefix, within optional bounds."""

    samba_name = "P_INTEGER"

    def __init__(self, minimum: int | None = None, maximum: int | None = None) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def parse(self, text: str) -> int:
        """Read the number as C's strtol() with base 0 does, but refuse trailing rubbish."""
        value = self._number(text.strip())
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"use a number of at least {self.minimum}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"use a number of at most {self.maximum}")
        return value

    def format(self, value: int) -> str:
        """Decimal."""
        return str(value)

    @staticmethod
    def _number(text: str) -> int:
        digits = text.lstrip("+-")
        octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
        try:
            return int(text, 8 if octal else 0)
        except ValueError:
            raise ValueError("use a whole number") from None


class SizeType(IntType):
    """A number with an optional suffix K, M, G, T or P (powers of 1024)."""

    samba_name = "P_BYTES"

    def _number(self, text: str) -> int:  # type: ignore[override]  # uses no state, as its base
        shift = _SIZE_SUFFIXES.get(text[-1:].lower())
        try:
            return super()._number(text) if shift is None else super()._number(text[:-1].rstrip()) << shift
        except ValueError:
            raise ValueError("use a number, with a suffix K, M, G, T or P if you like") from None


class TransferSizeType(SizeType):
    """A size that is brought within bounds rather than refused, as the protocol has fixed ones."""

    def __init__(self, lowest: int, highest: int) -> None:
        super().__init__()
        self._lowest = lowest
        self._highest = highest

    def parse(self, text: str) -> int:
        """Read the size and bring it within the bounds."""
        return min(max(super().parse(text), self._lowest), self._highest)

    def normalise(self, text: str) -> str:
        """The size as it was written."""
        return str(super().parse(text))


class OctalType(ValueType[int]):
    """Permission bits."""

    samba_name = "P_OCTAL"

    def parse(self, text: str) -> int:
        """Read octal digits."""
        try:
            value = int(text.strip(), 8)
        except ValueError:
            value = -1
        if not 0 <= value <= 0o7777:
            raise ValueError("use octal permission bits such as 0755")
        return value

    def format(self, value: int) -> str:
        """Four octal digits."""
        return f"{value:04o}"


class StringType(ValueType[str]):
    """Free text; a pair of quotes around it is taken off, but still shown by testparm."""

    def parse(self, text: str) -> str:
        """Take the text without surrounding quotes."""
        return strip_quotes(text)

    def format(self, value: str) -> str:
        """The text."""
        return value

    def normalise(self, text: str) -> str:
        """The text as it was written."""
        return text


class UpperStringType(StringType):
    """A NetBIOS name: upper case."""

    samba_name = "P_USTRING"

    def parse(self, text: str) -> str:
        """Take the text in upper case."""
        return strip_quotes(text).upper()

    def normalise(self, text: str) -> str:
        """The text in upper case."""
        return text.upper()


class CharType(ValueType[str]):
    """One character."""

    samba_name = "P_CHAR"

    def parse(self, text: str) -> str:
        """Take the only character."""
        stripped = text.strip()
        if len(stripped) != 1:
            raise ValueError("use a single character")
        return stripped

    def format(self, value: str) -> str:
        """The character."""
        return value


class ListType(ValueType[list[str]]):
    """Words separated by blanks or commas. ``joiner`` is what testparm prints between them."""

    def __init__(self, joiner: str = " ") -> None:
        self.joiner = joiner
        self.samba_name = "P_CMDLIST" if joiner == " " else "P_LIST"

    def parse(self, text: str) -> list[str]:
        """Split the text; see `split_list`."""
        return split_list(text)

    def format(self, value: list[str]) -> str:
        """The entries, quoted where they hold a blank."""
        return self.joiner.join(f'"{entry}"' if " " in entry else entry for entry in value)


class AlgorithmListType(ListType):
    """Names out of a fixed list. ``-NAME`` takes one out of the default list, ``+NAME`` adds one to it."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ")
        self._names = {name.upper(): name for name in names}
        self._default = list(names)

    def parse(self, text: str) -> list[str]:
        """The algorithms that remain, best first."""
        entries = split_list(text)
        chosen = list(self._default) if any(entry[:1] in {"+", "-"} for entry in entries) else []
        for entry in entries:
            name = self._names.get(entry.lstrip("+-").upper())
            if name is None:
                raise ValueError(f"use names out of {', '.join(self._default)}")
            if entry.startswith("-"):
                chosen = [other for other in chosen if other != name]
            elif name not in chosen:
                chosen.append(name)
        return chosen

    def normalise(self, text: str) -> str:
        """The entries as they were written."""
        return self.format(split_list(text))

    def choices(self) -> Sequence[str]:
        """All names."""
        return tuple(self._default)


class TransportListType(ListType):
    """`server smb transports`: the transports tcp and nbt, each with an optional port, and bare ports."""

    def __init__(self) -> None:
        super().__init__(", ")

    def parse(self, text: str) -> list[str]:
        """Split the text and check each entry."""
        entries = super().parse(text)
        for entry in entries:
            kind, colon, port = entry.partition(":")
            number = port if colon else kind if kind.isdecimal() else "1"
            known = kind.lower() in {"tcp", "nbt"} or (kind.isdecimal() and not colon)
            if not known or not number.isdecimal() or not 0 < int(number) <= 65535:
                raise ValueError("use tcp, tcp:PORT, nbt, nbt:PORT or a port number")
        return entries


class PortListType(ValueType[list[int]]):
    """Words which are TCP port numbers."""

    samba_name = "P_CMDLIST"

    def parse(self, text: str) -> list[int]:
        """Read the port numbers."""
        ports = [int(word) if word.isdecimal() else 0 for word in split_list(text)]
        if not all(0 < port <= 65535 for port in ports):
            raise ValueError("use port numbers from 1 to 65535, separated by blanks")
        return ports

    def format(self, value: list[int]) -> str:
        """The numbers with blanks between them."""
        return " ".join(map(str, value))


class EnumType(ValueType[T]):
    """One of a set of words, several of which may mean the same; the first such word is the one printed."""

    samba_name = "P_ENUM"

    def __init__(self, words: Mapping[str, T]) -> None:
        self._words = dict(words)
        self._values = {_fold(word): value for word, value in words.items()}

    def parse(self, text: str) -> T:
        """Look the word up without regard to case and repeated blanks."""
        try:
            return self._values[_fold(text)]
        except KeyError:
            raise ValueError(f"use one of: {', '.join(self._words)}") from None

    def format(self, value: T) -> str:
        """The first word with this value."""
        for word, candidate in self._words.items():
            if candidate == value:
                return word
        raise KeyError(value)

    def choices(self) -> Sequence[str]:
        """All words."""
        return tuple(self._words)


def _fold(word: str) -> str:
    return " ".join(word.lower().split())


BOOL = BoolType()
INT = IntType()
COUNT = IntType(minimum=0)
SIZE = SizeType()
OCTAL = OctalType()
STRING = StringType()
UPPER_STRING = UpperStringType()
CHAR = CharType()
WORDS = ListType()
COMMA_WORDS = ListType(", ")
PORTS = PortListType()
TRANSPORTS = TransportListType()


def one_of(*groups: str) -> EnumType[str]:
    """An enumeration from groups of words that mean the same, ``"no|off"``: the value is the first word."""
    return EnumType({word: group.split("|")[0] for group in groups for word in group.split("|")})

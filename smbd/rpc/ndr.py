"""NDR, the transfer syntax of DCE/RPC stubs ([C706] chapter 14, [MS-RPCE] 2.2.5): little-endian, 32-bit pointers.

Only what the services here need: scalars, unique pointers, conformant and varying arrays of fixed elements,
strings, and the few structures that every service shares (RPC_UNICODE_STRING, RPC_SID, context handles).

What a pointer inside a structure or an array points to comes after the whole structure. The writer keeps such
referents in a queue of functions; `NdrWriter.resolve` runs them, each with a queue of its own, which is just the
order that NDR prescribes.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from vfs.sid import Sid, SidError

_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_I32: Final = struct.Struct("<i")
_COUNTS: Final = struct.Struct("<III")  # maximum, offset, actual count of a conformant varying array

#: Size of a context handle ([C706] 14.2: ndr_context_handle): attributes and a GUID.
CONTEXT_HANDLE_SIZE: Final = 20
#: The first referent identifier, as Windows and Samba choose it; only being non-zero matters.
_FIRST_REFERENT: Final = 0x00020000
_SID_HEADER: Final = 8
_SID_ALIGNMENT: Final = 4

Referent: TypeAlias = Callable[[], None]


class NdrError(Exception):
    """The stub data of a peer are not what the operation takes."""


class NdrReader:
    """Reads stub data front to back; every length is checked against what is left."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._data) - self._at

    def align(self, size: int) -> None:
        """Skip padding up to a multiple of `size`."""
        self._at += -self._at % size

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises:
            NdrError: there are not so many left.
        """
        start, end = self._at, self._at + count
        if count < 0 or end > len(self._data):
            raise NdrError(f"{count} bytes wanted at {start} of {len(self._data)}")
        self._at = end
        return self._data[start:end]

    def u8(self) -> int:
        """Read an unsigned 8-bit integer."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Read an unsigned 16-bit integer (also an enumeration)."""
        self.align(2)
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        """Read an unsigned 32-bit integer."""
        self.align(4)
        return int.from_bytes(self.take(4), "little")

    def pointer(self) -> bool:
        """Read a unique pointer and tell whether it points to anything."""
        return self.u32() != 0

    def optional_u32(self) -> int | None:
        """Read a unique pointer parameter to a 32-bit integer."""
        return self.u32() if self.pointer() else None

    def conformance(self, element_size: int) -> int:
        """Read the element count of a conformant array, which must fit into what is left.

        Raises:
            NdrError: it does not.
        """
        count = self.u32()
        if count * element_size > self.left:
            raise NdrError(f"an array of {count} elements in {self.left} bytes")
        return count

    def wide_characters(self) -> str:
        """Read a conformant varying array of UTF-16 units, as it is.

        Raises:
            NdrError: its counts contradict each other.
        """
        maximum, offset, actual = self.u32(), self.u32(), self.u32()
        if offset or actual > maximum:
            raise NdrError("a string longer than its buffer, or not from its start")
        return codecs.utf_16_le_decode(self.take(actual * 2), "replace", True)[0]

    def string(self) -> str:
        """Read a ``[string] wchar_t *``: zero-terminated.

        Raises:
            NdrError: it is not.
        """
        text = self.wide_characters()
        if not text.endswith("\0"):
            raise NdrError("a string without its end")
        return text.partition("\0")[0]

    def optional_string(self) -> str | None:
        """Read a unique pointer parameter to a string."""
        return self.string() if self.pointer() else None

    def unicode_strings(self, count: int) -> list[str | None]:
        """Read the elements of an array of RPC_UNICODE_STRING ([MS-DTYP] 2.3.10) and what they point to.

        A null pointer is None.

        Raises:
            NdrError: a string has another length than it says.
        """
        heads = []
        for _ in range(count):
            self.align(4)
            length, _maximum = self.u16(), self.u16()
            heads.append((length, self.pointer()))
        texts: list[str | None] = []
        for length, present in heads:
            if not present and not length:
                texts.append(None)
                continue
            text = self.wide_characters() if present else ""
            if length % 2 or len(codecs.utf_16_le_encode(text, "surrogatepass")[0]) != length:
                raise NdrError("a string of another length than it says")
            texts.append(text.partition("\0")[0])
        return texts

    def sid(self) -> Sid:
        """Read an RPC_SID ([MS-DTYP] 2.4.2.3).

        Raises:
            NdrError: it is malformed.
        """
        count = self.conformance(4)
        raw = self.take(_SID_HEADER + 4 * count)
        try:
            return Sid(raw)
        except SidError as error:
            raise NdrError(str(error)) from error

    def context_handle(self) -> bytes:
        """Read a context handle."""
        self.align(4)
        return self.take(CONTEXT_HANDLE_SIZE)


class NdrWriter:
    """Writes stub data front to back."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._referent = _FIRST_REFERENT
        self._queue: list[Referent] = []

    def stub(self) -> bytes:
        """Return what was written; referents that were not resolved are missing."""
        return bytes(self._out)

    def align(self, size: int) -> None:
        """Pad to a multiple of `size`."""
        self._out += bytes(-len(self._out) % size)

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._out += data

    def u8(self, value: int) -> None:
        """Write an unsigned 8-bit integer."""
        self._out.append(value)

    def u16(self, value: int) -> None:
        """Write an unsigned 16-bit integer (also an enumeration)."""
        self.align(2)
        self._out += _U16.pack(value)

    def u32(self, value: int) -> None:
        """Write an unsigned 32-bit integer."""
        self.align(4)
        self._out += _U32.pack(value)

    def i32(self, value: int) -> None:
        """Write a signed 32-bit integer."""
        self.align(4)
        self._out += _I32.pack(value)

    def pointer(self, referent: Referent | None) -> None:
        """Write a unique pointer; what it points to is written by `resolve`."""
        if referent is None:
            self.u32(0)
            return
        self._referent += 4
        self.u32(self._referent)
        self._queue.append(referent)

    def resolve(self) -> None:
        """Write all referents that are due: at the end of every parameter of the operation."""
        queue, self._queue = self._queue, []
        for referent in queue:
            referent()
            self.resolve()

    def parameter(self, referent: Referent | None) -> None:
        """Write a unique pointer parameter with what it points to."""
        self.pointer(referent)
        self.resolve()

    def optional_u32(self, value: int | None) -> None:
        """Write a unique pointer parameter to a 32-bit integer."""
        self.parameter(None if value is None else lambda: self.u32(value))

    def array(self, elements: Sequence[Referent]) -> None:
        """Write a conformant array; the functions write the elements."""
        self.u32(len(elements))
        for write in elements:
            write()

    def byte_array(self, data: bytes) -> None:
        """Write a conformant array of bytes."""
        self.u32(len(data))
        self.raw(data)

    def string(self, text: str) -> None:
        """Write a zero-terminated ``[string] wchar_t`` array."""
        self._characters(codecs.utf_16_le_encode(text + "\0", "replace")[0])

    def string_pointer(self, text: str | None) -> None:
        """Write a unique pointer to a string."""
        self.pointer(None if text is None else lambda: self.string(text))

    def unicode_string(self, text: str | None) -> None:
        """Write an RPC_UNICODE_STRING; None is a null pointer, what is too long for one becomes empty."""
        data = codecs.utf_16_le_encode(text or "", "replace")[0]
        if len(data) > 0xFFFE:
            data = b""
        self.align(4)
        self.u16(len(data))
        self.u16(len(data))
        self.pointer(None if text is None else lambda: self._characters(data))

    def _characters(self, data: bytes) -> None:
        self.align(4)
        count = len(data) // 2
        self._out += _COUNTS.pack(count, 0, count)
        self._out += data

    def sid_pointer(self, sid: Sid | None) -> None:
        """Write a unique pointer to an RPC_SID."""
        self.pointer(None if sid is None else lambda: self._sid(sid))

    def _sid(self, sid: Sid) -> None:
        self.u32(sid[1])
        self.align(_SID_ALIGNMENT)
        self.raw(sid)

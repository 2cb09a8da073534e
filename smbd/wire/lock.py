"""LOCK, [MS-SMB2] 2.2.26 and 2.2.27."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, Buffer, check_body
from smbd.wire.errors import WireError

# StructureSize, LockCount, LockSequenceNumber (4 bits) | LockSequenceIndex (28 bits), FileId
_REQUEST: Final = struct.Struct("<HHIQQ")
_REQUEST_SIZE: Final = 48
_ELEMENT: Final = struct.Struct("<QQI4x")  # Offset, Length, Flags, Reserved
_RESPONSE: Final = struct.Struct("<H2x")  # StructureSize, Reserved
_RESPONSE_SIZE: Final = 4
_SEQUENCE_NUMBER_MASK: Final = 0xF
_SEQUENCE_INDEX_SHIFT: Final = 4


class LockElement(msgspec.Struct, gc=False):
    """SMB2_LOCK_ELEMENT, 2.2.26.1. Flags: SMB2_LOCKFLAG_*."""

    offset: int
    length: int
    flags: int = 0


class LockRequest(msgspec.Struct, gc=False):
    """SMB2 LOCK request, 2.2.26.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        locks: What to lock or unlock, at least one on a valid request.
        lock_sequence: LockSequenceNumber and LockSequenceIndex as they stand in one field.
    """

    file_id_persistent: int
    file_id_volatile: int
    locks: list[LockElement]
    lock_sequence: int = 0

    @property
    def lock_sequence_number(self) -> int:
        """Counts the uses of the index, for replay detection."""
        return self.lock_sequence & _SEQUENCE_NUMBER_MASK

    @property
    def lock_sequence_index(self) -> int:
        """Entry of Open.LockSequenceArray, from 1; 0 means none."""
        return self.lock_sequence >> _SEQUENCE_INDEX_SHIFT

    def pack(self) -> bytes:
        """Return the body."""
        fixed = _REQUEST.pack(
            _REQUEST_SIZE, len(self.locks), self.lock_sequence, self.file_id_persistent, self.file_id_volatile
        )
        return fixed + b"".join([_ELEMENT.pack(one.offset, one.length, one.flags) for one in self.locks])

    @classmethod
    def unpack(cls, pdu: Buffer) -> LockRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _REQUEST.size, _REQUEST_SIZE, "LOCK request")
        _, count, sequence, persistent, volatile = _REQUEST.unpack_from(pdu, BODY)
        begin = BODY + _REQUEST.size
        end = begin + count * _ELEMENT.size
        if end > len(pdu):
            raise WireError("LOCK elements outside of the message")
        locks = [LockElement(*fields) for fields in _ELEMENT.iter_unpack(pdu[begin:end])]
        return cls(persistent, volatile, locks, sequence)


class LockResponse(msgspec.Struct, gc=False):
    """SMB2 LOCK response, 2.2.27."""

    def pack(self) -> bytes:
        """Return the body."""
        return _RESPONSE.pack(_RESPONSE_SIZE)

    @classmethod
    def unpack(cls, pdu: Buffer) -> LockResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _RESPONSE.size, _RESPONSE_SIZE, "LOCK response")
        return cls()

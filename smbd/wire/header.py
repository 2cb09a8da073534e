"""The SMB2 packet header, [MS-SMB2] 2.2.1: 64 bytes before every message body."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer
from smbd.wire.constants import SMB2_FLAGS_ASYNC_COMMAND, SMB2_HEADER_SIZE, SMB2_PROCESS_ID, SMB2_PROTOCOL_ID
from smbd.wire.errors import WireError

# ProtocolId, StructureSize, CreditCharge, Status | (ChannelSequence, Reserved), Command,
# CreditRequest/CreditResponse, Flags, NextCommand, MessageId, (Reserved/ProcessId, TreeId) | AsyncId,
# SessionId, Signature.
HEADER: Final = struct.Struct("<4sHHIHHIIQIIQ16s")

#: The same as plain functions: a method of something imported costs a look-up and an object at each call.
pack_header_into: Final = HEADER.pack_into
unpack_header: Final = HEADER.unpack_from

_STRUCTURE_SIZE: Final = 64
NO_SIGNATURE: Final = bytes(16)


class Header(msgspec.Struct, gc=False):
    """One SMB2 header, sync or async ([MS-SMB2] 2.2.1.1 and 2.2.1.2).

    Attributes:
        credit_charge: Credits that the request uses up.
        status: NTSTATUS of a response; in a request of dialect 3.x the low half is the ChannelSequence.
        command: One of SMB2_NEGOTIATE .. SMB2_OPLOCK_BREAK.
        credits: CreditRequest of a request, CreditResponse of a response.
        flags: SMB2_FLAGS_*.
        next_command: Offset of the next message of a compound, 0 in the last one.
        message_id: Sequence number of the request.
        process_id: Reserved in a sync header; low half of the AsyncId in an async one.
        tree_id: The tree connect; high half of the AsyncId in an async header.
        session_id: The session.
        signature: 16 bytes, zero when SMB2_FLAGS_SIGNED is not set.
    """

    credit_charge: int = 0
    status: int = 0
    command: int = 0
    credits: int = 0
    flags: int = 0
    next_command: int = 0
    message_id: int = 0
    process_id: int = SMB2_PROCESS_ID
    tree_id: int = 0
    session_id: int = 0
    signature: bytes = NO_SIGNATURE

    @property
    def async_id(self) -> int:
        """The AsyncId; meaningful when `is_async`."""
        return self.process_id | self.tree_id << 32

    @async_id.setter
    def async_id(self, value: int) -> None:
        self.process_id = value & 0xFFFFFFFF
        self.tree_id = value >> 32

    @property
    def is_async(self) -> bool:
        """Whether the header is in the async format."""
        return bool(self.flags & SMB2_FLAGS_ASYNC_COMMAND)

    @property
    def channel_sequence(self) -> int:
        """ChannelSequence of a request (dialects 3.x)."""
        return self.status & 0xFFFF

    def pack(self) -> bytes:
        """Return the 64 bytes."""
        return HEADER.pack(
            SMB2_PROTOCOL_ID,
            _STRUCTURE_SIZE,
            self.credit_charge,
            self.status,
            self.command,
            self.credits,
            self.flags,
            self.next_command,
            self.message_id,
            self.process_id,
            self.tree_id,
            self.session_id,
            self.signature,
        )

    def pack_into(self, buffer: bytearray | memoryview, offset: int) -> None:
        """Write the 64 bytes at `offset` of a writable buffer, which must have the room."""
        HEADER.pack_into(
            buffer,
            offset,
            SMB2_PROTOCOL_ID,
            _STRUCTURE_SIZE,
            self.credit_charge,
            self.status,
            self.command,
            self.credits,
            self.flags,
            self.next_command,
            self.message_id,
            self.process_id,
            self.tree_id,
            self.session_id,
            self.signature,
        )

    @classmethod
    def unpack(cls, pdu: Buffer, offset: int = 0) -> Header:
        """Read the header at `offset` of `pdu`.

        Raises:
            WireError: It is too short, or not an SMB2 header.
        """
        if offset < 0 or len(pdu) - offset < SMB2_HEADER_SIZE:
            raise WireError("message shorter than an SMB2 header")
        fields = HEADER.unpack_from(pdu, offset)
        if fields[0] != SMB2_PROTOCOL_ID or fields[1] != _STRUCTURE_SIZE:
            raise WireError("not an SMB2 header")
        return cls(*fields[2:])

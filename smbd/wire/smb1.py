"""The one SMB1 message that is read: SMB_COM_NEGOTIATE, [MS-SMB2] 3.3.5.3, [MS-CIFS] 2.2.4.52."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer
from smbd.wire.constants import SMB1_PROTOCOL_ID, SMB2_DIALECT_2FF, SMB2_DIALECT_202, SMB2_DIALECT_NONE
from smbd.wire.errors import WireError

SMB_COM_NEGOTIATE: Final = 0x72
DIALECT_SMB_2_002: Final = "SMB 2.002"
DIALECT_SMB_2_XXX: Final = "SMB 2.???"

# Protocol, Command, Status, Flags, Flags2, PIDHigh, SecurityFeatures, Reserved, TID, PIDLow, UID, MID
_HEADER: Final = struct.Struct("<4sBIBHH8s2xHHHH")
_COUNTS: Final = struct.Struct("<BH")  # WordCount, ByteCount
_BUFFER_FORMAT: Final = 0x02
_FLAGS: Final = 0x18
_FLAGS2: Final = 0xC853  # long names, extended security, NT status, Unicode


class Smb1NegotiateRequest(msgspec.Struct, gc=False):
    """SMB_COM_NEGOTIATE request.

    Attributes:
        dialects: Dialect names offered, such as "NT LM 0.12".
        multiplex_id: MID of the header.
    """

    dialects: list[str]
    multiplex_id: int = 0

    def pack(self) -> bytes:
        """Return the whole message, header included."""
        header = _HEADER.pack(
            SMB1_PROTOCOL_ID,
            SMB_COM_NEGOTIATE,
            0,
            _FLAGS,
            _FLAGS2,
            0,
            bytes(8),
            0xFFFF,
            0xFEFF,
            0,
            self.multiplex_id,
        )
        names = b"".join(b"\x02" + name.encode("latin-1") + b"\0" for name in self.dialects)
        return header + _COUNTS.pack(0, len(names)) + names

    @classmethod
    def unpack(cls, message: Buffer) -> Smb1NegotiateRequest:
        """Read the whole message, header included.

        Raises:
            WireError: It is malformed, or another SMB1 message.
        """
        begin = _HEADER.size + _COUNTS.size
        if len(message) < begin:
            raise WireError("SMB1 negotiate too short")
        protocol, command, *_, mid = _HEADER.unpack_from(message)
        if protocol != SMB1_PROTOCOL_ID or command != SMB_COM_NEGOTIATE:
            raise WireError("not an SMB1 negotiate")
        words, count = _COUNTS.unpack_from(message, _HEADER.size)
        if words or begin + count > len(message):
            raise WireError("SMB1 negotiate broken")
        names = bytes(message[begin : begin + count])
        if names and not names.endswith(b"\0"):
            raise WireError("SMB1 dialect without end")
        dialects = []
        for name in names.split(b"\0")[:-1]:
            if not name or name[0] != _BUFFER_FORMAT:
                raise WireError("SMB1 dialect without its buffer format")
            dialects.append(name[1:].decode("latin-1"))
        return cls(dialects, mid)

    def smb2_dialect(self) -> int:
        """Return the dialect to answer with, 3.3.5.3.

        Returns:
            SMB2_DIALECT_2FF, SMB2_DIALECT_202, or SMB2_DIALECT_NONE if only SMB1 is offered.
        """
        if DIALECT_SMB_2_XXX in self.dialects:
            return SMB2_DIALECT_2FF
        if DIALECT_SMB_2_002 in self.dialects:
            return SMB2_DIALECT_202
        return SMB2_DIALECT_NONE

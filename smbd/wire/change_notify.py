"""CHANGE_NOTIFY, [MS-SMB2] 2.2.35 and 2.2.36. The entries are in `fscc.notify`."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, Buffer, check_body
from smbd.wire.output_buffer import OutputBufferResponse

# StructureSize, Flags, OutputBufferLength, FileId, CompletionFilter, Reserved
_REQUEST: Final = struct.Struct("<HHIQQI4x")
_REQUEST_SIZE: Final = 32


class ChangeNotifyRequest(msgspec.Struct, gc=False):
    """SMB2 CHANGE_NOTIFY request, 2.2.35.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        completion_filter: FILE_NOTIFY_CHANGE_*.
        output_buffer_length: Most bytes wanted.
        flags: SMB2_WATCH_TREE or 0.
    """

    file_id_persistent: int
    file_id_volatile: int
    completion_filter: int
    output_buffer_length: int = 0
    flags: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        return _REQUEST.pack(
            _REQUEST_SIZE,
            self.flags,
            self.output_buffer_length,
            self.file_id_persistent,
            self.file_id_volatile,
            self.completion_filter,
        )

    @classmethod
    def unpack(cls, pdu: Buffer) -> ChangeNotifyRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _REQUEST.size, _REQUEST_SIZE, "CHANGE_NOTIFY request")
        _, flags, wanted, persistent, volatile, completion_filter = _REQUEST.unpack_from(pdu, BODY)
        return cls(persistent, volatile, completion_filter, wanted, flags)


class ChangeNotifyResponse(OutputBufferResponse, gc=False):
    """SMB2 CHANGE_NOTIFY response, 2.2.36."""

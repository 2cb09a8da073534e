"""QUERY_DIRECTORY, [MS-SMB2] 2.2.33 and 2.2.34. The entries are in `fscc.directory`."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, EMPTY_DYNAMIC, Buffer, decode_utf16, encode_utf16, variable
from smbd.wire.errors import WireError
from smbd.wire.output_buffer import OutputBufferResponse

# StructureSize, FileInformationClass, Flags, FileIndex, FileId, FileNameOffset, FileNameLength,
# OutputBufferLength
_REQUEST: Final = struct.Struct("<HBBIQQHHI")
_REQUEST_SIZE: Final = 33
_REQUEST_DATA: Final = BODY + _REQUEST.size


class QueryDirectoryRequest(msgspec.Struct, gc=False):
    """SMB2 QUERY_DIRECTORY request, 2.2.33.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        file_information_class: Number of a directory information class.
        pattern: What to search for.
        output_buffer_length: Most bytes of entries wanted.
        flags: SMB2_RESTART_SCANS and the like.
        file_index: Where to go on, with SMB2_INDEX_SPECIFIED.
    """

    file_id_persistent: int
    file_id_volatile: int
    file_information_class: int
    pattern: str = ""
    output_buffer_length: int = 0
    flags: int = 0
    file_index: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        pattern = encode_utf16(self.pattern)
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.file_information_class,
            self.flags,
            self.file_index,
            self.file_id_persistent,
            self.file_id_volatile,
            _REQUEST_DATA if pattern else 0,
            len(pattern),
            self.output_buffer_length,
        )
        return fixed + (pattern or EMPTY_DYNAMIC)

    @classmethod
    def unpack(cls, pdu: Buffer) -> QueryDirectoryRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            size, info_class, flags, index, persistent, volatile, at, length, wanted = _REQUEST.unpack_from(pdu, BODY)
        except struct.error:
            raise WireError("QUERY_DIRECTORY request too short") from None
        if size != _REQUEST_SIZE:
            raise WireError("QUERY_DIRECTORY request: wrong StructureSize")
        pattern = decode_utf16(variable(pdu, at, length, _REQUEST_DATA, "QUERY_DIRECTORY pattern"))
        return cls(persistent, volatile, info_class, pattern, wanted, flags, index)


class QueryDirectoryResponse(OutputBufferResponse, gc=False):
    """SMB2 QUERY_DIRECTORY response, 2.2.34."""

"""CLOSE, [MS-SMB2] 2.2.15 and 2.2.16."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, Buffer
from smbd.wire.errors import WireError

_REQUEST: Final = struct.Struct("<HH4xQQ")  # StructureSize, Flags, Reserved, FileId
_REQUEST_SIZE: Final = 24
_unpack_request: Final = _REQUEST.unpack_from
# StructureSize, Flags, Reserved, CreationTime, LastAccessTime, LastWriteTime, ChangeTime, AllocationSize,
# EndofFile, FileAttributes
_RESPONSE: Final = struct.Struct("<HH4xQQQQQQI")
_RESPONSE_SIZE: Final = 60


class CloseRequest(msgspec.Struct, gc=False):
    """SMB2 CLOSE request, 2.2.15. Flags: SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB or 0."""

    file_id_persistent: int
    file_id_volatile: int
    flags: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        return _REQUEST.pack(_REQUEST_SIZE, self.flags, self.file_id_persistent, self.file_id_volatile)

    @classmethod
    def unpack(cls, pdu: Buffer) -> CloseRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        _, flags, persistent, volatile = unpack_request(pdu)
        return cls(persistent, volatile, flags)


def unpack_request(pdu: Buffer) -> tuple[int, int, int, int]:
    """Return StructureSize, Flags and FileId of a request, without making one.

    Raises:
        WireError: It is malformed.
    """
    try:
        fields: tuple[int, int, int, int] = _unpack_request(pdu, BODY)
    except struct.error:
        raise WireError("CLOSE request too short") from None
    if fields[0] != _REQUEST_SIZE:
        raise WireError("CLOSE request: wrong StructureSize")
    return fields


class CloseResponse(msgspec.Struct, gc=False):
    """SMB2 CLOSE response, 2.2.16; all zero unless SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB is set."""

    flags: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    allocation_size: int = 0
    end_of_file: int = 0
    file_attributes: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        return _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.flags,
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.allocation_size,
            self.end_of_file,
            self.file_attributes,
        )

    @classmethod
    def unpack(cls, pdu: Buffer) -> CloseResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            size, flags, creation, access, write, change, allocation, end_of_file, attributes = _RESPONSE.unpack_from(
                pdu, BODY
            )
        except struct.error:
            raise WireError("CLOSE response too short") from None
        if size != _RESPONSE_SIZE:
            raise WireError("CLOSE response: wrong StructureSize")
        return cls(flags, creation, access, write, change, allocation, end_of_file, attributes)

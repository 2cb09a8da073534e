"""QUERY_INFO, [MS-SMB2] 2.2.37 and 2.2.38."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, EMPTY_DYNAMIC, Buffer, variable
from smbd.wire.errors import WireError
from smbd.wire.output_buffer import OutputBufferResponse

# StructureSize, InfoType, FileInfoClass, OutputBufferLength, InputBufferOffset, Reserved,
# InputBufferLength, AdditionalInformation, Flags, FileId
_REQUEST: Final = struct.Struct("<HBBIH2xIIIQQ")
_REQUEST_SIZE: Final = 41
_REQUEST_DATA: Final = BODY + _REQUEST.size


class QueryInfoRequest(msgspec.Struct, gc=False):
    """SMB2 QUERY_INFO request, 2.2.37.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        info_type: SMB2_0_INFO_*.
        file_info_class: Number of a file or file system information class, else 0.
        output_buffer_length: Most bytes wanted.
        additional_information: Which parts of a security descriptor, or where to start with EAs.
        flags: SL_* for a list of EAs.
        input_data: Names of EAs, or a quota query.
    """

    file_id_persistent: int
    file_id_volatile: int
    info_type: int
    file_info_class: int = 0
    output_buffer_length: int = 0
    additional_information: int = 0
    flags: int = 0
    input_data: Buffer = b""

    def pack(self) -> bytes:
        """Return the body."""
        data = self.input_data
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.info_type,
            self.file_info_class,
            self.output_buffer_length,
            _REQUEST_DATA if data else 0,
            len(data),
            self.additional_information,
            self.flags,
            self.file_id_persistent,
            self.file_id_volatile,
        )
        return b"".join((fixed, data or EMPTY_DYNAMIC))

    @classmethod
    def unpack(cls, pdu: Buffer) -> QueryInfoRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        return cls(*unpack_query_info(pdu))


def unpack_query_info(pdu: Buffer) -> tuple[int, int, int, int, int, int, int, Buffer]:
    """Return the fields of a `QueryInfoRequest`, without making one.

    Raises:
        WireError: It is malformed.
    """
    try:
        size, info_type, info_class, wanted, at, length, additional, flags, persistent, volatile = (
            _REQUEST.unpack_from(pdu, BODY)
        )
    except struct.error:
        raise WireError("QUERY_INFO request too short") from None
    if size != _REQUEST_SIZE:
        raise WireError("QUERY_INFO request: wrong StructureSize")
    data = variable(pdu, at, length, _REQUEST_DATA, "QUERY_INFO input") if length else b""
    return persistent, volatile, info_type, info_class, wanted, additional, flags, data


class QueryInfoResponse(OutputBufferResponse, gc=False):
    """SMB2 QUERY_INFO response, 2.2.38."""

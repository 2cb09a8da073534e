"""SET_INFO, [MS-SMB2] 2.2.39 and 2.2.40."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, EMPTY_DYNAMIC, Buffer
from smbd.wire.errors import WireError

# StructureSize, InfoType, FileInfoClass, BufferLength, BufferOffset, Reserved, AdditionalInformation, FileId
_REQUEST: Final = struct.Struct("<HBBIH2xIQQ")
_REQUEST_SIZE: Final = 33
_REQUEST_DATA: Final = BODY + _REQUEST.size
_RESPONSE: Final = struct.Struct("<H")  # StructureSize
_RESPONSE_SIZE: Final = 2


class SetInfoRequest(msgspec.Struct, gc=False):
    """SMB2 SET_INFO request, 2.2.39.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        info_type: SMB2_0_INFO_*.
        file_info_class: Number of a file or file system information class, else 0.
        data: What to set.
        additional_information: Which parts of a security descriptor.
    """

    file_id_persistent: int
    file_id_volatile: int
    info_type: int
    file_info_class: int = 0
    data: Buffer = b""
    additional_information: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.info_type,
            self.file_info_class,
            len(self.data),
            _REQUEST_DATA,
            self.additional_information,
            self.file_id_persistent,
            self.file_id_volatile,
        )
        return b"".join((fixed, self.data or EMPTY_DYNAMIC))

    @classmethod
    def unpack(cls, pdu: Buffer) -> SetInfoRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        return cls(*unpack_set_info(pdu))


def unpack_set_info(pdu: Buffer) -> tuple[int, int, int, int, Buffer, int]:
    """Return the fields of a `SetInfoRequest`, without making one.

    Raises:
        WireError: It is malformed.
    """
    try:
        size, info_type, info_class, length, at, additional, persistent, volatile = _REQUEST.unpack_from(pdu, BODY)
    except struct.error:
        raise WireError("SET_INFO request too short") from None
    if size != _REQUEST_SIZE:
        raise WireError("SET_INFO request: wrong StructureSize")
    if length and not _REQUEST_DATA <= at <= len(pdu) - length:
        raise WireError("SET_INFO buffer outside of the message")
    return persistent, volatile, info_type, info_class, pdu[at : at + length], additional


class SetInfoResponse(msgspec.Struct, gc=False):
    """SMB2 SET_INFO response, 2.2.40."""

    def pack(self) -> bytes:
        """Return the body."""
        return _RESPONSE.pack(_RESPONSE_SIZE)

    @classmethod
    def unpack(cls, pdu: Buffer) -> SetInfoResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            (size,) = _RESPONSE.unpack_from(pdu, BODY)
        except struct.error:
            raise WireError("SET_INFO response too short") from None
        if size != _RESPONSE_SIZE:
            raise WireError("SET_INFO response: wrong StructureSize")
        return cls()

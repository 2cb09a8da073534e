"""READ and WRITE, [MS-SMB2] 2.2.19 to 2.2.22. Unpacking copies no data: they are slices."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, EMPTY_DYNAMIC, Buffer, variable
from smbd.wire.errors import WireError

# StructureSize, Padding, Flags, Length, Offset, FileId, MinimumCount, Channel, RemainingBytes,
# ReadChannelInfoOffset, ReadChannelInfoLength
_READ_REQUEST: Final = struct.Struct("<HBBIQQQIIIHH")
_READ_REQUEST_SIZE: Final = 49
_READ_REQUEST_DATA: Final = BODY + _READ_REQUEST.size
# StructureSize, DataOffset, Reserved, DataLength, DataRemaining, Flags
_READ_RESPONSE: Final = struct.Struct("<HBBIII")
_READ_RESPONSE_SIZE: Final = 17
READ_DATA_OFFSET: Final = BODY + _READ_RESPONSE.size  # from the start of the header
# StructureSize, DataOffset, Length, Offset, FileId, Channel, RemainingBytes, WriteChannelInfoOffset,
# WriteChannelInfoLength, Flags
_WRITE_REQUEST: Final = struct.Struct("<HHIQQQIIHHI")
_WRITE_REQUEST_SIZE: Final = 49
WRITE_DATA_OFFSET: Final = BODY + _WRITE_REQUEST.size
_WRITE_DATA_OFFSET_MAX: Final = 0x100  # 3.3.5.13: a server refuses what begins later
# StructureSize, Reserved, Count, Remaining, WriteChannelInfoOffset, WriteChannelInfoLength
_WRITE_RESPONSE: Final = struct.Struct("<HHIIHH")
_WRITE_RESPONSE_SIZE: Final = 17


class ReadRequest(msgspec.Struct, gc=False):
    """SMB2 READ request, 2.2.19.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        length: Bytes wanted.
        offset: Position in the file.
        minimum_count: Fewer bytes than these are an error.
        flags: SMB2_READFLAG_*.
        padding: Offset at which the client would like the data.
        channel: SMB2_CHANNEL_*.
        remaining_bytes: What the client means to read further.
        channel_info: Buffer descriptors of an RDMA channel.
    """

    file_id_persistent: int
    file_id_volatile: int
    length: int
    offset: int = 0
    minimum_count: int = 0
    flags: int = 0
    padding: int = READ_DATA_OFFSET
    channel: int = 0
    remaining_bytes: int = 0
    channel_info: Buffer = b""

    def pack(self) -> bytes:
        """Return the body."""
        info = self.channel_info
        fixed = _READ_REQUEST.pack(
            _READ_REQUEST_SIZE,
            self.padding,
            self.flags,
            self.length,
            self.offset,
            self.file_id_persistent,
            self.file_id_volatile,
            self.minimum_count,
            self.channel,
            self.remaining_bytes,
            _READ_REQUEST_DATA if info else 0,
            len(info),
        )
        return b"".join((fixed, info or EMPTY_DYNAMIC))

    @classmethod
    def unpack(cls, pdu: Buffer) -> ReadRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            (
                size,
                padding,
                flags,
                length,
                offset,
                persistent,
                volatile,
                minimum,
                channel,
                remaining,
                info_offset,
                info_length,
            ) = _READ_REQUEST.unpack_from(pdu, BODY)
        except struct.error:
            raise WireError("READ request too short") from None
        if size != _READ_REQUEST_SIZE:
            raise WireError("READ request: wrong StructureSize")
        if not info_length:
            return cls(persistent, volatile, length, offset, minimum, flags, padding, channel, remaining)
        info = variable(pdu, info_offset, info_length, _READ_REQUEST_DATA, "READ channel info")
        return cls(persistent, volatile, length, offset, minimum, flags, padding, channel, remaining, info)


class ReadResponse(msgspec.Struct, gc=False):
    """SMB2 READ response, 2.2.20.

    The server does not build one for plain data: it reads the file into its output buffer at
    `READ_DATA_OFFSET` and then calls `pack_read_response_into`.

    Attributes:
        data: The bytes read.
        data_remaining: Bytes sent through an RDMA channel.
        flags: SMB2_READFLAG_RESPONSE_*.
    """

    data: Buffer = b""
    data_remaining: int = 0
    flags: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        fixed = _READ_RESPONSE.pack(
            _READ_RESPONSE_SIZE, READ_DATA_OFFSET, 0, len(self.data), self.data_remaining, self.flags
        )
        return b"".join((fixed, self.data))

    @classmethod
    def unpack(cls, pdu: Buffer) -> ReadResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            size, offset, _, length, remaining, flags = _READ_RESPONSE.unpack_from(pdu, BODY)
        except struct.error:
            raise WireError("READ response too short") from None
        if size != _READ_RESPONSE_SIZE:
            raise WireError("READ response: wrong StructureSize")
        return cls(variable(pdu, offset, length, READ_DATA_OFFSET, "READ data"), remaining, flags)


def pack_read_response_into(buffer: bytearray | memoryview, start: int, data_length: int) -> int:
    """Write the fixed part of a READ response whose data lie in `buffer` already.

    Args:
        buffer: Output buffer.
        start: Where the message's header begins in it; the data are at ``start + READ_DATA_OFFSET``.
        data_length: Number of data bytes.

    Returns:
        Length of the whole message, header included.
    """
    _READ_RESPONSE.pack_into(buffer, start + BODY, _READ_RESPONSE_SIZE, READ_DATA_OFFSET, 0, data_length, 0, 0)
    return READ_DATA_OFFSET + data_length


class WriteRequest(msgspec.Struct, gc=False):
    """SMB2 WRITE request, 2.2.21.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        data: The bytes to write.
        offset: Position in the file.
        flags: SMB2_WRITEFLAG_*.
        channel: SMB2_CHANNEL_*.
        remaining_bytes: What the client means to write further; with RDMA the length.
        channel_info: Buffer descriptors of an RDMA channel.
    """

    file_id_persistent: int
    file_id_volatile: int
    data: Buffer = b""
    offset: int = 0
    flags: int = 0
    channel: int = 0
    remaining_bytes: int = 0
    channel_info: Buffer = b""

    def pack(self) -> bytes:
        """Return the body."""
        info = self.channel_info
        fixed = _WRITE_REQUEST.pack(
            _WRITE_REQUEST_SIZE,
            WRITE_DATA_OFFSET + len(info),
            len(self.data),
            self.offset,
            self.file_id_persistent,
            self.file_id_volatile,
            self.channel,
            self.remaining_bytes,
            WRITE_DATA_OFFSET if info else 0,
            len(info),
            self.flags,
        )
        if not info and not self.data:
            return fixed + EMPTY_DYNAMIC
        return b"".join((fixed, info, self.data))

    @classmethod
    def unpack(cls, pdu: Buffer) -> WriteRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            (
                size,
                data_offset,
                length,
                offset,
                persistent,
                volatile,
                channel,
                remaining,
                info_offset,
                info_length,
                flags,
            ) = _WRITE_REQUEST.unpack_from(pdu, BODY)
        except struct.error:
            raise WireError("WRITE request too short") from None
        if size != _WRITE_REQUEST_SIZE:
            raise WireError("WRITE request: wrong StructureSize")
        end = data_offset + length
        if length:
            if not WRITE_DATA_OFFSET <= data_offset <= _WRITE_DATA_OFFSET_MAX or end > len(pdu):
                raise WireError("WRITE data outside of the message")
            data = pdu[data_offset:end]
        else:
            data = b""
        if not info_length:
            return cls(persistent, volatile, data, offset, flags, channel, remaining)
        info = variable(pdu, info_offset, info_length, WRITE_DATA_OFFSET, "WRITE channel info")
        return cls(persistent, volatile, data, offset, flags, channel, remaining, info)


def pack_write_response(count: int) -> bytes:
    """Return the body of a WRITE response that says how many bytes were written."""
    return _WRITE_RESPONSE.pack(_WRITE_RESPONSE_SIZE, 0, count, 0, 0, 0)


class WriteResponse(msgspec.Struct, gc=False):
    """SMB2 WRITE response, 2.2.22. Remaining and the channel information are always zero."""

    count: int

    def pack(self) -> bytes:
        """Return the body."""
        return pack_write_response(self.count)

    @classmethod
    def unpack(cls, pdu: Buffer) -> WriteResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            size, _, count, _, _, _ = _WRITE_RESPONSE.unpack_from(pdu, BODY)
        except struct.error:
            raise WireError("WRITE response too short") from None
        if size != _WRITE_RESPONSE_SIZE:
            raise WireError("WRITE response: wrong StructureSize")
        return cls(count)

"""IOCTL, [MS-SMB2] 2.2.31 and 2.2.32. What goes in and comes out is in `fsctl`."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, EMPTY_DYNAMIC, Buffer, align8, check_body, variable
from smbd.wire.constants import SMB2_0_IOCTL_IS_FSCTL

# StructureSize, Reserved, CtlCode, FileId, InputOffset, InputCount, MaxInputResponse, OutputOffset,
# OutputCount, MaxOutputResponse, Flags, Reserved2
_REQUEST: Final = struct.Struct("<H2xIQQIIIIIII4x")
_REQUEST_SIZE: Final = 57
# StructureSize, Reserved, CtlCode, FileId, InputOffset, InputCount, OutputOffset, OutputCount, Flags,
# Reserved2
_RESPONSE: Final = struct.Struct("<H2xIQQIIIII4x")
_RESPONSE_SIZE: Final = 49


class IoctlRequest(msgspec.Struct, gc=False):
    """SMB2 IOCTL request, 2.2.31.

    Attributes:
        ctl_code: FSCTL_*.
        file_id_persistent: Durable half of the FileId; all ones where no file is meant.
        file_id_volatile: Volatile half of the FileId.
        input_data: Input buffer.
        max_output_response: Most bytes of output wanted.
        max_input_response: Most bytes of input wanted back.
        flags: SMB2_0_IOCTL_IS_FSCTL.
        output_data: Output buffer; clients send none.
    """

    ctl_code: int
    file_id_persistent: int
    file_id_volatile: int
    input_data: Buffer = b""
    max_output_response: int = 0
    max_input_response: int = 0
    flags: int = SMB2_0_IOCTL_IS_FSCTL
    output_data: Buffer = b""

    def pack(self) -> bytes:
        """Return the body."""
        begin = BODY + _REQUEST.size
        size_in = len(self.input_data)
        size_out = len(self.output_data)
        gap = align8(size_in) - size_in if size_out else 0
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.ctl_code,
            self.file_id_persistent,
            self.file_id_volatile,
            begin if size_in else 0,
            size_in,
            self.max_input_response,
            begin + size_in + gap if size_out else 0,
            size_out,
            self.max_output_response,
            self.flags,
        )
        if not size_in and not size_out:
            return fixed + EMPTY_DYNAMIC
        return b"".join((fixed, self.input_data, bytes(gap), self.output_data))

    @classmethod
    def unpack(cls, pdu: Buffer) -> IoctlRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _REQUEST.size, _REQUEST_SIZE, "IOCTL request")
        (
            _,
            code,
            persistent,
            volatile,
            input_offset,
            input_count,
            max_input,
            output_offset,
            output_count,
            max_output,
            flags,
        ) = _REQUEST.unpack_from(pdu, BODY)
        minimum = BODY + _REQUEST.size
        data_in = variable(pdu, input_offset, input_count, minimum, "IOCTL input")
        data_out = variable(pdu, output_offset, output_count, minimum, "IOCTL output")
        return cls(code, persistent, volatile, data_in, max_output, max_input, flags, data_out)


class IoctlResponse(msgspec.Struct, gc=False):
    """SMB2 IOCTL response, 2.2.32.

    Attributes:
        ctl_code: FSCTL_*, from the request.
        file_id_persistent: From the request.
        file_id_volatile: From the request.
        output_data: Output buffer.
        input_data: Input buffer; nearly always empty.
        flags: Reserved.
    """

    ctl_code: int
    file_id_persistent: int
    file_id_volatile: int
    output_data: Buffer = b""
    input_data: Buffer = b""
    flags: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        begin = BODY + _RESPONSE.size
        size_in = len(self.input_data)
        padded = align8(size_in)
        fixed = _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.ctl_code,
            self.file_id_persistent,
            self.file_id_volatile,
            begin,
            size_in,
            begin + padded,
            len(self.output_data),
            self.flags,
        )
        return b"".join((fixed, self.input_data, bytes(padded - size_in), self.output_data))

    @classmethod
    def unpack(cls, pdu: Buffer) -> IoctlResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _RESPONSE.size, _RESPONSE_SIZE, "IOCTL response")
        (
            _,
            code,
            persistent,
            volatile,
            input_offset,
            input_count,
            output_offset,
            output_count,
            flags,
        ) = _RESPONSE.unpack_from(pdu, BODY)
        minimum = BODY + _RESPONSE.size
        data_in = variable(pdu, input_offset, input_count, minimum, "IOCTL input")
        data_out = variable(pdu, output_offset, output_count, minimum, "IOCTL output")
        return cls(code, persistent, volatile, data_out, data_in, flags)

"""ERROR response and its contexts, [MS-SMB2] 2.2.2."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import ClassVar, Final

import msgspec

from smbd.wire.buffer import BODY, Buffer, align8, check_body, decode_utf16, encode_utf16
from smbd.wire.constants import (
    SMB2_ERROR_ID_SHARE_REDIRECT,
    SMB2_SYMLINK_ERROR_TAG,
    SYMLINK_FLAG_RELATIVE,
)
from smbd.wire.errors import WireError
from smbd.wire.fscc.reparse import IO_REPARSE_TAG_SYMLINK

_RESPONSE: Final = struct.Struct("<HBBI")  # StructureSize, ErrorContextCount, Reserved, ByteCount
_RESPONSE_SIZE: Final = 9
_NO_DATA: Final = _RESPONSE.pack(_RESPONSE_SIZE, 0, 0, 0) + b"\0"
_CONTEXT: Final = struct.Struct("<II")  # ErrorDataLength, ErrorId
# SymLinkLength, SymLinkErrorTag, ReparseTag, ReparseDataLength, UnparsedPathLength, SubstituteNameOffset,
# SubstituteNameLength, PrintNameOffset, PrintNameLength, Flags
_SYMLINK: Final = struct.Struct("<IIIHHHHHHI")
_SYMLINK_LENGTH_FIELD: Final = 4
_REPARSE_FIXED: Final = 12  # from SubstituteNameOffset to Flags
# StructureSize, NotificationType, ResourceNameOffset, ResourceNameLength, Reserved, TargetType,
# IPAddrCount; then the MOVE_DST_IPADDR structures and the resource name
_REDIRECT: Final = struct.Struct("<IIIIHHI")
_REDIRECT_TYPE: Final = 3
_MOVE_DST_IPADDR: Final = struct.Struct("<II16s")  # Type, Reserved, address (IPv4: the first four bytes)
_BUFFER_SIZE: Final = struct.Struct("<I")


class ErrorContext(msgspec.Struct, gc=False):
    """SMB2 ERROR Context response, 2.2.2.1: its id and its bytes."""

    error_id: int
    data: Buffer = b""


def pack_contexts(contexts: Iterable[ErrorContext]) -> bytes:
    """Return the ErrorData that consists of `contexts`."""
    data = bytearray()
    for context in contexts:
        data += bytes(align8(len(data)) - len(data))
        data += _CONTEXT.pack(len(context.data), context.error_id)
        data += context.data
    return bytes(data)


class ErrorResponse(msgspec.Struct, gc=False):
    """SMB2 ERROR response, 2.2.2.

    Attributes:
        data: ErrorData as the dialects before 3.1.1 have it. Ignored when there are contexts.
        contexts: Dialect 3.1.1: ErrorData is a list of these.
    """

    data: Buffer = b""
    contexts: list[ErrorContext] = []

    def pack(self) -> bytes:
        """Return the body; without data it still has one byte of ErrorData."""
        if self.contexts:
            data = pack_contexts(self.contexts)
            return _RESPONSE.pack(_RESPONSE_SIZE, len(self.contexts), 0, len(data)) + data
        if not self.data:
            return _NO_DATA
        return b"".join((_RESPONSE.pack(_RESPONSE_SIZE, 0, 0, len(self.data)), self.data))

    @classmethod
    def unpack(cls, pdu: Buffer) -> ErrorResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _RESPONSE.size, _RESPONSE_SIZE, "ERROR response")
        _, count, _, length = _RESPONSE.unpack_from(pdu, BODY)
        begin = BODY + _RESPONSE.size
        if begin + length > len(pdu):
            raise WireError("ErrorData outside of the message")
        data = pdu[begin : begin + length]
        if not count:
            return cls(data)
        contexts = []
        offset = 0
        for _ in range(count):
            if offset + _CONTEXT.size > length:
                raise WireError("error context outside of ErrorData")
            size, error_id = _CONTEXT.unpack_from(data, offset)
            offset += _CONTEXT.size
            if offset + size > length:
                raise WireError("error context data outside of ErrorData")
            contexts.append(ErrorContext(error_id, data[offset : offset + size]))
            offset = align8(offset + size)
        return cls(contexts=contexts)


def pack_required_buffer_size(size: int) -> bytes:
    """Return the ErrorData of STATUS_BUFFER_TOO_SMALL, 2.2.2.2: the size that would do."""
    return _BUFFER_SIZE.pack(size)


def unpack_required_buffer_size(data: Buffer) -> int:
    """Return the size in the ErrorData of STATUS_BUFFER_TOO_SMALL.

    Raises:
        WireError: It is malformed.
    """
    if len(data) < _BUFFER_SIZE.size:
        raise WireError("required buffer size too short")
    size: int = _BUFFER_SIZE.unpack_from(data)[0]
    return size


class SymbolicLinkError(msgspec.Struct, gc=False):
    """Symbolic Link Error response, 2.2.2.2.1: the ErrorData of STATUS_STOPPED_ON_SYMLINK.

    Attributes:
        unparsed_path_length: Bytes (in UTF-16) of the request's path behind the link.
        substitute_name: Target of the link.
        print_name: Target for people.
        flags: SYMLINK_FLAG_RELATIVE or 0.
    """

    unparsed_path_length: int
    substitute_name: str
    print_name: str = ""
    flags: int = SYMLINK_FLAG_RELATIVE

    def pack(self) -> bytes:
        """Return the ErrorData."""
        substitute = encode_utf16(self.substitute_name)
        display = encode_utf16(self.print_name)
        names = substitute + display
        fixed = _SYMLINK.pack(
            _SYMLINK.size - _SYMLINK_LENGTH_FIELD + len(names),
            SMB2_SYMLINK_ERROR_TAG,
            IO_REPARSE_TAG_SYMLINK,
            _REPARSE_FIXED + len(names),
            self.unparsed_path_length,
            0,
            len(substitute),
            len(substitute),
            len(display),
            self.flags,
        )
        return fixed + names

    @classmethod
    def unpack(cls, data: Buffer) -> SymbolicLinkError:
        """Read the ErrorData.

        Raises:
            WireError: It is malformed.
        """
        try:
            (
                length,
                error_tag,
                reparse_tag,
                reparse_length,
                unparsed,
                substitute_at,
                substitute_length,
                print_at,
                print_length,
                flags,
            ) = _SYMLINK.unpack_from(data)
        except struct.error:
            raise WireError("symbolic link error too short") from None
        names = data[_SYMLINK.size : _SYMLINK_LENGTH_FIELD + length]
        if (
            error_tag != SMB2_SYMLINK_ERROR_TAG
            or reparse_tag != IO_REPARSE_TAG_SYMLINK
            or reparse_length > len(names) + _REPARSE_FIXED
            or substitute_at + substitute_length > len(names)
            or print_at + print_length > len(names)
        ):
            raise WireError("symbolic link error broken")
        return cls(
            unparsed,
            decode_utf16(names[substitute_at : substitute_at + substitute_length]),
            decode_utf16(names[print_at : print_at + print_length]),
            flags,
        )


class MoveDestinationAddress(msgspec.Struct, gc=False):
    """MOVE_DST_IPADDR, 2.2.2.2.2.1: its type and 16 bytes, of which IPv4 uses the first four."""

    address_type: int
    address: bytes


class ShareRedirectError(msgspec.Struct, gc=False):
    """Share Redirect Error context response, 2.2.2.2.2.

    Attributes:
        resource_name: The share's name.
        addresses: Where it is to be found.
        target_type: TargetType.
    """

    error_id: ClassVar[int] = SMB2_ERROR_ID_SHARE_REDIRECT

    resource_name: str
    addresses: list[MoveDestinationAddress] = []
    target_type: int = 0

    def pack(self) -> bytes:
        """Return the context's data."""
        name = encode_utf16(self.resource_name)
        at = _REDIRECT.size + _MOVE_DST_IPADDR.size * len(self.addresses)
        parts = [
            _REDIRECT.pack(at + len(name), _REDIRECT_TYPE, at, len(name), 0, self.target_type, len(self.addresses))
        ]
        parts += (_MOVE_DST_IPADDR.pack(one.address_type, 0, one.address) for one in self.addresses)
        parts.append(name)
        return b"".join(parts)

    @classmethod
    def unpack(cls, data: Buffer) -> ShareRedirectError:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        try:
            size, kind, name_at, name_length, _, target_type, count = _REDIRECT.unpack_from(data)
        except struct.error:
            raise WireError("share redirect error too short") from None
        names_from = _REDIRECT.size + count * _MOVE_DST_IPADDR.size
        if (
            kind != _REDIRECT_TYPE
            or size > len(data)
            or names_from > size
            or name_at < names_from
            or name_at + name_length > size
        ):
            raise WireError("share redirect error broken")
        addresses = []
        for index in range(count):
            address_type, _, address = _MOVE_DST_IPADDR.unpack_from(
                data, _REDIRECT.size + index * _MOVE_DST_IPADDR.size
            )
            addresses.append(MoveDestinationAddress(address_type, address))
        return cls(decode_utf16(data[name_at : name_at + name_length]), addresses, target_type)

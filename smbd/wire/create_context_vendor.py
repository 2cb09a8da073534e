"""Create contexts that other documents define.

SVHDX is of [MS-RSVD] 2.2.4.12 and 2.2.4.32, POSIX of the SMB3 POSIX extensions, AAPL of Apple's published
SMB client.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Final

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.constants import SMB2_CREATE_TAG_AAPL, SMB2_CREATE_TAG_POSIX, SVHDX_OPEN_DEVICE_CONTEXT
from smbd.wire.dtyp import sid_length
from smbd.wire.errors import WireError
from smbd.wire.fixed import Fixed

AAPL_SERVER_QUERY: Final = 1
AAPL_RESOLVE_ID: Final = 2
# request and reply bitmap of a server query
AAPL_SERVER_CAPS: Final = 1
AAPL_VOLUME_CAPS: Final = 2
AAPL_MODEL_INFO: Final = 4
# server capabilities
AAPL_SUPPORTS_READ_DIR_ATTR: Final = 1
AAPL_SUPPORTS_OSX_COPYFILE: Final = 2
AAPL_UNIX_BASED: Final = 4
AAPL_SUPPORTS_NFS_ACE: Final = 8
# volume capabilities
AAPL_SUPPORT_RESOLVE_ID: Final = 1
AAPL_CASE_SENSITIVE: Final = 2
AAPL_SUPPORTS_FULL_SYNC: Final = 4

_AAPL_HEAD: Final = struct.Struct("<I4xQ")  # command code, reserved, reply bitmap
_U64: Final = struct.Struct("<Q")
_AAPL_MODEL: Final = struct.Struct("<4xI")  # padding, length in bytes
_AAPL_RESOLVED: Final = struct.Struct("<I4xII")  # command code, reserved, NTSTATUS, length in bytes
_POSIX_RESPONSE: Final = struct.Struct("<III")  # number of links, reparse tag, permissions


class SvhdxOpenDevice(Fixed, gc=False):
    """SVHDX_OPEN_DEVICE_CONTEXT, [MS-RSVD] 2.2.4.12; the host name is 126 bytes of UTF-16."""

    layout = struct.Struct("<I?3x16sIIQH126s")
    tag: ClassVar[bytes] = SVHDX_OPEN_DEVICE_CONTEXT

    version: int
    has_initiator_id: bool
    initiator_id: bytes
    flags: int
    originator_flags: int
    open_request_id: int
    initiator_host_name_length: int
    initiator_host_name: bytes


class SvhdxOpenDeviceV2(Fixed, gc=False):
    """SVHDX_OPEN_DEVICE_CONTEXT_V2, [MS-RSVD] 2.2.4.32."""

    layout = struct.Struct("<I?3x16sIIQH126sIIIIQ")
    tag: ClassVar[bytes] = SVHDX_OPEN_DEVICE_CONTEXT

    version: int
    has_initiator_id: bool
    initiator_id: bytes
    flags: int
    originator_flags: int
    open_request_id: int
    initiator_host_name_length: int
    initiator_host_name: bytes
    virtual_disk_properties_initialized: int
    server_service_version: int
    virtual_sector_size: int
    physical_sector_size: int
    virtual_size: int


class PosixRequest(Fixed, gc=False):
    """POSIX create context of a request: the mode of a new file."""

    layout = struct.Struct("<I")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_TAG_POSIX

    mode: int


class PosixResponse(msgspec.Struct, gc=False):
    """POSIX create context of a response; the SIDs are in their binary form."""

    number_of_links: int
    reparse_tag: int
    mode: int
    owner: Buffer
    group: Buffer

    def pack(self) -> bytes:
        """Return the context's data."""
        fixed = _POSIX_RESPONSE.pack(self.number_of_links, self.reparse_tag, self.mode)
        return b"".join((fixed, self.owner, self.group))

    @classmethod
    def unpack(cls, data: Buffer) -> PosixResponse:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        try:
            links, tag, mode = _POSIX_RESPONSE.unpack_from(data)
        except struct.error:
            raise WireError("POSIX create context too short") from None
        owner_at = _POSIX_RESPONSE.size
        group_at = owner_at + sid_length(data, owner_at)
        end = group_at + sid_length(data, group_at)
        return cls(links, tag, mode, data[owner_at:group_at], data[group_at:end])


class AaplQueryRequest(Fixed, gc=False):
    """AAPL server query: what the client asks for and what it can do."""

    layout = struct.Struct("<I4xQQ")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_TAG_AAPL

    request_bitmap: int
    client_capabilities: int = 0

    def pack(self) -> bytes:
        """Return the context's data."""
        return self.layout.pack(AAPL_SERVER_QUERY, self.request_bitmap, self.client_capabilities)

    @classmethod
    def unpack(cls, data: Buffer) -> AaplQueryRequest:
        """Read the context's data.

        Raises:
            WireError: It is not a server query.
        """
        if len(data) != cls.layout.size:
            raise WireError("AAPL server query of a wrong length")
        command, bitmap, capabilities = cls.layout.unpack(data)
        if command != AAPL_SERVER_QUERY:
            raise WireError("not an AAPL server query")
        return cls(bitmap, capabilities)


class AaplQueryResponse(msgspec.Struct, gc=False):
    """Answer to the AAPL server query: only what is not None is in it."""

    server_capabilities: int | None = None
    volume_capabilities: int | None = None
    model: str | None = None

    def pack(self) -> bytes:
        """Return the context's data."""
        bitmap = 0
        parts = [b""]
        if self.server_capabilities is not None:
            bitmap |= AAPL_SERVER_CAPS
            parts.append(_U64.pack(self.server_capabilities))
        if self.volume_capabilities is not None:
            bitmap |= AAPL_VOLUME_CAPS
            parts.append(_U64.pack(self.volume_capabilities))
        if self.model is not None:
            bitmap |= AAPL_MODEL_INFO
            model = encode_utf16(self.model)
            parts += (_AAPL_MODEL.pack(len(model)), model)
        parts[0] = _AAPL_HEAD.pack(AAPL_SERVER_QUERY, bitmap)
        return b"".join(parts)

    @classmethod
    def unpack(cls, data: Buffer) -> AaplQueryResponse:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        response = cls()
        try:
            command, bitmap = _AAPL_HEAD.unpack_from(data)
            if command != AAPL_SERVER_QUERY:
                raise WireError("not an AAPL server query")
            at = _AAPL_HEAD.size
            if bitmap & AAPL_SERVER_CAPS:
                response.server_capabilities = _U64.unpack_from(data, at)[0]
                at += _U64.size
            if bitmap & AAPL_VOLUME_CAPS:
                response.volume_capabilities = _U64.unpack_from(data, at)[0]
                at += _U64.size
            if bitmap & AAPL_MODEL_INFO:
                length = _AAPL_MODEL.unpack_from(data, at)[0]
                at += _AAPL_MODEL.size
                if at + length > len(data):
                    raise WireError("AAPL model outside of the context")
                response.model = decode_utf16(data[at : at + length])
        except struct.error:
            raise WireError("AAPL server query too short") from None
        return response


class AaplResolveIdRequest(Fixed, gc=False):
    """AAPL request for the path of a file id."""

    layout = struct.Struct("<I4xQ")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_TAG_AAPL

    file_id: int

    def pack(self) -> bytes:
        """Return the context's data."""
        return self.layout.pack(AAPL_RESOLVE_ID, self.file_id)

    @classmethod
    def unpack(cls, data: Buffer) -> AaplResolveIdRequest:
        """Read the context's data.

        Raises:
            WireError: It is not this request.
        """
        if len(data) != cls.layout.size:
            raise WireError("AAPL resolve id of a wrong length")
        command, file_id = cls.layout.unpack(data)
        if command != AAPL_RESOLVE_ID:
            raise WireError("not an AAPL resolve id")
        return cls(file_id)


class AaplResolveIdResponse(msgspec.Struct, gc=False):
    """Answer to AAPL resolve id: an NTSTATUS and the path."""

    status: int
    path: str = ""

    def pack(self) -> bytes:
        """Return the context's data."""
        path = encode_utf16(self.path)
        return _AAPL_RESOLVED.pack(AAPL_RESOLVE_ID, self.status, len(path)) + path

    @classmethod
    def unpack(cls, data: Buffer) -> AaplResolveIdResponse:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        try:
            command, status, length = _AAPL_RESOLVED.unpack_from(data)
        except struct.error:
            raise WireError("AAPL resolve id too short") from None
        end = _AAPL_RESOLVED.size + length
        if command != AAPL_RESOLVE_ID or end > len(data):
            raise WireError("AAPL resolve id broken")
        return cls(status, decode_utf16(data[_AAPL_RESOLVED.size : end]))

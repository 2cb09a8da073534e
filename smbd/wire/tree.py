"""TREE_CONNECT and TREE_DISCONNECT, [MS-SMB2] 2.2.9 to 2.2.12."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import (
    BODY,
    EMPTY_DYNAMIC,
    Buffer,
    align8,
    check_body,
    decode_utf16,
    encode_utf16,
    variable,
)
from smbd.wire.constants import SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT
from smbd.wire.errors import WireError

_REQUEST: Final = struct.Struct("<HHHH")  # StructureSize, Flags, PathOffset, PathLength
_REQUEST_SIZE: Final = 9
_EXTENSION: Final = struct.Struct("<IH10x")  # TreeConnectContextOffset, TreeConnectContextCount, Reserved
_CONTEXT: Final = struct.Struct("<HHI")  # ContextType, DataLength, Reserved
_RESPONSE: Final = struct.Struct("<HBBIII")  # StructureSize, ShareType, Reserved, ShareFlags, Capabilities,
_RESPONSE_SIZE: Final = 16  # MaximalAccess
_DISCONNECT: Final = struct.Struct("<HH")  # StructureSize, Reserved
_DISCONNECT_SIZE: Final = 4


class TreeConnectContext(msgspec.Struct, gc=False):
    """SMB2_TREE_CONNECT_CONTEXT, 2.2.9.2. The remoted identity it may carry is kept as bytes."""

    context_type: int
    data: Buffer = b""


class TreeConnectRequest(msgspec.Struct, gc=False):
    r"""SMB2 TREE_CONNECT request, 2.2.9.

    Attributes:
        path: ``\\server\share``.
        flags: SMB2_TREE_CONNECT_FLAG_* (dialect 3.1.1). With EXTENSION_PRESENT the extension of 2.2.9.1 is
            packed and read.
        contexts: Contexts of the extension.
    """

    path: str
    flags: int = 0
    contexts: list[TreeConnectContext] = []

    def pack(self) -> bytes:
        """Return the body."""
        path = encode_utf16(self.path)
        at = _REQUEST.size
        if self.flags & SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT:
            at += _EXTENSION.size
        out = bytearray(_REQUEST.pack(_REQUEST_SIZE, self.flags, BODY + at, len(path)))
        if self.flags & SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT:
            out += _EXTENSION.pack(align8(at + len(path)), len(self.contexts))
            out += path
            for context in self.contexts:
                out += bytes(align8(len(out)) - len(out))
                out += _CONTEXT.pack(context.context_type, len(context.data), 0)
                out += context.data
        else:
            out += path or EMPTY_DYNAMIC
        return bytes(out)

    @classmethod
    def unpack(cls, pdu: Buffer, *, extended: bool = True) -> TreeConnectRequest:
        """Read the message.

        Args:
            pdu: The message.
            extended: Whether the dialect is 3.1.1; before it the Flags field is reserved and reads as 0.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _REQUEST.size, _REQUEST_SIZE, "TREE_CONNECT request")
        _, flags, offset, length = _REQUEST.unpack_from(pdu, BODY)
        if not extended:
            flags = 0
        minimum = BODY + _REQUEST.size
        contexts: list[TreeConnectContext] = []
        if flags & SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT:
            if len(pdu) < minimum + _EXTENSION.size:
                raise WireError("TREE_CONNECT extension too short")
            # This offset alone counts from the start of the request structure, not of the header.
            context_offset, count = _EXTENSION.unpack_from(pdu, minimum)
            minimum += _EXTENSION.size
            contexts = _unpack_contexts(pdu, BODY + context_offset, count, minimum)
        path = decode_utf16(variable(pdu, offset, length, minimum, "TREE_CONNECT path"))
        return cls(path, flags, contexts)


def _unpack_contexts(pdu: Buffer, offset: int, count: int, minimum: int) -> list[TreeConnectContext]:
    contexts: list[TreeConnectContext] = []
    if count and offset < minimum:
        raise WireError("tree connect contexts overlap the fixed part")
    for _ in range(count):
        if offset + _CONTEXT.size > len(pdu):
            raise WireError("tree connect context outside of the message")
        context_type, length, _ = _CONTEXT.unpack_from(pdu, offset)
        offset += _CONTEXT.size
        if offset + length > len(pdu):
            raise WireError("tree connect context data outside of the message")
        contexts.append(TreeConnectContext(context_type, pdu[offset : offset + length]))
        offset = align8(offset + length)
    return contexts


class TreeConnectResponse(msgspec.Struct, gc=False):
    """SMB2 TREE_CONNECT response, 2.2.10.

    Attributes:
        share_type: SMB2_SHARE_TYPE_*.
        share_flags: SMB2_SHAREFLAG_*.
        capabilities: SMB2_SHARE_CAP_*.
        maximal_access: Access mask.
    """

    share_type: int
    share_flags: int = 0
    capabilities: int = 0
    maximal_access: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        return _RESPONSE.pack(
            _RESPONSE_SIZE, self.share_type, 0, self.share_flags, self.capabilities, self.maximal_access
        )

    @classmethod
    def unpack(cls, pdu: Buffer) -> TreeConnectResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _RESPONSE.size, _RESPONSE_SIZE, "TREE_CONNECT response")
        _, share_type, _, flags, capabilities, access = _RESPONSE.unpack_from(pdu, BODY)
        return cls(share_type, flags, capabilities, access)


class TreeDisconnectRequest(msgspec.Struct, gc=False):
    """SMB2 TREE_DISCONNECT request, 2.2.11."""

    def pack(self) -> bytes:
        """Return the body."""
        return _DISCONNECT.pack(_DISCONNECT_SIZE, 0)

    @classmethod
    def unpack(cls, pdu: Buffer) -> TreeDisconnectRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _DISCONNECT.size, _DISCONNECT_SIZE, "TREE_DISCONNECT request")
        return cls()


class TreeDisconnectResponse(msgspec.Struct, gc=False):
    """SMB2 TREE_DISCONNECT response, 2.2.12."""

    def pack(self) -> bytes:
        """Return the body."""
        return _DISCONNECT.pack(_DISCONNECT_SIZE, 0)

    @classmethod
    def unpack(cls, pdu: Buffer) -> TreeDisconnectResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _DISCONNECT.size, _DISCONNECT_SIZE, "TREE_DISCONNECT response")
        return cls()

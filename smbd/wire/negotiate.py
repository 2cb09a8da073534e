"""NEGOTIATE, [MS-SMB2] 2.2.3 and 2.2.4. The contexts of dialect 3.1.1 are in `negotiate_contexts`."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, Buffer, align8, check_body, variable
from smbd.wire.constants import SMB2_DIALECT_311
from smbd.wire.errors import WireError
from smbd.wire.negotiate_contexts import NegotiateContext, pack_contexts, unpack_contexts

# StructureSize, DialectCount, SecurityMode, Reserved, Capabilities, ClientGuid, ClientStartTime
_REQUEST: Final = struct.Struct("<HHHHI16sQ")
_REQUEST_SIZE: Final = 36
# What 3.1.1 puts in place of ClientStartTime: NegotiateContextOffset, NegotiateContextCount, Reserved2
_CONTEXT_REFERENCE: Final = struct.Struct("<IHH")
_CONTEXT_REFERENCE_AT: Final = BODY + 28

# StructureSize, SecurityMode, DialectRevision, NegotiateContextCount, ServerGuid, Capabilities,
# MaxTransactSize, MaxReadSize, MaxWriteSize, SystemTime, ServerStartTime, SecurityBufferOffset,
# SecurityBufferLength, NegotiateContextOffset
_RESPONSE: Final = struct.Struct("<HHHH16sIIIIQQHHI")
_RESPONSE_SIZE: Final = 65


class NegotiateRequest(msgspec.Struct, gc=False):
    """SMB2 NEGOTIATE request, 2.2.3.

    Attributes:
        dialects: Dialect revisions offered; with 3.1.1 among them the contexts are present.
        security_mode: SMB2_NEGOTIATE_SIGNING_*.
        capabilities: SMB2_GLOBAL_CAP_*.
        client_guid: 16 bytes.
        contexts: Negotiate contexts in the order of the message.
        client_start_time: Only without 3.1.1; clients send zero.
    """

    dialects: list[int]
    security_mode: int = 0
    capabilities: int = 0
    client_guid: bytes = bytes(16)
    contexts: list[NegotiateContext] = []
    client_start_time: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        dialects = struct.pack(f"<{len(self.dialects)}H", *self.dialects)
        last, tail = self.client_start_time, b""
        if SMB2_DIALECT_311 in self.dialects:
            end = _REQUEST_SIZE + len(dialects)
            offset = align8(end)
            tail = bytes(offset - end) + pack_contexts(self.contexts)
            last = BODY + offset | len(self.contexts) << 32
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            len(self.dialects),
            self.security_mode,
            0,
            self.capabilities,
            self.client_guid,
            last,
        )
        return fixed + dialects + tail

    @classmethod
    def unpack(cls, pdu: Buffer) -> NegotiateRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _REQUEST_SIZE, _REQUEST_SIZE, "NEGOTIATE request")
        _, count, mode, _, capabilities, guid, start_time = _REQUEST.unpack_from(pdu, BODY)
        begin = BODY + _REQUEST_SIZE
        if begin + 2 * count > len(pdu):
            raise WireError("NEGOTIATE dialects outside of the message")
        dialects = list(struct.unpack_from(f"<{count}H", pdu, begin))
        contexts: list[NegotiateContext] = []
        if SMB2_DIALECT_311 in dialects:
            offset, context_count, _ = _CONTEXT_REFERENCE.unpack_from(pdu, _CONTEXT_REFERENCE_AT)
            contexts = unpack_contexts(pdu, offset, context_count, begin + 2 * count)
            start_time = 0
        return cls(dialects, mode, capabilities, guid, contexts, start_time)


class NegotiateResponse(msgspec.Struct, gc=False):
    """SMB2 NEGOTIATE response, 2.2.4.

    Attributes:
        dialect: The dialect chosen, or SMB2_DIALECT_2FF.
        security_mode: SMB2_NEGOTIATE_SIGNING_*.
        server_guid: 16 bytes.
        capabilities: SMB2_GLOBAL_CAP_*.
        max_transact_size: Largest buffer of QUERY_INFO, QUERY_DIRECTORY, SET_INFO, IOCTL, CHANGE_NOTIFY.
        max_read_size: Largest READ.
        max_write_size: Largest WRITE.
        system_time: FILETIME.
        server_start_time: FILETIME; zero is right.
        security_buffer: The first GSS token.
        contexts: Negotiate contexts; in the message only with dialect 3.1.1.
    """

    dialect: int
    security_mode: int = 0
    server_guid: bytes = bytes(16)
    capabilities: int = 0
    max_transact_size: int = 0
    max_read_size: int = 0
    max_write_size: int = 0
    system_time: int = 0
    server_start_time: int = 0
    security_buffer: Buffer = b""
    contexts: list[NegotiateContext] = []

    def pack(self) -> bytes:
        """Return the body."""
        count = offset = 0
        tail = b""
        if self.dialect == SMB2_DIALECT_311:
            end = _RESPONSE.size + len(self.security_buffer)
            tail = bytes(align8(end) - end) + pack_contexts(self.contexts)
            count = len(self.contexts)
            offset = BODY + align8(end)
        fixed = _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.security_mode,
            self.dialect,
            count,
            self.server_guid,
            self.capabilities,
            self.max_transact_size,
            self.max_read_size,
            self.max_write_size,
            self.system_time,
            self.server_start_time,
            BODY + _RESPONSE.size,
            len(self.security_buffer),
            offset,
        )
        return b"".join((fixed, self.security_buffer, tail))

    @classmethod
    def unpack(cls, pdu: Buffer) -> NegotiateResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _RESPONSE.size, _RESPONSE_SIZE, "NEGOTIATE response")
        (
            _,
            mode,
            dialect,
            count,
            guid,
            capabilities,
            transact,
            read,
            write,
            now,
            started,
            at,
            length,
            contexts_at,
        ) = _RESPONSE.unpack_from(pdu, BODY)
        minimum = BODY + _RESPONSE.size
        token = variable(pdu, at, length, minimum, "NEGOTIATE security buffer")
        contexts = unpack_contexts(pdu, contexts_at, count, minimum) if dialect == SMB2_DIALECT_311 else []
        return cls(dialect, mode, guid, capabilities, transact, read, write, now, started, token, contexts)

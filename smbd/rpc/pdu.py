"""PDUs of connection-oriented DCE/RPC ([C706] 12.6, [MS-RPCE] 2.2.2): those that a server reads and writes."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

# Packet types ([C706] 12.6.4).
REQUEST: Final = 0
RESPONSE: Final = 2
FAULT: Final = 3
BIND: Final = 11
BIND_ACK: Final = 12
BIND_NAK: Final = 13
ALTER_CONTEXT: Final = 14
ALTER_CONTEXT_RESP: Final = 15
CO_CANCEL: Final = 18
ORPHANED: Final = 19

# pfc_flags ([C706] 12.6.3.1).
PFC_FIRST_FRAG: Final = 0x01
PFC_LAST_FRAG: Final = 0x02
PFC_DID_NOT_EXECUTE: Final = 0x20
PFC_OBJECT_UUID: Final = 0x80
_PFC_WHOLE: Final = PFC_FIRST_FRAG | PFC_LAST_FRAG

# Results of a presentation context ([C706] 12.6.3.1, [MS-RPCE] 2.2.2.4).
ACCEPTANCE: Final = 0
PROVIDER_REJECTION: Final = 2
NEGOTIATE_ACK: Final = 3
ABSTRACT_SYNTAX_NOT_SUPPORTED: Final = 1
PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED: Final = 2

# Reasons of a bind_nak ([C706] 12.6.3.1, [MS-RPCE] 2.2.2.5).
PROTOCOL_VERSION_NOT_SUPPORTED: Final = 4
AUTHENTICATION_TYPE_NOT_RECOGNIZED: Final = 8

VERSION: Final = 5
_DREP_LITTLE_ENDIAN: Final = 0x10
_DREP_INTEGER_MASK: Final = 0xF0
_DREP: Final = b"\x10\x00\x00\x00"

_HEADER: Final = struct.Struct("<BBBB4sHHI")
HEADER_SIZE: Final = _HEADER.size
_BIND: Final = struct.Struct("<HHIB3x")
_CONTEXT: Final = struct.Struct("<HBx16sI")
_SYNTAX: Final = struct.Struct("<16sI")
_RESULT: Final = struct.Struct("<HH16sI")
_REQUEST: Final = struct.Struct("<IHH")
_RESPONSE: Final = struct.Struct("<IHBx")
_FAULT: Final = struct.Struct("<IHBxI4x")
_OBJECT_SIZE: Final = 16

#: Bytes of a response or request PDU before the stub data.
RESPONSE_OVERHEAD: Final = HEADER_SIZE + _RESPONSE.size


class PduError(Exception):
    """Bytes that are no PDU, or not one of the kind its header says."""


class Header(NamedTuple):
    """The common header ([C706] 12.6.3.1)."""

    ptype: int
    flags: int
    frag_length: int
    auth_length: int
    call_id: int


class SyntaxId(NamedTuple):
    """p_syntax_id_t: an interface or a transfer syntax; the version is major + minor << 16."""

    identifier: bytes
    version: int

    @classmethod
    def of(cls, text: str, major: int, minor: int = 0) -> SyntaxId:
        """From the textual form of the UUID."""
        return cls(uuid.UUID(text).bytes_le, major | minor << 16)


class PresentationContext(NamedTuple):
    """p_cont_elem_t: an interface and the transfer syntaxes the client offers for it."""

    context_id: int
    abstract: SyntaxId
    transfers: list[SyntaxId]


class Bind(NamedTuple):
    """The body of bind and alter_context."""

    max_xmit_frag: int
    max_recv_frag: int
    assoc_group_id: int
    contexts: list[PresentationContext]


class ContextResult(NamedTuple):
    """p_result_t: what became of one presentation context."""

    result: int
    reason: int
    transfer: SyntaxId


class Request(NamedTuple):
    """The body of request: one fragment."""

    alloc_hint: int
    context_id: int
    opnum: int
    stub: bytes


NDR20: Final = SyntaxId.of("8a885d04-1ceb-11c9-9fe8-08002b104860", 2)
NO_SYNTAX: Final = SyntaxId(bytes(16), 0)
#: The first eight bytes of bind time feature negotiation ([MS-RPCE] 3.3.1.5.3); the others are the features.
_BIND_TIME_PREFIX: Final = uuid.UUID("6cb71c2c-9812-4540-0000-000000000000").bytes_le[:8]


def is_bind_time_negotiation(syntax: SyntaxId) -> bool:
    """Whether a transfer syntax is none, but asks for features."""
    return syntax.identifier.startswith(_BIND_TIME_PREFIX) and syntax.version == 1


def unpack_header(data: bytes | bytearray) -> Header:
    """Read the header of the PDU that `data` begins with.

    Raises:
        PduError: it is of another protocol version or byte order, or its lengths contradict each other.
    """
    major, _minor, ptype, flags, drep, frag_length, auth_length, call_id = _HEADER.unpack_from(data)
    if major != VERSION:
        raise PduError(f"version {major}")
    if drep[0] & _DREP_INTEGER_MASK != _DREP_LITTLE_ENDIAN:
        raise PduError("not little-endian")
    if frag_length < HEADER_SIZE + auth_length:
        raise PduError(f"{frag_length} bytes with {auth_length} of authentication")
    return Header(ptype, flags, frag_length, auth_length, call_id)


def unpack_bind(pdu: bytes) -> Bind:
    """Read a bind or alter_context without authentication.

    Raises:
        PduError: it is cut short.
    """
    try:
        max_xmit, max_recv, group, count = _BIND.unpack_from(pdu, HEADER_SIZE)
        at = HEADER_SIZE + _BIND.size
        contexts = []
        for _ in range(count):
            context_id, transfers, identifier, version = _CONTEXT.unpack_from(pdu, at)
            at += _CONTEXT.size
            offered = [SyntaxId(*_SYNTAX.unpack_from(pdu, at + i * _SYNTAX.size)) for i in range(transfers)]
            at += transfers * _SYNTAX.size
            contexts.append(PresentationContext(context_id, SyntaxId(identifier, version), offered))
    except struct.error as error:
        raise PduError("bind too short") from error
    return Bind(max_xmit, max_recv, group, contexts)


def unpack_request(pdu: bytes, flags: int) -> Request:
    """Read a request without authentication.

    Raises:
        PduError: it is cut short.
    """
    start = HEADER_SIZE + _REQUEST.size + (_OBJECT_SIZE if flags & PFC_OBJECT_UUID else 0)
    if len(pdu) < start:
        raise PduError("request too short")
    alloc_hint, context_id, opnum = _REQUEST.unpack_from(pdu, HEADER_SIZE)
    return Request(alloc_hint, context_id, opnum, pdu[start:])


def _pack(ptype: int, flags: int, call_id: int, body: bytes) -> bytes:
    return _HEADER.pack(VERSION, 0, ptype, flags, _DREP, HEADER_SIZE + len(body), 0, call_id) + body


def pack_bind_ack(
    ptype: int, call_id: int, max_frag: int, group: int, address: str, results: Sequence[ContextResult]
) -> bytes:
    """Return a bind_ack or an alter_context_resp."""
    port = address.encode("ascii") + b"\0" if address else b""
    body = struct.pack("<HHIH", max_frag, max_frag, group, len(port)) + port
    body += bytes(-len(body) % 4) + struct.pack("<B3x", len(results))
    for result, reason, transfer in results:
        body += _RESULT.pack(result, reason, *transfer)
    return _pack(ptype, _PFC_WHOLE, call_id, body)


def pack_bind_nak(call_id: int, reason: int) -> bytes:
    """Return a bind_nak, which also tells the one protocol version there is."""
    return _pack(BIND_NAK, _PFC_WHOLE, call_id, struct.pack("<HBBBx", reason, 1, VERSION, 0))


def pack_fault(call_id: int, context_id: int, status: int) -> bytes:
    """Return a fault."""
    return _pack(FAULT, _PFC_WHOLE | PFC_DID_NOT_EXECUTE, call_id, _FAULT.pack(0, context_id, 0, status))


def pack_response(call_id: int, context_id: int, stub: bytes, max_frag: int) -> Iterator[bytes]:
    """Return the fragments of a response, each at most `max_frag` long."""
    # Fragments carry a multiple of eight bytes, so that alignment does not depend on where they are cut.
    size = (max_frag - RESPONSE_OVERHEAD) // 8 * 8
    at, flags = 0, PFC_FIRST_FRAG
    while True:
        left = len(stub) - at
        if left <= size:
            flags |= PFC_LAST_FRAG
        yield _pack(RESPONSE, flags, call_id, _RESPONSE.pack(left, context_id, 0) + stub[at : at + size])
        if left <= size:
            return
        at += size
        flags = 0

"""The server's side of one connection of DCE/RPC ([C706] 12.6, [MS-RPCE] 3.3.1.5): bind, requests, faults.

Bytes of PDUs come in through `Association.feed` in whatever pieces the client wrote them; whole PDUs go out.
The peer is not trusted: what it may make the server keep is one fragment plus one request of `MAX_REQUEST` bytes.
Authentication is the business of SMB: bindings with a security provider of their own are refused.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from typing import Final

from smbd.rpc import pdu as wire
from smbd.rpc.errors import (
    FAULT_BAD_STUB_DATA,
    NCA_S_FAULT_REMOTE_NO_MEMORY,
    NCA_S_OP_RNG_ERROR,
    NCA_S_PROTO_ERROR,
    NCA_S_UNK_IF,
    RpcFault,
)
from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter
from smbd.rpc.service import Call, Service

_log = logging.getLogger(__name__)

#: The longest request, all fragments together; the longest sensible one, a lookup of many names, is shorter.
MAX_REQUEST: Final = 1024 * 1024
#: The longest fragment that is sent, as Samba and Windows have it, and the shortest one must send ([C706] 12.6.3.1).
MAX_FRAGMENT: Final = 5840
MIN_FRAGMENT: Final = 1432
#: Presentation contexts on one connection; clients bind two or three.
_MAX_CONTEXTS: Final = 256


class _Assembly:
    """A request of which not all fragments have come."""

    def __init__(self, call_id: int, context_id: int, opnum: int) -> None:
        self.call_id = call_id
        self.context_id = context_id
        self.opnum = opnum
        self.stub = bytearray()


class Association:
    """One client's conversation with the services of a pipe.

    Args:
        services: what can be bound to.
        address: the secondary address of a bind_ack: the pipe as the client names it.
        call: handed to each operation.

    Attributes:
        broken: the client violated the protocol: no more bytes are taken.
    """

    def __init__(self, services: Iterable[Service], address: str, call: Call) -> None:
        self._services = {service.syntax: service for service in services}
        self._address = address
        self._call = call
        self._buffer = bytearray()
        self._contexts: dict[int, Service] = {}
        self._max_fragment = 0
        self._group = 0
        self._assembly: _Assembly | None = None
        self.broken = False

    def feed(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Take bytes from the client and send the PDUs that answer them."""
        self._buffer += data
        while not self.broken and len(self._buffer) >= wire.HEADER_SIZE:
            try:
                header = wire.unpack_header(self._buffer)
            except wire.PduError as error:
                self._break(error, send)
                return
            if len(self._buffer) < header.frag_length:
                return
            pdu = bytes(self._buffer[: header.frag_length])
            del self._buffer[: header.frag_length]
            self._handle(header, pdu, send)

    def _break(self, error: Exception, send: Callable[[bytes], None], call_id: int = 0) -> None:
        """Answer a violation of the protocol, and end the conversation."""
        _log.info("%s from %s: %s", self._address, self._call.context.client_address, error)
        send(wire.pack_fault(call_id, 0, NCA_S_PROTO_ERROR))
        self.broken = True
        self._buffer.clear()
        self._assembly = None

    def _handle(self, header: wire.Header, pdu: bytes, send: Callable[[bytes], None]) -> None:
        try:
            match header.ptype:
                case wire.REQUEST:
                    self._request(header, pdu, send)
                case wire.BIND:
                    send(self._bind(header, pdu))
                case wire.ALTER_CONTEXT:
                    send(self._alter_context(header, pdu))
                case wire.CO_CANCEL:
                    pass  # Calls are answered as soon as they are complete: there is nothing to cancel.
                case wire.ORPHANED:
                    if self._assembly is not None and self._assembly.call_id == header.call_id:
                        self._assembly = None
                case _:
                    self._break(wire.PduError(f"packet type {header.ptype}"), send, header.call_id)
        except wire.PduError as error:
            self._break(error, send, header.call_id)

    # bind and alter_context

    def _bind(self, header: wire.Header, pdu: bytes) -> bytes:
        if self._max_fragment:
            raise wire.PduError("a second bind")
        if header.auth_length:
            self.broken = True
            return wire.pack_bind_nak(header.call_id, wire.AUTHENTICATION_TYPE_NOT_RECOGNIZED)
        bind = wire.unpack_bind(pdu)
        self._max_fragment = max(MIN_FRAGMENT, min(MAX_FRAGMENT, bind.max_xmit_frag, bind.max_recv_frag))
        self._group = bind.assoc_group_id or secrets.randbelow(0x7FFFFFFF) + 1
        return self._ack(wire.BIND_ACK, header, bind, self._address)

    def _alter_context(self, header: wire.Header, pdu: bytes) -> bytes:
        if not self._max_fragment:
            raise wire.PduError("alter_context before bind")
        if header.auth_length:
            raise wire.PduError("alter_context with authentication")
        # [C706] 12.6.4.2: the secondary address is left empty.
        return self._ack(wire.ALTER_CONTEXT_RESP, header, wire.unpack_bind(pdu), "")

    def _ack(self, ptype: int, header: wire.Header, bind: wire.Bind, address: str) -> bytes:
        if not bind.contexts:
            raise wire.PduError("no presentation context")
        results = [self._negotiate(context) for context in bind.contexts]
        return wire.pack_bind_ack(ptype, header.call_id, self._max_fragment, self._group, address, results)

    def _negotiate(self, context: wire.PresentationContext) -> wire.ContextResult:
        if len(context.transfers) == 1 and wire.is_bind_time_negotiation(context.transfers[0]):
            # None of the optional features is offered ([MS-RPCE] 3.3.1.5.3).
            return wire.ContextResult(wire.NEGOTIATE_ACK, 0, wire.NO_SYNTAX)
        service = self._services.get(context.abstract)
        if service is None or len(self._contexts) >= _MAX_CONTEXTS:
            return _rejected(wire.ABSTRACT_SYNTAX_NOT_SUPPORTED)
        if wire.NDR20 not in context.transfers:
            return _rejected(wire.PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED)
        self._contexts[context.context_id] = service
        return wire.ContextResult(wire.ACCEPTANCE, 0, wire.NDR20)

    # requests

    def _request(self, header: wire.Header, pdu: bytes, send: Callable[[bytes], None]) -> None:
        if header.auth_length:
            raise wire.PduError("request with authentication")
        fragment = wire.unpack_request(pdu, header.flags)
        if header.flags & wire.PFC_FIRST_FRAG:
            if self._assembly is not None or not self._max_fragment:
                raise wire.PduError("a request within another, or before bind")
            self._assembly = _Assembly(header.call_id, fragment.context_id, fragment.opnum)
        assembly = self._assembly
        if assembly is None or assembly.call_id != header.call_id:
            raise wire.PduError("a fragment of an unknown request")
        if len(assembly.stub) + len(fragment.stub) > MAX_REQUEST:
            send(wire.pack_fault(header.call_id, assembly.context_id, NCA_S_FAULT_REMOTE_NO_MEMORY))
            self._assembly = None
            self.broken = True
            return
        assembly.stub += fragment.stub
        if header.flags & wire.PFC_LAST_FRAG:
            self._assembly = None
            self._answer(assembly, send)

    def _answer(self, request: _Assembly, send: Callable[[bytes], None]) -> None:
        try:
            stub = self._execute(request)
        except NdrError as error:
            _log.info("%s opnum %d: %s", self._address, request.opnum, error)
            send(wire.pack_fault(request.call_id, request.context_id, FAULT_BAD_STUB_DATA))
        except RpcFault as fault:
            _log.info("%s opnum %d: %s", self._address, request.opnum, fault)
            send(wire.pack_fault(request.call_id, request.context_id, fault.status))
        else:
            for fragment in wire.pack_response(request.call_id, request.context_id, stub, self._max_fragment):
                send(fragment)

    def _execute(self, request: _Assembly) -> bytes:
        service = self._contexts.get(request.context_id)
        if service is None:
            raise RpcFault(NCA_S_UNK_IF, f"presentation context {request.context_id} was not accepted")
        operation = service.operations.get(request.opnum)
        if operation is None:
            raise RpcFault(NCA_S_OP_RNG_ERROR, f"{service.name} has no operation {request.opnum}")
        writer = NdrWriter()
        operation(self._call, NdrReader(bytes(request.stub)), writer)
        return writer.stub()


def _rejected(reason: int) -> wire.ContextResult:
    return wire.ContextResult(wire.PROVIDER_REJECTION, reason, wire.NO_SYNTAX)

"""Bind, fragments and faults, by PDUs made by hand."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbd.rpc import pdu, srvsvc
from smbd.rpc.association import MAX_REQUEST, Association
from smbd.rpc.errors import (
    FAULT_BAD_STUB_DATA,
    NCA_S_FAULT_REMOTE_NO_MEMORY,
    NCA_S_OP_RNG_ERROR,
    NCA_S_PROTO_ERROR,
    NCA_S_UNK_IF,
)
from smbd.rpc.ndr import NdrReader, NdrWriter
from smbd.rpc.service import Call, Service
from tests.unit.rpc.environment import Environment, message
from vfs.ntstatus import STATUS_PIPE_BUSY, STATUS_PIPE_DISCONNECTED, STATUS_PIPE_EMPTY, NTStatusError

WHOLE = pdu.PFC_FIRST_FRAG | pdu.PFC_LAST_FRAG
NDR64 = pdu.SyntaxId.of("71710533-beba-4937-8319-b5dbef9ccc36", 1)
FEATURES = pdu.SyntaxId.of("6cb71c2c-9812-4540-0300-000000000000", 1)
SRVSVC = srvsvc.SERVICE.syntax
UNKNOWN = pdu.SyntaxId.of("00000000-1111-2222-3333-444444444444", 1)


def make(ptype: int, body: bytes, *, flags: int = WHOLE, call_id: int = 1, auth: int = 0, drep: int = 0x10) -> bytes:
    return struct.pack("<BBBBB3xHHI", 5, 0, ptype, flags, drep, 16 + len(body), auth, call_id) + body


def bind(
    *contexts: tuple[int, pdu.SyntaxId, pdu.SyntaxId], ptype: int = pdu.BIND, frag: int = 4280, **more: int
) -> bytes:
    body = struct.pack("<HHIB3x", frag, frag, 0, len(contexts))
    for context_id, abstract, transfer in contexts:
        body += struct.pack("<HBx", context_id, 1)
        body += abstract.identifier + struct.pack("<I", abstract.version)
        body += transfer.identifier + struct.pack("<I", transfer.version)
    return make(ptype, body, **more)


def request(opnum: int, stub: bytes = b"", context_id: int = 0, **more: int) -> bytes:
    return make(pdu.REQUEST, struct.pack("<IHH", len(stub), context_id, opnum) + stub, **more)


def results(ack: bytes) -> list[tuple[int, int]]:
    length = struct.unpack_from("<H", ack, 24)[0]
    at = 26 + length
    at += -at % 4
    return [struct.unpack_from("<HH", ack, at + 4 + 24 * i) for i in range(ack[at])]


def fault_status(answer: bytes) -> int:
    assert answer[2] == pdu.FAULT
    return int(struct.unpack_from("<I", answer, 24)[0])


def test_contexts_are_accepted_one_by_one(rpc: Environment) -> None:
    pipe = rpc.pipe("srvsvc")
    pipe.write(bind((0, SRVSVC, pdu.NDR20), (1, SRVSVC, NDR64), (2, SRVSVC, FEATURES), (3, UNKNOWN, pdu.NDR20)))
    ack = message(pipe)
    assert ack[2] == pdu.BIND_ACK
    assert struct.unpack_from("<HH", ack, 16) == (4280, 4280)
    assert b"\\PIPE\\srvsvc\0" in ack
    assert results(ack) == [(0, 0), (2, 2), (3, 0), (2, 1)]


def test_alter_context_adds_a_context(rpc: Environment) -> None:
    pipe = rpc.pipe("srvsvc")
    pipe.write(bind((0, UNKNOWN, pdu.NDR20)))
    message(pipe)
    pipe.write(request(28, bytes(4)))
    assert fault_status(message(pipe)) == NCA_S_UNK_IF
    pipe.write(bind((0, SRVSVC, pdu.NDR20), ptype=pdu.ALTER_CONTEXT))
    answer = message(pipe)
    assert (answer[2], results(answer)) == (pdu.ALTER_CONTEXT_RESP, [(0, 0)])
    pipe.write(request(28, bytes(4)))
    assert message(pipe)[2] == pdu.RESPONSE


def test_a_security_provider_of_its_own_is_refused(rpc: Environment) -> None:
    pipe = rpc.pipe("srvsvc")
    pipe.write(bind((0, SRVSVC, pdu.NDR20), auth=8))
    nak = message(pipe)
    assert nak[2] == pdu.BIND_NAK
    assert struct.unpack_from("<H", nak, 16)[0] == pdu.AUTHENTICATION_TYPE_NOT_RECOGNIZED
    with pytest.raises(NTStatusError) as caught:
        pipe.write(b"more")
    assert caught.value.status == STATUS_PIPE_DISCONNECTED


def test_unknown_operation_and_bad_stub(rpc: Environment) -> None:
    pipe = rpc.pipe("srvsvc")
    pipe.write(bind((0, SRVSVC, pdu.NDR20)))
    message(pipe)
    pipe.write(request(200))
    assert fault_status(message(pipe)) == NCA_S_OP_RNG_ERROR
    pipe.write(request(15, b"\1"))
    assert fault_status(message(pipe)) == FAULT_BAD_STUB_DATA
    assert pipe.available() == 0


@pytest.mark.parametrize(
    "data",
    [
        request(28, bytes(4)),  # before bind
        bind(),  # no context
        bind((0, SRVSVC, pdu.NDR20)) * 2,
        bind((0, SRVSVC, pdu.NDR20), ptype=pdu.ALTER_CONTEXT),
        bind((0, SRVSVC, pdu.NDR20))[:60].replace(struct.pack("<H", 72), struct.pack("<H", 60), 1),
        bind((0, SRVSVC, pdu.NDR20)) + request(28, flags=0),  # a fragment of nothing
        bind((0, SRVSVC, pdu.NDR20)) + request(28, flags=1) + request(28, flags=1),
        bind((0, SRVSVC, pdu.NDR20)) + request(28, flags=1) + request(28, flags=2, call_id=2),
        bind((0, SRVSVC, pdu.NDR20)) + request(28, auth=1),
        bind((0, SRVSVC, pdu.NDR20), drep=0),
        make(99, b""),
        b"\4" + make(pdu.BIND, b"")[1:],
        make(pdu.BIND, b"", auth=60000),
    ],
)
def test_violations_end_the_conversation(rpc: Environment, data: bytes) -> None:
    pipe = rpc.pipe("srvsvc")
    pipe.write(data)
    answer = b""
    while pipe.available():
        answer = message(pipe)
    assert fault_status(answer) == NCA_S_PROTO_ERROR
    with pytest.raises(NTStatusError) as caught:
        pipe.read(10)
    assert caught.value.status == STATUS_PIPE_DISCONNECTED


def echo(_call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    writer.raw(reader.take(reader.left))


def association(rpc: Environment) -> Association:
    service = Service("echo", UNKNOWN, {0: echo})
    return Association([service], "\\PIPE\\echo", Call(rpc.context, rpc.session(), None))  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [1, 7, 100000])
def test_fragments_both_ways(rpc: Environment, step: int) -> None:
    stub = bytes(range(256)) * 40
    stream = bind((0, UNKNOWN, pdu.NDR20), frag=2000)
    for at in range(0, len(stub), 1000):
        flags = (at == 0) | (2 if at + 1000 >= len(stub) else 0)
        stream += request(0, stub[at : at + 1000], flags=flags, call_id=9)
    sent: list[bytes] = []
    peer = association(rpc)
    for at in range(0, len(stream), step):
        peer.feed(stream[at : at + step], sent.append)
    answers = sent[1:]
    assert [len(one) <= 2000 for one in answers] == [True] * 6
    assert [one[3] for one in answers] == [1, 0, 0, 0, 0, 2]
    assert b"".join(one[24:] for one in answers) == stub


def test_requests_have_a_limit(rpc: Environment) -> None:
    sent: list[bytes] = []
    peer = association(rpc)
    peer.feed(bind((0, UNKNOWN, pdu.NDR20)), sent.append)
    flags = pdu.PFC_FIRST_FRAG
    for _ in range(MAX_REQUEST // 60000 + 1):
        peer.feed(request(0, bytes(60000), flags=flags), sent.append)
        flags = 0
    assert fault_status(sent[-1]) == NCA_S_FAULT_REMOTE_NO_MEMORY
    assert peer.broken


def test_orphaned_and_cancel(rpc: Environment) -> None:
    sent: list[bytes] = []
    peer = association(rpc)
    peer.feed(bind((0, UNKNOWN, pdu.NDR20)), sent.append)
    peer.feed(request(0, b"old", flags=pdu.PFC_FIRST_FRAG), sent.append)
    peer.feed(make(pdu.CO_CANCEL, b"") + make(pdu.ORPHANED, b""), sent.append)
    peer.feed(request(0, b"new", call_id=2), sent.append)
    assert sent[-1][24:] == b"new"


@given(st.lists(st.binary(max_size=80), max_size=5), st.booleans())
def test_any_bytes_are_survived(data: list[bytes], after_bind: bool) -> None:
    sent: list[bytes] = []
    peer = Association([srvsvc.SERVICE], "x", Call(_NoContext, None, None))  # type: ignore[arg-type]
    if after_bind:
        peer.feed(bind((0, SRVSVC, pdu.NDR20)), sent.append)
        data = [request(28, one) for one in data]
    for one in data:
        peer.feed(one, sent.append)


class _NoContext:
    client_address = "nowhere"


def test_messages_are_read_one_by_one(rpc: Environment) -> None:
    pipe = rpc.pipe("\\PIPE\\SrvSvc")
    with pytest.raises(NTStatusError) as caught:
        pipe.read(100)
    assert caught.value.status == STATUS_PIPE_EMPTY
    pipe.write(bind((0, SRVSVC, pdu.NDR20)) + request(200))
    state, available, count, first = pipe.peek()
    assert (state, available, count) == (3, first + 32, 2)
    assert len(message(pipe)) == first
    assert pipe.available() == 32
    pipe.close()
    assert pipe.peek() == (3, 0, 0, 0)


def test_readers_wait_for_an_answer(rpc: Environment) -> None:
    pipe = rpc.pipe("srvsvc")
    early, given_up = pipe.readable(), pipe.readable()
    given_up.cancel()
    assert not early.done
    pipe.write(bind((0, SRVSVC, pdu.NDR20)))
    assert early.done
    assert pipe.readable().done
    message(pipe)
    late = pipe.readable()
    pipe.close()
    assert late.done


def test_a_client_that_never_reads_is_cut_off(rpc: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smbd.rpc.pipe.MAX_UNREAD", 1000)
    pipe = rpc.pipe("srvsvc")
    with pytest.raises(NTStatusError) as caught:
        pipe.write(bind((0, SRVSVC, pdu.NDR20)) + request(200) * 1000)
    assert caught.value.status == STATUS_PIPE_BUSY
    assert pipe.available() < 1100
    with pytest.raises(NTStatusError) as caught:
        pipe.write(request(200))
    assert caught.value.status == STATUS_PIPE_DISCONNECTED

"""Byte-exact vectors, written field by field from the layouts of [MS-SMB2] 2.2."""

from __future__ import annotations

import pytest

from smbd.wire.buffer import encode_utf16
from smbd.wire.change_notify import ChangeNotifyRequest, ChangeNotifyResponse
from smbd.wire.close import CloseRequest, CloseResponse
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.create_contexts import LeaseContext, LeaseContextV2, MaximalAccessResponse, unpack_lease
from smbd.wire.echo import EchoRequest
from smbd.wire.error import (
    ErrorContext,
    ErrorResponse,
    SymbolicLinkError,
    pack_required_buffer_size,
    unpack_required_buffer_size,
)
from smbd.wire.errors import WireError
from smbd.wire.header import Header
from smbd.wire.ioctl import IoctlRequest, IoctlResponse
from smbd.wire.lock import LockElement, LockRequest
from smbd.wire.negotiate import NegotiateRequest, NegotiateResponse
from smbd.wire.negotiate_contexts import EncryptionCapabilities, NegotiateContext, PreauthIntegrityCapabilities
from smbd.wire.oplock_break import (
    LeaseBreakAcknowledgment,
    LeaseBreakNotification,
    LeaseBreakResponse,
    OplockBreakAcknowledgment,
    OplockBreakNotification,
    OplockBreakResponse,
    unpack_break_acknowledgment,
    unpack_break_notification,
    unpack_break_response,
)
from smbd.wire.query_directory import QueryDirectoryRequest
from smbd.wire.query_info import QueryInfoRequest, QueryInfoResponse
from smbd.wire.read_write import (
    READ_DATA_OFFSET,
    ReadRequest,
    ReadResponse,
    WriteRequest,
    WriteResponse,
    pack_read_response_into,
)
from smbd.wire.session import LogoffRequest, SessionSetupRequest, SessionSetupResponse
from smbd.wire.set_info import SetInfoRequest, SetInfoResponse
from smbd.wire.smb1 import Smb1NegotiateRequest
from smbd.wire.transform import TransformHeader
from smbd.wire.tree import TreeConnectContext, TreeConnectRequest, TreeConnectResponse

P, V = 0x1111111111111111, 0x2222222222222222
FILE_ID = "1111111111111111 2222222222222222"
KEY = b"K" * 16
KEY_HEX = "4b" * 16

VECTORS = [
    (
        NegotiateRequest([0x0202, 0x0210], 1, 0x7F, KEY),
        "2400 0200 0100 0000 7f000000" + KEY_HEX + "0000000000000000 0202 1002",
    ),
    (
        NegotiateRequest([0x0300, 0x0311], 1, 0, KEY, [NegotiateContext(2, b"\1\0\2\0"), NegotiateContext(8, b"")]),
        # contexts at 64 + 36 + 4 = 104 = 0x68, two of them, the second on a multiple of 8
        "2400 0200 0100 0000 00000000" + KEY_HEX + "68000000 0200 0000 0003 1103"
        "0200 0400 00000000 01000200 00000000 0800 0000 00000000",
    ),
    (
        NegotiateResponse(0x0311, 1, KEY, 7, 8, 9, 10, 11, 12, b"tok", [NegotiateContext(1, b"x")]),
        "4100 0100 1103 0100" + KEY_HEX + "07000000 08000000 09000000 0a000000 0b00000000000000 0c00000000000000"
        "8000 0300 88000000 746f6b 0000000000 0100 0100 00000000 78",
    ),
    (
        SessionSetupRequest(b"tok", 1, 2, 3, 5),
        "1900 01 02 03000000 00000000 5800 0300 0500000000000000 746f6b",
    ),
    (SessionSetupRequest(), "1900 00 00 00000000 00000000 5800 0000 0000000000000000 00"),
    (SessionSetupResponse(b"tok", 4), "0900 0400 4800 0300 746f6b"),
    (LogoffRequest(), "0400 0000"),
    (TreeConnectRequest("\\\\s\\x"), "0900 0000 4800 0a00 5c00 5c00 7300 5c00 7800"),
    (
        TreeConnectRequest("\\\\s\\x", 4, [TreeConnectContext(1, b"id")]),
        # path at 64 + 8 + 16; context at 8 + 16 + 10, rounded up to 40, from the start of the request
        "0900 0400 5800 0a00 28000000 0100"
        + "00" * 10
        + "5c00 5c00 7300 5c00 7800"
        + "00" * 6
        + "0100 0200 00000000 6964",
    ),
    (TreeConnectResponse(1, 0x30, 8, 0x1F01FF), "1000 01 00 30000000 08000000 ff011f00"),
    (
        CreateRequest("ab", 0x12019F, 0x80, 7, 1, 0x40, 9),
        (
            "3900 00 09 02000000 0000000000000000 0000000000000000 9f011200 80000000 07000000 01000000 40000000"
            "7800 0400 00000000 00000000 6100 6200"
        ),
    ),
    (
        CreateRequest("ab", contexts={b"MxAc": b"", b"QFid": b""}),
        (
            "3900 00 00 02000000 0000000000000000 0000000000000000 00000000 00000000 00000000 00000000 00000000"
            # name at 120, padded to 8; contexts at 128, 24 bytes each
            "7800 0400 80000000 30000000 6100 6200 00000000"
            "18000000 1000 0400 0000 0000 00000000 4d784163 00000000"
            "00000000 1000 0400 0000 0000 00000000 51466964 00000000"
        ),
    ),
    (
        CreateResponse(P, V, 1, 0xFF, 2, 3, 4, 5, 6, 7, 8, {b"MxAc": b"\0\0\0\0\xff\1\x1f\0"}),
        "5900 ff 00 01000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000"
        "0600000000000000 0700000000000000 08000000 00000000" + FILE_ID + "98000000 20000000"
        "00000000 1000 0400 0000 1800 08000000 4d784163 00000000 00000000 ff011f00",
    ),
    (CloseRequest(P, V, 1), "1800 0100 00000000" + FILE_ID),
    (
        CloseResponse(1, 2, 3, 4, 5, 6, 7, 8),
        (
            "3c00 0100 00000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000"
            "0600000000000000 0700000000000000 08000000"
        ),
    ),
    (
        ReadRequest(P, V, 0x1000, 0x2000, 1),
        "3100 50 00 00100000 0020000000000000" + FILE_ID + "01000000 00000000 00000000 0000 0000 00",
    ),
    (ReadResponse(b"data"), "1100 50 00 04000000 00000000 00000000 64617461"),
    (
        WriteRequest(P, V, b"data", 0x2000, 1),
        "3100 7000 04000000 0020000000000000" + FILE_ID + "00000000 00000000 0000 0000 01000000 64617461",
    ),
    (WriteResponse(4), "1100 0000 04000000 00000000 0000 0000"),
    (
        LockRequest(P, V, [LockElement(1, 2, 0x11)], 0x21),
        "3000 0100 21000000" + FILE_ID + "0100000000000000 0200000000000000 11000000 00000000",
    ),
    (
        IoctlRequest(0x11C017, P, V, b"rpc", 0x400),
        "3900 0000 17c01100" + FILE_ID + "78000000 03000000 00000000 00000000 00000000 00040000 01000000 00000000"
        "727063",
    ),
    (
        IoctlResponse(0x11C017, P, V, b"rpc"),
        "3100 0000 17c01100" + FILE_ID + "70000000 00000000 70000000 03000000 00000000 00000000 727063",
    ),
    (
        QueryDirectoryRequest(P, V, 37, "*", 0x10000, 1),
        "2100 25 01 00000000" + FILE_ID + "6000 0200 00000100 2a00",
    ),
    (ChangeNotifyRequest(P, V, 0x17, 0x400, 1), "2000 0100 00040000" + FILE_ID + "17000000 00000000"),
    (ChangeNotifyResponse(b"x"), "0900 4800 01000000 78"),
    (
        QueryInfoRequest(P, V, 1, 18, 0x400),
        "2900 01 12 00040000 0000 0000 00000000 00000000 00000000" + FILE_ID + "00",
    ),
    (QueryInfoResponse(b"xy"), "0900 4800 02000000 7879"),
    (SetInfoRequest(P, V, 1, 20, b"12345678"), "2100 01 14 08000000 6000 0000 00000000" + FILE_ID + "3132333435363738"),
    (SetInfoResponse(), "0200"),
    (EchoRequest(), "0400 0000"),
    (ErrorResponse(), "0900 00 00 00000000 00"),
    (
        ErrorResponse(contexts=[ErrorContext(0, b"ab"), ErrorContext(1, b"")]),
        "0900 02 00 18000000 02000000 00000000 6162 000000000000 00000000 01000000",
    ),
    (OplockBreakNotification(P, V, 1), "1800 01 00 00000000" + FILE_ID),
    (
        LeaseBreakNotification(KEY, 7, 3, 1, 2),
        "2c00 0200 01000000" + KEY_HEX + "07000000 03000000 00000000 00000000 00000000",
    ),
    (LeaseBreakAcknowledgment(KEY, 3), "2400 0000 00000000" + KEY_HEX + "03000000 0000000000000000"),
]


@pytest.mark.parametrize(("message", "expected"), VECTORS, ids=lambda value: type(value).__name__)
def test_vector(message, expected):
    packed = message.pack()
    assert packed.hex() == expected.replace(" ", "")
    assert type(message).unpack(Header().pack() + packed) == message


def test_header():
    header = Header(1, 0xC0000022, 5, 2, 9, 0x70, 3, 0xFEFF, 4, 6, KEY)
    expected = (
        "fe534d42 4000 0100 220000c0 0500 0200 09000000 70000000 0300000000000000 fffe0000 04000000"
        "0600000000000000" + KEY_HEX
    )
    assert header.pack().hex() == expected.replace(" ", "")
    assert Header.unpack(header.pack()) == header
    out = bytearray(70)
    header.pack_into(out, 6)
    assert out[6:] == header.pack()
    assert Header.unpack(out, 6) == header


def test_async_header():
    header = Header(flags=2)
    header.async_id = 0x123456789ABCDEF0
    assert header.is_async
    assert (header.process_id, header.tree_id) == (0x9ABCDEF0, 0x12345678)
    assert header.async_id == 0x123456789ABCDEF0


@pytest.mark.parametrize("damage", [(0, 0xFF), (4, 65)])
def test_header_refused(damage):
    raw = bytearray(Header().pack())
    raw[damage[0]] = damage[1]
    with pytest.raises(WireError):
        Header.unpack(raw)


def test_transform_header():
    header = TransformHeader(KEY, b"N" * 16, 100, 7)
    assert header.pack().hex() == ("fd534d42" + KEY_HEX + "4e" * 16 + "64000000 0000 0100 0700000000000000").replace(
        " ", ""
    )


def test_read_response_in_place():
    out = bytearray(READ_DATA_OFFSET + 5)
    out[READ_DATA_OFFSET:] = b"hello"
    assert pack_read_response_into(out, 0, 5) == len(out)
    assert ReadResponse.unpack(memoryview(out)).data == b"hello"


def test_data_are_slices():
    pdu = bytearray(Header().pack() + WriteRequest(P, V, b"data").pack())
    data = WriteRequest.unpack(memoryview(pdu)).data
    pdu[-1] = ord("!")
    assert data == b"dat!"


@pytest.mark.parametrize("data_offset", [0, 111, 0x101, 0xFFFF])
def test_write_data_offset_refused(data_offset):
    raw = bytearray(Header().pack() + WriteRequest(P, V, b"x" * 400).pack())
    raw[66:68] = data_offset.to_bytes(2, "little")
    with pytest.raises(WireError):
        WriteRequest.unpack(raw)


def test_reconnect_flags_only_in_311():
    raw = Header().pack() + bytearray.fromhex("0900040048000200 6100")
    assert TreeConnectRequest.unpack(raw, extended=False) == TreeConnectRequest("a")
    with pytest.raises(WireError):
        TreeConnectRequest.unpack(raw)


def test_create_context_chain():
    request = CreateRequest("x", contexts={b"RqLs": LeaseContextV2(KEY, 7).pack(), b"MxAc": b"", b"n" * 16: b"data"})
    again = CreateRequest.unpack(memoryview(Header().pack() + request.pack()))
    assert list(again.contexts) == [b"RqLs", b"MxAc", b"n" * 16]
    assert unpack_lease(again.contexts[b"RqLs"]) == LeaseContextV2(KEY, 7)
    assert unpack_lease(LeaseContext(KEY, 1).pack()) == LeaseContext(KEY, 1)
    with pytest.raises(WireError):
        unpack_lease(b"short")
    with pytest.raises(WireError):
        MaximalAccessResponse.unpack(bytes(9))


def test_first_of_equal_create_contexts_counts():
    raw = bytearray(Header().pack() + CreateRequest("x", contexts={b"AlSi": b"a" * 8, b"AlSj": b"b" * 8}).pack())
    raw[raw.index(b"AlSj") + 3] = ord("i")
    assert CreateRequest.unpack(raw).contexts == {b"AlSi": b"a" * 8}


def test_create_context_link_that_stands_still():
    raw = bytearray(Header().pack() + CreateRequest("x", contexts={b"AlSi": b"", b"MxAc": b""}).pack())
    at = raw.index(b"AlSi") - 16
    for step in (4, 8, 12, 0x10000, 0xFFFFFFF8):
        raw[at : at + 4] = step.to_bytes(4, "little")
        with pytest.raises(WireError):
            CreateRequest.unpack(raw)


def test_lone_surrogates_survive():
    request = CreateRequest("a\ud800b\\\udfff")
    assert CreateRequest.unpack(Header().pack() + request.pack()).name == request.name
    assert encode_utf16("\ud800") == b"\x00\xd8"


def test_odd_name_refused():
    raw = bytearray(Header().pack() + CreateRequest("abc").pack())
    raw[64 + 46] = 5
    with pytest.raises(WireError):
        CreateRequest.unpack(raw)


def test_breaks_told_apart():
    head = Header().pack()
    for unpack, messages in (
        (unpack_break_notification, (OplockBreakNotification(P, V, 1), LeaseBreakNotification(KEY, 3, 1))),
        (unpack_break_acknowledgment, (OplockBreakAcknowledgment(P, V, 1), LeaseBreakAcknowledgment(KEY, 1))),
        (unpack_break_response, (OplockBreakResponse(P, V, 1), LeaseBreakResponse(KEY, 1))),
    ):
        for message in messages:
            again = unpack(head + message.pack())
            assert type(again) is type(message)
            assert again == message
        with pytest.raises(WireError):
            unpack(head)


def test_typed_negotiate_contexts():
    assert PreauthIntegrityCapabilities([1], b"salt").pack().hex() == "010004000100" + b"salt".hex()
    assert EncryptionCapabilities.unpack(bytes.fromhex("020001000200")).ciphers == [1, 2]
    with pytest.raises(WireError):
        EncryptionCapabilities.unpack(bytes.fromhex("0300010002"))


def test_symbolic_link_error():
    packed = SymbolicLinkError(6, "t", "p", 1).pack()
    expected = "1c000000 53594d4c 0c0000a0 1000 0600 0000 0200 0200 0200 01000000 7400 7000"
    assert packed.hex() == expected.replace(" ", "")


def test_required_buffer_size():
    assert unpack_required_buffer_size(pack_required_buffer_size(77)) == 77
    with pytest.raises(WireError):
        unpack_required_buffer_size(b"")


@pytest.mark.parametrize(
    ("dialects", "answer"),
    [
        (["NT LM 0.12"], 0),
        (["NT LM 0.12", "SMB 2.002"], 0x0202),
        (["NT LM 0.12", "SMB 2.002", "SMB 2.???"], 0x02FF),
        ([], 0),
    ],
)
def test_multi_protocol_negotiate(dialects, answer):
    request = Smb1NegotiateRequest.unpack(Smb1NegotiateRequest(dialects).pack())
    assert request.dialects == dialects
    assert request.smb2_dialect() == answer

"""The same messages through other implementations: what they encode is read, what is encoded they read."""

from __future__ import annotations

import uuid

import pytest

from smbd.wire import create, negotiate, query_info, read_write, session, tree
from smbd.wire.close import CloseRequest
from smbd.wire.create_contexts import LeaseContext, LeaseContextV2
from smbd.wire.header import Header
from smbd.wire.negotiate_contexts import PreauthIntegrityCapabilities

impacket = pytest.importorskip("impacket.smb3structs")
pytest.importorskip("smbprotocol")

GUID = bytes(range(16))
HEAD = Header().pack()


def test_impacket_reads_headers():
    ours = Header(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, b"s" * 16)
    theirs = impacket.SMB2Packet(ours.pack())
    assert theirs["CreditCharge"] == 1
    assert theirs["Status"] == 2
    assert theirs["Command"] == 3
    assert theirs["CreditRequestResponse"] == 4
    assert theirs["Flags"] == 5
    assert theirs["MessageID"] == 7
    assert theirs["TreeID"] == 9
    assert theirs["SessionID"] == 10
    assert theirs["Signature"] == b"s" * 16


def test_impacket_create_request():
    theirs = impacket.SMB2Create()
    theirs["RequestedOplockLevel"] = 9
    theirs["ImpersonationLevel"] = 2
    theirs["DesiredAccess"] = 0x12019F
    theirs["FileAttributes"] = 0x80
    theirs["ShareAccess"] = 7
    theirs["CreateDisposition"] = 1
    theirs["CreateOptions"] = 0x40
    theirs["NameLength"] = 6
    theirs["Buffer"] = "abc".encode("utf-16-le")
    ours = create.CreateRequest.unpack(HEAD + theirs.getData())
    assert ours == create.CreateRequest("abc", 0x12019F, 0x80, 7, 1, 0x40, 9)


def test_impacket_reads_create_response():
    ours = create.CreateResponse(1, 2, 3, 9, 4, 5, 6, 7, 8, 9, 0x80)
    theirs = impacket.SMB2Create_Response(ours.pack())
    assert theirs["FileID"]["Persistent"] == 1
    assert theirs["FileID"]["Volatile"] == 2
    assert theirs["CreateAction"] == 3
    assert theirs["EndOfFile"] == 9
    assert theirs["FileAttributes"] == 0x80


def test_impacket_read_and_write():
    theirs = impacket.SMB2Write()
    theirs["FileID"] = b"\1" * 8 + b"\2" * 8
    theirs["Offset"] = 77
    theirs["Length"] = 4
    theirs["Buffer"] = b"data"
    ours = read_write.WriteRequest.unpack(HEAD + theirs.getData())
    assert (ours.offset, ours.data) == (77, b"data")
    assert ours.file_id_persistent == 0x0101010101010101
    answer = impacket.SMB2Read_Response(read_write.ReadResponse(b"data").pack())
    assert answer["DataOffset"] == 80
    assert answer["Buffer"] == b"data"


def test_smbprotocol_create_with_contexts():
    from smbprotocol import create_contexts
    from smbprotocol import open as smb_open

    theirs = smb_open.SMB2CreateRequest()
    theirs["impersonation_level"] = 2
    theirs["desired_access"] = 1
    theirs["create_disposition"] = 1
    theirs["buffer_path"] = "dir\\file".encode("utf-16-le")
    lease = create_contexts.SMB2CreateRequestLease()
    lease["lease_key"] = GUID
    lease["lease_state"] = 7
    context = create_contexts.SMB2CreateContextRequest()
    context["buffer_name"] = create_contexts.CreateContextName.SMB2_CREATE_REQUEST_LEASE
    context["buffer_data"] = lease
    maximal = create_contexts.SMB2CreateContextRequest()
    maximal["buffer_name"] = create_contexts.CreateContextName.SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST
    theirs["buffer_contexts"] = create_contexts.SMB2CreateContextRequest.pack_multiple([context, maximal])
    ours = create.CreateRequest.unpack(HEAD + theirs.pack())
    assert ours.name == "dir\\file"
    assert ours.contexts[b"RqLs"] == LeaseContext(GUID, 7).pack()
    assert ours.contexts[b"MxAc"] == b""


def test_smbprotocol_reads_create_response():
    from smbprotocol import create_contexts
    from smbprotocol import open as smb_open

    ours = create.CreateResponse(1, 2, 1, 0xFF, contexts={b"RqLs": LeaseContextV2(GUID, 7, epoch=3).pack()})
    theirs = smb_open.SMB2CreateResponse()
    theirs.unpack(ours.pack())
    (context,) = theirs["buffer"].get_value()
    lease = create_contexts.SMB2CreateResponseLeaseV2()
    lease.unpack(context["buffer_data"].get_value())
    assert lease["epoch"].get_value() == 3


def test_smbprotocol_negotiate():
    from smbprotocol import connection

    theirs = connection.SMB3NegotiateRequest()
    theirs["dialect_count"] = 2
    theirs["dialects"] = [0x0302, 0x0311]
    theirs["security_mode"] = 1
    theirs["client_guid"] = uuid.UUID(bytes=GUID)
    salt = connection.SMB2PreauthIntegrityCapabilities()
    salt["hash_algorithms"] = [1]
    salt["salt"] = b"s" * 32
    context = connection.SMB2NegotiateContextRequest()
    context["context_type"] = 1
    context["data"] = salt
    theirs["negotiate_context_list"] = [context]
    ours = negotiate.NegotiateRequest.unpack(HEAD + theirs.pack())
    assert ours.dialects == [0x0302, 0x0311]
    assert ours.client_guid == GUID
    assert PreauthIntegrityCapabilities.unpack(ours.contexts[0].data) == PreauthIntegrityCapabilities([1], b"s" * 32)

    answer = connection.SMB2NegotiateResponse()
    answer.unpack(
        negotiate.NegotiateResponse(
            0x0311, 1, GUID, 7, 8, 9, 10, security_buffer=b"token", contexts=ours.contexts
        ).pack()
    )
    assert answer["buffer"].get_value() == b"token"
    assert answer["max_write_size"].get_value() == 10
    assert answer["negotiate_context_list"][0]["data"]["salt"].get_value() == b"s" * 32


def test_smbprotocol_small_messages():
    from smbprotocol import open as smb_open
    from smbprotocol import session as smb_session
    from smbprotocol import tree as smb_tree

    setup = smb_session.SMB2SessionSetupRequest()
    setup["security_mode"] = 1
    setup["buffer"] = b"token"
    assert session.SessionSetupRequest.unpack(HEAD + setup.pack()) == session.SessionSetupRequest(b"token", 0, 1)

    connect = smb_tree.SMB2TreeConnectRequest()
    connect["buffer"] = "\\\\srv\\share".encode("utf-16-le")
    assert tree.TreeConnectRequest.unpack(HEAD + connect.pack()).path == "\\\\srv\\share"

    close = smb_open.SMB2CloseRequest()
    close["flags"] = 1
    close["file_id"] = b"\1" * 8 + b"\2" * 8
    assert CloseRequest.unpack(HEAD + close.pack()) == CloseRequest(0x0101010101010101, 0x0202020202020202, 1)

    query = smb_open.SMB2QueryInfoRequest()
    query["info_type"] = 1
    query["file_info_class"] = 18
    query["output_buffer_length"] = 1024
    query["file_id"] = bytes(16)
    assert query_info.QueryInfoRequest.unpack(HEAD + query.pack()) == query_info.QueryInfoRequest(0, 0, 1, 18, 1024)

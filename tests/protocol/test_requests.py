"""What every request has in common: malformed bodies, unknown commands, echo, cancel, broken frames."""

from __future__ import annotations

import os

import pytest

from smbd.wire.constants import (
    SMB2_CHANGE_NOTIFY,
    SMB2_CLOSE,
    SMB2_CREATE,
    SMB2_ECHO,
    SMB2_FLUSH,
    SMB2_IOCTL,
    SMB2_LOCK,
    SMB2_QUERY_DIRECTORY,
    SMB2_QUERY_INFO,
    SMB2_READ,
    SMB2_SET_INFO,
    SMB2_WRITE,
)
from smbd.wire.create import CreateRequest
from smbd.wire.echo import EchoRequest
from smbd.wire.flush import FlushRequest
from smbd.wire.read_write import ReadRequest, WriteRequest
from tests.smbxcli import ConnectionLostError, Protection
from vfs.constants import FILE_CREATE
from vfs.ntstatus import STATUS_FILE_CLOSED, STATUS_INVALID_PARAMETER, STATUS_SUCCESS

pytestmark = pytest.mark.slow

_COMMANDS = [
    SMB2_CREATE,
    SMB2_CLOSE,
    SMB2_FLUSH,
    SMB2_READ,
    SMB2_WRITE,
    SMB2_LOCK,
    SMB2_IOCTL,
    SMB2_QUERY_DIRECTORY,
    SMB2_CHANGE_NOTIFY,
    SMB2_QUERY_INFO,
    SMB2_SET_INFO,
]


def test_many_requests_outstanding(login):
    session = login()
    pendings = [session.send(SMB2_ECHO, EchoRequest()) for _ in range(50)]
    for pending in reversed(pendings):
        assert pending.recv().status == STATUS_SUCCESS


@pytest.mark.parametrize("command", _COMMANDS)
@pytest.mark.parametrize("body", [b"\x18\0", b"\xff\xff" + bytes(100)], ids=[2, 102])
def test_malformed_bodies(tree, command, body):
    # A server may look at the FileId before it looks at the rest.
    allowed = {STATUS_INVALID_PARAMETER, STATUS_FILE_CLOSED}
    assert tree.send(command, body, protection=Protection.PLAIN).recv().status in allowed
    assert tree.session.connection.echo().status == STATUS_SUCCESS


@pytest.mark.parametrize("command", _COMMANDS)
@pytest.mark.parametrize("body", [b"", b"\x18"], ids=[0, 1])
def test_bodies_too_short_for_a_structure_size(tree, connect, command, body):
    """A server may as well drop the connection."""
    pending = tree.send(command, body, protection=Protection.PLAIN)
    try:
        assert pending.recv().status == STATUS_INVALID_PARAMETER
    except ConnectionLostError:
        assert connect().echo().status == STATUS_SUCCESS


@pytest.mark.parametrize("command", [0x13, 0x20, 0xFFFF])
def test_unknown_commands(tree, command):
    pending = tree.send(command, b"\x04\0\0\0", protection=Protection.PLAIN)
    assert pending.recv().status == STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("name_at", [(0xFFFF, 10), (0, 10), (120, 0xFFFE), (120, 11)])
def test_create_whose_name_is_somewhere_else(tree, name_at):
    body = bytearray(CreateRequest("name").pack())
    body[44:46] = name_at[0].to_bytes(2, "little")
    body[46:48] = name_at[1].to_bytes(2, "little")
    assert tree.send(SMB2_CREATE, body).recv().status == STATUS_INVALID_PARAMETER


def test_write_whose_data_are_somewhere_else(tree, name):
    with tree.create(name, disposition=FILE_CREATE) as file:
        body = bytearray(WriteRequest(file.persistent, file.volatile, b"hello").pack())
        body[4:8] = (0x8000).to_bytes(4, "little")
        assert tree.send(SMB2_WRITE, body).recv().status == STATUS_INVALID_PARAMETER
        assert file.write(b"fine") == 4


def test_file_ids_that_never_were(tree):
    for file_id in ((1, 2), (0, 0), (0xFFFFFFFF, 0xFFFFFFFF)):
        assert tree.send(SMB2_FLUSH, FlushRequest(*file_id)).recv().status == STATUS_FILE_CLOSED
        assert tree.send(SMB2_READ, ReadRequest(*file_id, 1)).recv().status == STATUS_FILE_CLOSED


def test_a_closed_file_is_closed(tree, name):
    file = tree.create(name, disposition=FILE_CREATE)
    file.close()
    request = FlushRequest(file.persistent, file.volatile)
    assert tree.send(SMB2_FLUSH, request).recv().status == STATUS_FILE_CLOSED


def test_cancel_of_nothing_is_ignored(login):
    session = login()
    connection = session.connection
    pending = connection.send(SMB2_ECHO, EchoRequest(), session=session)
    pending.recv()
    connection.cancel(pending)
    assert connection.echo(session).status == STATUS_SUCCESS


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xfe", b"\xfeSMB", b"\xfeSMB" + bytes(59), b"GET / HTTP/1.0\r\n\r\n" + bytes(64), bytes(64)],
    ids=["empty", "1", "4", "63", "http", "zeros"],
)
def test_frames_that_are_no_smb2(connect, frame):
    connection = connect()
    connection.send_raw(frame)
    if frame:
        assert connection.transport.wait_closed(5)


def test_a_frame_that_never_ends(connect, server):
    connection = connect()
    connection.transport.send_raw(b"\0\0\x10\0" + bytes(100))
    connection.close(reset=True)
    assert connect().echo().status == STATUS_SUCCESS


def test_random_bytes_instead_of_a_session(raw):
    raw.transport.send_raw(os.urandom(512))
    raw.transport.wait_closed(3)


def test_a_client_that_leaves_in_the_middle(connect, server, login, name):
    tree = login().tree_connect("tmp")
    file = tree.create(name, disposition=FILE_CREATE)
    for _ in range(20):
        file.send_write(bytes(50_000))
    tree.session.connection.close(reset=True)
    assert connect().echo().status == STATUS_SUCCESS

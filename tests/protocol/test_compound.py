"""Compounded requests and their error rules ([MS-SMB2] 3.3.5.2.7)."""

from __future__ import annotations

import pytest

from smbd.wire.close import CloseRequest
from smbd.wire.constants import (
    SMB2_CLOSE,
    SMB2_CREATE,
    SMB2_ECHO,
    SMB2_FLAGS_RELATED_OPERATIONS,
    SMB2_READ,
    SMB2_WRITE,
)
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.echo import EchoRequest
from smbd.wire.read_write import ReadRequest, ReadResponse, WriteRequest
from tests.servers import unlike_samba
from tests.smbxcli import Chain, ConnectionLostError, Protection
from tests.smbxcli.compound import RELATED_FILE
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import GENERIC_ALL
from vfs.constants import FILE_CREATE, FILE_OPEN
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS,
    is_error,
)

pytestmark = pytest.mark.slow


def create(name, disposition=FILE_CREATE):
    return CreateRequest(
        name, desired_access=GENERIC_ALL, share_access=SHARE_ALL, create_disposition=disposition
    )


def statuses(pendings):
    return [pending.recv().status for pending in pendings]


@pytest.mark.parametrize("protection", [Protection.SIGN, Protection.SEAL])
def test_create_write_read_close(tree, name, protection):
    chain = Chain(tree)
    chain.add(SMB2_CREATE, create(name))
    chain.related(SMB2_WRITE, WriteRequest(*RELATED_FILE, b"hello"))
    chain.related(SMB2_READ, ReadRequest(*RELATED_FILE, 5))
    chain.related(SMB2_CLOSE, CloseRequest(*RELATED_FILE))
    pendings = chain.send(protection)
    assert statuses(pendings) == [STATUS_SUCCESS] * 4
    assert bytes(pendings[2].recv().body(ReadResponse).data) == b"hello"
    for pending in pendings:
        response = pending.recv()
        assert response.sealed if protection is Protection.SEAL else response.verified


def test_a_failed_create_fails_what_is_related_to_it(tree, name):
    chain = Chain(tree)
    chain.add(SMB2_CREATE, create(name, FILE_OPEN))
    chain.related(SMB2_READ, ReadRequest(*RELATED_FILE, 5))
    chain.related(SMB2_CLOSE, CloseRequest(*RELATED_FILE))
    assert statuses(chain.send()) == [STATUS_OBJECT_NAME_NOT_FOUND] * 3


def test_a_failure_in_the_middle_keeps_the_file(tree, name):
    chain = Chain(tree)
    chain.add(SMB2_CREATE, create(name))
    chain.related(SMB2_READ, ReadRequest(*RELATED_FILE, 5))
    chain.related(SMB2_CLOSE, CloseRequest(*RELATED_FILE))
    first, second, third = statuses(chain.send())
    assert first == third == STATUS_SUCCESS
    assert second != STATUS_SUCCESS


def test_unrelated_requests_do_not_share_their_fate(tree, name):
    chain = Chain(tree)
    chain.add(SMB2_CREATE, create(f"{name}-missing", FILE_OPEN))
    chain.add(SMB2_ECHO, EchoRequest())
    chain.add(SMB2_CREATE, create(name))
    pendings = chain.send()
    assert statuses(pendings) == [STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, STATUS_SUCCESS]
    opened = pendings[2].recv().body(CreateResponse)
    close = CloseRequest(opened.file_id_persistent, opened.file_id_volatile)
    assert tree.send(SMB2_CLOSE, close).recv().status == STATUS_SUCCESS


def test_related_without_a_file_before(tree):
    chain = Chain(tree)
    chain.add(SMB2_ECHO, EchoRequest())
    chain.related(SMB2_CLOSE, CloseRequest(*RELATED_FILE))
    first, second = statuses(chain.send())
    assert first == STATUS_SUCCESS
    assert is_error(second)


def test_the_first_request_cannot_be_related(tree, name):
    chain = Chain(tree)
    chain.add(SMB2_CREATE, create(name), flags=SMB2_FLAGS_RELATED_OPERATIONS)
    chain.related(SMB2_CLOSE, CloseRequest(*RELATED_FILE))
    assert set(statuses(chain.send(Protection.PLAIN))) == {STATUS_INVALID_PARAMETER}


def test_a_next_command_that_points_nowhere_ends_the_connection(tree):
    with pytest.raises(ConnectionLostError):
        tree.send(SMB2_ECHO, EchoRequest(), next_command=0x1000).recv()


@unlike_samba
def test_a_misaligned_next_command_ends_the_connection(tree):
    chain = Chain(tree)
    chain.add(SMB2_ECHO, EchoRequest(), next_command=68)
    chain.add(SMB2_ECHO, EchoRequest())
    with pytest.raises(ConnectionLostError):
        statuses(chain.send())

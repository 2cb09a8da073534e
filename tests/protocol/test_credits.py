"""Credits and the sequence window ([MS-SMB2] 3.3.1.1, 3.3.1.2, 3.3.5.2.3, 3.3.5.2.5)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from smbd.wire.constants import SMB2_DIALECT_202, SMB2_ECHO
from smbd.wire.echo import EchoRequest
from tests.smbxcli import ConnectionLostError
from vfs.access import FILE_READ_DATA
from vfs.constants import FILE_CREATE, FILE_DIRECTORY_FILE, FILE_NOTIFY_CHANGE_EA
from vfs.ntstatus import STATUS_INVALID_PARAMETER, STATUS_SUCCESS

pytestmark = pytest.mark.slow

_MEBIBYTE = 1 << 20


def test_credits_are_granted_as_asked_for(login):
    connection = login().connection
    before = connection.window.credits
    response = connection.send(SMB2_ECHO, EchoRequest(), credits=11).recv()
    assert response.header.credits == 11
    assert connection.window.credits == before + 10


def test_a_client_is_never_left_without_credits(login):
    connection = login().connection
    for _ in range(2 * connection.window.credits):
        connection.send(SMB2_ECHO, EchoRequest(), credits=0).recv()
        assert connection.window.credits >= 1


def test_grants_have_a_ceiling(login):
    connection = login().connection
    for _ in range(5):
        connection.send(SMB2_ECHO, EchoRequest(), credits=60000).recv()
    assert 512 <= connection.window.credits <= 8192


def test_a_client_that_asks_for_512_has_them_with_the_next_response(login):
    connection = login().connection
    connection.echo(credits=512)
    assert connection.window.credits >= 512


def test_a_client_that_asks_for_a_little_more_each_time_comes_to_the_ceiling(login):
    """As Linux does: with each request, ten more."""
    session = login()
    connection = session.connection
    connection.window.wanted = 0
    seen = []
    for _ in range(1000):
        seen.append(connection.window.credits)
        session.send(SMB2_ECHO, EchoRequest(), credits=11).recv()
    assert [later - earlier for earlier, later in pairwise(seen[:100])] == [10] * 99
    assert connection.window.credits == 8192


def granted(pending):
    """What all responses to a request granted together."""
    return sum(response.header.credits for response in (*pending.interim, pending.recv()))


@pytest.mark.parametrize("depth", [8, 32])
def test_a_full_window_of_large_transfers_stays_full(login, name, depth):
    """All credits outstanding, again and again: each response gives back what its request used."""
    session = login()
    connection = session.connection
    connection.window.wanted = 0
    charge = _MEBIBYTE // 65536
    session.send(SMB2_ECHO, EchoRequest(), credits=depth * charge + 1 - connection.window.credits).recv()
    with session.tree_connect("tmp").create(name, disposition=FILE_CREATE) as file:
        assert connection.window.credits == depth * charge
        data = bytes(range(256)) * (_MEBIBYTE // 256)
        for _ in range(3):
            for sending in (
                [file.send_write(data, index * _MEBIBYTE, credits=1) for index in range(depth)],
                [file.send_read(_MEBIBYTE, index * _MEBIBYTE, credits=1) for index in range(depth)],
            ):
                assert [pending.recv().status for pending in sending] == [STATUS_SUCCESS] * depth
                assert [granted(pending) for pending in sending] == [charge] * depth
        assert connection.window.credits == depth * charge


def test_requests_that_wait_keep_nothing_of_the_window(login):
    """The interim response returns the credits: whoever watches many directories can work on."""
    session = login()
    connection = session.connection
    connection.window.wanted = 0
    session.send(SMB2_ECHO, EchoRequest(), credits=128).recv()
    tree = session.tree_connect("tmp")
    with tree.create("", access=FILE_READ_DATA, options=FILE_DIRECTORY_FILE) as root:
        before = connection.window.credits
        watches = [root.send_notify(FILE_NOTIFY_CHANGE_EA, credits=1) for _ in range(100)]
        for watch in watches:
            assert watch.recv_interim() is not None
        assert connection.window.credits == before
    for watch in watches:
        assert watch.recv().header.credits == 0
    assert connection.window.credits == before


def test_ids_in_any_order_within_the_window(login):
    connection = login().connection
    first = connection.window.next_id
    pendings = [connection.send(SMB2_ECHO, EchoRequest(), message_id=first + index) for index in (3, 1, 0, 2)]
    assert {pending.recv().status for pending in pendings} == {STATUS_SUCCESS}


@pytest.mark.parametrize("offset", [-1, 100_000], ids=["used", "beyond"])
def test_ids_outside_the_window_end_the_connection(login, offset):
    connection = login().connection
    with pytest.raises(ConnectionLostError):
        connection.send(SMB2_ECHO, EchoRequest(), message_id=connection.window.next_id + offset).recv()


def test_the_same_id_twice_ends_the_connection(login):
    connection = login().connection
    first = connection.window.next_id
    connection.send(SMB2_ECHO, EchoRequest(), message_id=first + 1).recv()
    with pytest.raises(ConnectionLostError):
        connection.send(SMB2_ECHO, EchoRequest(), message_id=first + 1).recv()


def test_multi_credit_requests_use_several_ids(tree, name):
    connection = tree.session.connection
    with tree.create(name, disposition=FILE_CREATE) as file:
        connection.echo(tree.session, credits=200)
        data = bytes(range(256)) * (_MEBIBYTE // 256)
        before = connection.window.next_id
        assert file.write(data) == _MEBIBYTE
        assert connection.window.next_id == before + 16
        assert file.read(_MEBIBYTE) == data
        assert connection.echo().status == STATUS_SUCCESS


def test_the_largest_read_and_write(tree, name):
    connection = tree.session.connection
    with tree.create(name, disposition=FILE_CREATE) as file:
        connection.echo(tree.session, credits=500)
        data = bytes(range(256)) * (8 * _MEBIBYTE // 256)
        assert file.write(data) == len(data)
        assert file.read(len(data)) == data


def test_a_charge_too_small_for_the_payload(tree, name):
    with tree.create(name, disposition=FILE_CREATE) as file:
        assert file.send_write(bytes(100_000), credit_charge=1).recv().status == STATUS_INVALID_PARAMETER
        assert file.send_read(100_000, credit_charge=1).recv().status == STATUS_INVALID_PARAMETER
        query = file.send_query_info(18, length=100_000, credit_charge=1)
        assert query.recv().status == STATUS_INVALID_PARAMETER


def test_202_knows_no_charge(login, name):
    tree = login(dialects=[SMB2_DIALECT_202]).tree_connect("tmp")
    with tree.create(name, disposition=FILE_CREATE) as file:
        assert file.write(bytes(65536)) == 65536
        assert file.send_write(bytes(65537)).recv().status == STATUS_INVALID_PARAMETER

"""Multi-channel: one session over several connections ([MS-SMB2] 3.3.5.5.2, 3.3.5.5.3, 3.3.7.1)."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from smbd.wire.constants import (
    FSCTL_QUERY_NETWORK_INTERFACE_INFO,
    SMB2_0_IOCTL_IS_FSCTL,
    SMB2_CREATE,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
    SMB2_ENCRYPTION_AES128_GCM,
    SMB2_ENCRYPTION_AES256_GCM,
    SMB2_GLOBAL_CAP_MULTI_CHANNEL,
    SMB2_IOCTL,
    SMB2_SIGNING_AES_CMAC,
    SMB2_SIGNING_AES_GMAC,
    SMB2_SIGNING_HMAC_SHA256,
    SMB2_TREE_CONNECT,
)
from smbd.wire.create import CreateRequest
from smbd.wire.fsctl import unpack_network_interfaces
from smbd.wire.ioctl import IoctlRequest, IoctlResponse
from smbd.wire.tree import TreeConnectRequest
from smbd.xsrv.databases import open_databases
from tests.protocol.leases import next_break
from tests.smbxcli import Protection, Session, StatusError
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import GENERIC_ALL
from vfs.constants import FILE_CREATE, FILE_OPEN
from vfs.locking.oplock import OPLOCK_BATCH, OPLOCK_LEVEL_II
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_PARAMETER,
    STATUS_LOGON_FAILURE,
    STATUS_NOT_SUPPORTED,
    STATUS_REQUEST_NOT_ACCEPTED,
    STATUS_REQUEST_OUT_OF_SEQUENCE,
    STATUS_SUCCESS,
    STATUS_USER_SESSION_DELETED,
)

pytestmark = pytest.mark.slow

_GUID = b"multi-channel..."
_SHARE = TreeConnectRequest(r"\\127.0.0.1\tmp")
_NO_FILE = 0xFFFFFFFFFFFFFFFF


@pytest.fixture
def guid():
    return os.urandom(16)


@pytest.fixture
def channel_pids(server):
    """The processes that the channels of a session are in, as the session's record has it."""
    databases = open_databases(str(server.directory / "lock"), read_only=True)

    def pids(session: Session) -> list[int]:
        record = databases.sessions.get(session.session_id)
        return [channel.server_id.pid for channel in record.channels] if record is not None else []

    return pids


def test_two_channels_are_in_one_process(server, login, connect, guid, channel_pids, name):
    session = login(client_guid=guid)
    second = connect(client_guid=guid)
    assert second.agreement.response.capabilities & SMB2_GLOBAL_CAP_MULTI_CHANNEL
    response = session.bind(second, server.user, server.password)
    assert response.verified
    pids = channel_pids(session)
    assert len(pids) == 2
    assert len(set(pids)) == 1
    tree = session.tree_connect("tmp")
    with tree.create(name, disposition=FILE_CREATE):
        pending = session.send(SMB2_CREATE, CreateRequest(name), on=second, tree_id=tree.tree_id)
        assert pending.recv().verified


def test_connections_that_come_at_once_meet(server, connect, guid, channel_pids):
    with ThreadPoolExecutor(8) as pool:
        connections = list(pool.map(lambda _: connect(client_guid=guid), range(8)))
    session = Session.login(connections[0], server.user, server.password)
    for connection in connections[1:]:
        session.bind(connection, server.user, server.password)
    pids = channel_pids(session)
    assert len(pids) == 8
    assert len(set(pids)) == 1
    _until(lambda: set(pids) <= set(server.worker_pids()))


def test_another_client_has_a_process_of_its_own(login, guid, channel_pids):
    assert channel_pids(login(client_guid=guid)) != channel_pids(login(client_guid=os.urandom(16)))


def test_before_3_0_every_connection_has_a_process(login, guid, channel_pids):
    first = login(client_guid=guid, dialects=[SMB2_DIALECT_210])
    second = login(client_guid=guid, dialects=[SMB2_DIALECT_210])
    assert channel_pids(first) != channel_pids(second)


@pytest.mark.parametrize("dialect", [SMB2_DIALECT_300, SMB2_DIALECT_302, SMB2_DIALECT_311])
@pytest.mark.parametrize("sealed", [False, True])
def test_each_channel_signs_with_its_own_key(server, login, connect, guid, dialect, sealed):
    session = login(client_guid=guid, dialects=[dialect])
    second = connect(client_guid=guid, dialects=[dialect])
    session.bind(second, server.user, server.password)
    protection = Protection.SEAL if sealed else Protection.SIGN
    for connection in (session.connection, second, session.connection):
        response = session.send(SMB2_TREE_CONNECT, _SHARE, on=connection, protection=protection).recv()
        assert response.status == STATUS_SUCCESS
    if not sealed:
        session.set_signer(second, session.signer(session.connection))
        response = session.send(SMB2_TREE_CONNECT, _SHARE, on=second, protection=Protection.SIGN).recv()
        assert response.status == STATUS_ACCESS_DENIED


@pytest.mark.parametrize("lost", [0, 1])
def test_the_session_outlives_each_of_its_channels(server, login, connect, guid, channel_pids, name, lost):
    session = login(client_guid=guid)
    second = connect(client_guid=guid)
    session.bind(second, server.user, server.password)
    tree = session.tree_connect("tmp")
    file = tree.create(name, disposition=FILE_CREATE)
    file.write(b"kept")
    connections = [session.connection, second]
    connections.pop(lost).close(reset=True)
    session.connection = connections[0]
    _until(lambda: len(channel_pids(session)) == 1)
    assert bytes(file.read(4, 0)) == b"kept"
    file.close()


def test_a_break_goes_over_a_channel_that_is_left(server, login, connect, guid, channel_pids, name):
    session = login(client_guid=guid)
    first, second = session.connection, connect(client_guid=guid)
    session.bind(second, server.user, server.password)
    file = session.tree_connect("tmp").create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    first.close()
    session.connection = second
    _until(lambda: len(channel_pids(session)) == 1)
    other = login(client_guid=os.urandom(16)).tree_connect("tmp")
    request = CreateRequest(
        name, desired_access=GENERIC_ALL, share_access=SHARE_ALL, create_disposition=FILE_OPEN
    )
    waiting = other.send(SMB2_CREATE, request)
    told = next_break(second)
    assert (told.file_id_persistent, told.oplock_level) == (file.persistent, OPLOCK_LEVEL_II)
    file.close()
    assert waiting.recv().status == STATUS_SUCCESS


def test_the_session_ends_with_its_last_channel(server, login, connect, guid, channel_pids):
    session = login(client_guid=guid)
    second = connect(client_guid=guid)
    session.bind(second, server.user, server.password)
    session.connection.close()
    second.close()
    _until(lambda: not channel_pids(session))


def test_a_killed_worker_takes_all_channels_along(server, login, connect, guid, channel_pids, name):
    session = login(client_guid=guid)
    second = connect(client_guid=guid)
    session.bind(second, server.user, server.password)
    session.tree_connect("tmp").create(name, disposition=FILE_CREATE)
    (pid,) = set(channel_pids(session))
    os.kill(pid, signal.SIGKILL)
    # Nobody has to wait for the dead: neither for their ClientGuid, nor for the session that is replaced.
    again = Session(connect(client_guid=guid))
    again.authenticate(server.user, server.password, previous_session_id=session.session_id)
    assert again.tree_connect("tmp").create(name, disposition=FILE_OPEN, share_access=0)
    assert channel_pids(again) != [pid]


def test_logoff_on_one_channel_ends_the_session_on_all(server, login, connect, guid):
    session = login(client_guid=guid)
    second = connect(client_guid=guid)
    session.bind(second, server.user, server.password)
    session.logoff()
    response = session.send(SMB2_TREE_CONNECT, _SHARE, on=second).recv()
    assert response.status == STATUS_USER_SESSION_DELETED
    assert response.verified


@pytest.mark.parametrize(
    ("first", "other", "status"),
    [
        ({"dialects": [SMB2_DIALECT_302]}, {"dialects": [SMB2_DIALECT_300]}, STATUS_INVALID_PARAMETER),
        ({"dialects": [SMB2_DIALECT_210]}, {"dialects": [SMB2_DIALECT_210]}, STATUS_REQUEST_NOT_ACCEPTED),
        (
            {"signing": [SMB2_SIGNING_AES_GMAC]},
            {"signing": [SMB2_SIGNING_AES_CMAC]},
            STATUS_REQUEST_OUT_OF_SEQUENCE,
        ),
        ({"signing": [SMB2_SIGNING_HMAC_SHA256]}, {"signing": [SMB2_SIGNING_AES_GMAC]}, STATUS_NOT_SUPPORTED),
        (
            {"ciphers": [SMB2_ENCRYPTION_AES128_GCM]},
            {"ciphers": [SMB2_ENCRYPTION_AES256_GCM]},
            STATUS_INVALID_PARAMETER,
        ),
        ({}, {"client_guid": _GUID}, STATUS_USER_SESSION_DELETED),
    ],
)
def test_refused_bindings(server, login, connect, guid, first, other, status):
    session = login(**{"client_guid": guid} | first)
    second = connect(**{"client_guid": guid} | other)
    with pytest.raises(StatusError) as caught:
        session.bind(second, server.user, server.password)
    assert caught.value.status == status
    assert session.tree_connect("tmp")


def test_a_binding_has_to_be_signed(server, login, connect, guid):
    session = login(client_guid=guid)
    with pytest.raises(StatusError) as caught:
        session.authenticate(
            server.user, server.password, on=connect(client_guid=guid), binding=True, protection=Protection.PLAIN
        )
    assert caught.value.status == STATUS_INVALID_PARAMETER


def test_a_connection_is_bound_once(server, login, guid):
    session = login(client_guid=guid)
    with pytest.raises(StatusError) as caught:
        session.bind(session.connection, server.user, server.password)
    assert caught.value.status == STATUS_REQUEST_NOT_ACCEPTED


def test_a_wrong_password_binds_nothing_and_breaks_nothing(server, login, connect, guid):
    session = login(client_guid=guid)
    second = connect(client_guid=guid)
    with pytest.raises(StatusError) as caught:
        session.bind(second, server.user, "wrong")
    assert caught.value.status == STATUS_LOGON_FAILURE
    assert session.tree_connect("tmp")
    session.bind(second, server.user, server.password)


def test_a_stranger_cannot_bind(server, login, connect, guid):
    session = login(client_guid=guid)
    stranger = login(client_guid=guid)
    session.set_signer(stranger.connection, stranger.signer(stranger.connection))
    with pytest.raises(StatusError) as caught:
        session.bind(stranger.connection, server.user, server.password)
    assert caught.value.status == STATUS_ACCESS_DENIED


def test_network_interfaces(login):
    tree = login().tree_connect("IPC$")
    request = IoctlRequest(
        ctl_code=FSCTL_QUERY_NETWORK_INTERFACE_INFO,
        file_id_persistent=_NO_FILE,
        file_id_volatile=_NO_FILE,
        max_output_response=65536,
        flags=SMB2_0_IOCTL_IS_FSCTL,
    )
    answer = tree.send(SMB2_IOCTL, request).recv().body(IoctlResponse)
    (found,) = unpack_network_interfaces(answer.output_data)
    assert str(found.address) == "127.0.0.1"
    assert found.if_index
    assert found.link_speed


def _until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

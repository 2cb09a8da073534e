"""Handles of named streams that outlive their connection ([MS-SMB2] 3.3.5.9.10 excludes directories only)."""

from __future__ import annotations

import os

import pytest

from smbd.wire.fscc.name_info import FileRenameInformation
from smbd.wire.lock import LockElement
from smbd.xsrv.databases import open_databases
from tests.protocol.durable import (
    eventually,
    is_durable,
    lose_connection,
    new_guid,
    open_durable,
    reopen,
)
from tests.protocol.leases import H, R, W, state_of
from tests.protocol.persistent import SHARE, is_persistent, open_persistent, take_up
from tests.protocol.test_durable_handles import EXCLUSIVE, assert_refused
from tests.protocol.test_persistent_handles import kill_worker, killable, name
from tests.servers import unlike_samba
from tests.smbxcli import StatusError
from vfs import constants
from vfs.access import DELETE, GENERIC_READ
from vfs.constants import FILE_OPEN_IF, FILE_OVERWRITE, FILE_SHARE_READ
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS,
)

__all__ = ["killable", "name"]

pytestmark = [pytest.mark.slow, unlike_samba]  # which grants none

RWH = R | W | H
LOCKED = LockElement(0, 10, EXCLUSIVE)


@pytest.fixture
def ca_tree(login):
    return login().tree_connect(SHARE)


@pytest.fixture
def stream(name):
    return f"{name}:notes"


@pytest.fixture
def locking(server, name):
    """How many entries of the file and its streams there are whose clients are away."""
    databases = open_databases(str(server.directory / "lock"), read_only=True)

    def away() -> int:
        of_file = [one for _, one in databases.share_modes.traverse() if name.encode() in one.path]
        return sum(entry.server_id.is_disconnected() for record in of_file for entry in record.entries)

    return away


def rename(file, new):
    file.set_info(constants.FileRenameInformation, FileRenameInformation(new).pack())


@pytest.mark.parametrize("how", ["lost", "killed"])
def test_a_persistent_one_waits_like_that_of_a_file(server, killable, login, name, stream, how):
    client, guid, key = new_guid(), new_guid(), new_guid()
    tree = killable(client_guid=client)
    lost = open_persistent(tree, stream, guid, key=key, state=RWH, share_access=FILE_SHARE_READ)
    assert is_persistent(lost)
    lost.write(b"kept")
    assert lost.send_lock(LOCKED).recv().status == STATUS_SUCCESS
    lose_connection(server, tree) if how == "lost" else kill_worker(server, tree)

    other = login(client_guid=new_guid()).tree_connect(SHARE)
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.create, stream)
    other.create(f"{name}:other", disposition=FILE_OPEN_IF).close()
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.delete, name)
    other.create(name, access=GENERIC_READ).close()  # which is another matter

    again = login(client_guid=client).tree_connect(SHARE)
    with take_up(again, f"{stream}:$DATA", lost, guid, key=key, state=RWH) as file:
        assert file.persistent == lost.persistent
        assert file.read(10) == b"kept"
        assert state_of(file) == RWH
        assert file.send_lock(LOCKED).recv().status == STATUS_LOCK_NOT_GRANTED
        file.write(b"and more", 4)
    with other.create(stream) as file:
        assert file.read(20) == b"keptand more"
    other.delete(name)


def test_a_file_keeps_its_name_while_a_stream_waits(server, ca_tree, login, name, stream):
    guid = new_guid()
    lost = open_persistent(ca_tree, stream, guid)
    lose_connection(server, ca_tree)
    other = login().tree_connect(SHARE)
    with other.create(name, access=GENERIC_READ | DELETE) as file:
        assert_refused(STATUS_ACCESS_DENIED, rename, file, f"{name}-2")
    take_up(login().tree_connect(SHARE), stream, lost, guid).close()
    with other.create(name, access=GENERIC_READ | DELETE) as file:
        rename(file, f"{name}-2")


def test_it_goes_with_its_file(server, ca_tree, login, name, stream, locking):
    guid = new_guid()
    lost = open_persistent(ca_tree, stream, guid)
    lose_connection(server, ca_tree)
    assert locking() == 2
    other = login().tree_connect(SHARE)
    other.delete(name)
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, other.create, name)
    assert not locking()
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, other, stream, lost, guid)


def test_it_goes_with_its_contents(server, ca_tree, login, name, stream, locking):
    guid = new_guid()
    lost = open_persistent(ca_tree, stream, guid)
    lose_connection(server, ca_tree)
    other = login().tree_connect(SHARE)
    other.create(name, disposition=FILE_OVERWRITE).close()
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, other, stream, lost, guid)
    assert not locking()


def test_a_durable_one_comes_back(server, ca_tree, login, stream, locking):
    guid = new_guid()
    lost = open_durable(ca_tree, stream, guid=guid)
    assert is_durable(lost)
    lost.write(b"kept")
    assert lost.send_lock(LOCKED).recv().status == STATUS_SUCCESS
    lose_connection(server, ca_tree)
    assert locking() == 2
    with reopen(login().tree_connect(SHARE), stream, lost, guid=guid) as file:
        assert file.read(10) == b"kept"
        assert file.send_lock(LOCKED).recv().status == STATUS_LOCK_NOT_GRANTED
    assert not locking()


@pytest.mark.parametrize("how", ["open", "delete the file", "delete the stream"])
def test_a_durable_one_gives_way(server, ca_tree, login, name, stream, locking, how):
    guid = new_guid()
    lost = open_durable(ca_tree, stream, guid=guid, share_access=0)
    lose_connection(server, ca_tree)
    other = login().tree_connect(SHARE)
    if how == "open":
        other.create(stream).close()
    else:
        other.delete(name if how == "delete the file" else stream)
    eventually(lambda: not locking())
    with pytest.raises(StatusError) as refused:
        reopen(other, stream, lost, guid=guid)
    assert refused.value.status == STATUS_OBJECT_NAME_NOT_FOUND
    other.create(stream, disposition=FILE_OPEN_IF, share_access=0).close()


def test_a_durable_one_whose_stream_was_changed_beside_the_server(server, ca_tree, login, name, stream):
    guid = new_guid()
    lost = open_durable(ca_tree, stream, guid=guid)
    lost.write(b"kept")
    lose_connection(server, ca_tree)
    path = server.share_path(SHARE) / name
    (attribute,) = [one for one in os.listxattr(path) if "notes" in one]
    os.setxattr(path, attribute, b"longer than before\0")
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, login().tree_connect(SHARE), stream, lost, guid=guid)

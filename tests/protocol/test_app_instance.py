"""Application instances: who moves to another client finds the file free ([MS-SMB2] 3.3.5.9.13)."""

from __future__ import annotations

import os
import signal

import pytest

from smbd.wire.constants import (
    SMB2_CREATE_APP_INSTANCE_ID,
    SMB2_CREATE_APP_INSTANCE_VERSION,
    SMB2_DIALECT_210,
    SMB2_DIALECT_302,
    SMB2_OPLOCK_LEVEL_BATCH,
)
from smbd.wire.create_contexts import AppInstanceId, AppInstanceVersion
from smbd.xsrv.databases import open_databases
from tests.protocol.durable import eventually, is_durable, lose_connection, new_guid, reopen, request
from tests.servers import unlike_samba
from tests.smbxcli import StatusError
from vfs.access import GENERIC_WRITE
from vfs.constants import FILE_OPEN_IF
from vfs.ntstatus import (
    STATUS_FILE_CLOSED,
    STATUS_FILE_FORCED_CLOSED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
    STATUS_SUCCESS,
)

pytestmark = [pytest.mark.slow, unlike_samba]  # which does not know them


class Application:
    """An instance of an application that opens one file for itself."""

    def __init__(self, login, name):
        self.login = login
        self.name = name
        self.instance_id = new_guid()

    def open(self, *, tree=None, version=None, durable=b"", name="", instance_id=b"", **how):
        contexts = {SMB2_CREATE_APP_INSTANCE_ID: AppInstanceId(instance_id or self.instance_id).pack()}
        if version is not None:
            contexts[SMB2_CREATE_APP_INSTANCE_VERSION] = AppInstanceVersion(*version).pack()
        if durable:
            contexts |= request(durable)
            how["oplock"] = SMB2_OPLOCK_LEVEL_BATCH
        how.setdefault("disposition", FILE_OPEN_IF)
        tree = tree or self.login().tree_connect("tmp")
        return tree.create(name or self.name, share_access=0, contexts=contexts, **how)

    def refused(self, **how):
        with pytest.raises(StatusError) as caught:
            self.open(**how)
        return caught.value.status


@pytest.fixture
def application(login, name):
    return Application(login, name)


@pytest.fixture
def databases(server):
    return open_databases(str(server.directory / "lock"), read_only=True)


def is_open(file):
    """Whether the server still knows the handle."""
    status = file.send_write(b"still here").recv().status
    assert status in {STATUS_SUCCESS, STATUS_FILE_CLOSED}
    return status == STATUS_SUCCESS


def test_the_open_of_another_client_is_closed(application):
    first = application.open()
    second = application.open()
    assert is_open(second)
    assert not is_open(first)


def test_names_compare_as_windows_compares(application, name):
    first = application.open()
    application.open(name=name.upper())
    assert not is_open(first)


def test_another_instance_has_to_share(application):
    first = application.open()
    assert application.refused(instance_id=new_guid()) == STATUS_SHARING_VIOLATION
    assert is_open(first)


def test_other_files_stay_open(application, name):
    first = application.open()
    application.open(name=name + "-2")
    assert is_open(first)


def test_the_same_client_has_to_share(application, login):
    guid = new_guid()
    first = application.open(tree=login(client_guid=guid).tree_connect("tmp"))
    other = login(client_guid=guid).tree_connect("tmp")
    assert application.refused(tree=other) == STATUS_SHARING_VIOLATION
    assert is_open(first)


def test_before_3_0_it_means_nothing(application, login):
    first = application.open()
    old = login(dialects=[SMB2_DIALECT_210]).tree_connect("tmp")
    assert application.refused(tree=old) == STATUS_SHARING_VIOLATION
    assert is_open(first)


def test_who_may_not_read_closes_nothing(application, server, name):
    first = application.open()
    (server.share_path("tmp") / name).chmod(0o200)
    assert application.refused(access=GENERIC_WRITE) == STATUS_SHARING_VIOLATION
    assert is_open(first)


def test_a_disconnected_handle_is_closed(application, server, login, name):
    guid = new_guid()
    tree = login().tree_connect("tmp")
    first = application.open(tree=tree, durable=guid)
    assert is_durable(first)
    lose_connection(server, tree)
    second = application.open(durable=new_guid())
    assert is_open(second)
    with pytest.raises(StatusError) as caught:
        reopen(login().tree_connect("tmp"), name, first, guid=guid)
    assert caught.value.status == STATUS_OBJECT_NAME_NOT_FOUND


def test_a_handle_that_was_taken_up_again_is_closed(application, server, login, name):
    guid, client = new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect("tmp")
    lost = application.open(tree=tree, durable=guid)
    lose_connection(server, tree)
    first = reopen(login(client_guid=client).tree_connect("tmp"), name, lost, guid=guid)
    application.open()
    assert not is_open(first)


def test_the_handle_of_a_killed_process_is_no_hindrance(application, server, databases):
    before = set(server.worker_pids())
    application.open()
    (pid,) = set(server.worker_pids()) - before
    os.kill(pid, signal.SIGKILL)
    assert is_open(application.open())
    eventually(lambda: len(databases.app_instances.find(application.instance_id)) == 1)


@pytest.mark.parametrize(
    ("first", "second", "closes"),
    [
        (None, None, True),
        (None, (0, 0), True),
        ((1, 5), (1, 6), True),
        ((1, 9), (2, 0), True),
        ((1, 5), (1, 5), False),
        ((1, 5), (1, 4), False),
        ((2, 0), (1, 9), False),
        ((0, 0), None, False),
    ],
)
def test_only_a_newer_version_closes(application, first, second, closes):
    file = application.open(version=first)
    if closes:
        application.open(version=second)
    else:
        assert application.refused(version=second) == STATUS_FILE_FORCED_CLOSED
    assert is_open(file) is not closes


def test_versions_are_for_3_1_1(application, login):
    tree = login(dialects=[SMB2_DIALECT_302]).tree_connect("tmp")
    first = application.open(tree=tree, version=(2, 0))
    application.open(version=(1, 0))
    assert not is_open(first)


def test_nothing_is_left_of_closed_opens(application, databases):
    first, second = application.open(), application.open(version=(1, 1))
    assert not is_open(first)
    assert len(databases.app_instances.find(application.instance_id)) == 1
    second.close()
    assert databases.app_instances.find(application.instance_id) == []

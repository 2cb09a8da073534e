"""Requests that wait: interim responses and CANCEL ([MS-SMB2] 3.3.4.2, 3.3.5.16)."""

from __future__ import annotations

import pytest

from smbd.wire.constants import SMB2_ECHO, SMB2_FLAGS_ASYNC_COMMAND
from smbd.wire.echo import EchoRequest
from vfs.access import GENERIC_READ
from vfs.constants import FILE_DIRECTORY_FILE, FILE_NOTIFY_CHANGE_FILE_NAME, FILE_OPEN
from vfs.ntstatus import STATUS_CANCELLED, STATUS_NOTIFY_CLEANUP, STATUS_PENDING, STATUS_SUCCESS

pytestmark = pytest.mark.slow


def wait_for_changes(directory):
    """A change notification that waits."""
    pending = directory.send_notify(FILE_NOTIFY_CHANGE_FILE_NAME)
    assert pending.recv_interim() is not None
    return pending


@pytest.fixture
def directory(tree):
    return tree.create("", access=GENERIC_READ, disposition=FILE_OPEN, options=FILE_DIRECTORY_FILE)


def test_a_request_that_waits_gets_an_interim_response(directory):
    pending = wait_for_changes(directory)
    (interim,) = pending.interim
    assert interim.status == STATUS_PENDING
    assert interim.header.flags & SMB2_FLAGS_ASYNC_COMMAND
    assert pending.async_id != 0
    assert interim.header.credits >= 1
    pending.cancel()
    final = pending.recv()
    assert final.status == STATUS_CANCELLED
    assert final.header.async_id == pending.async_id
    assert final.verified


def test_other_requests_go_on_meanwhile(tree, directory):
    waiting = wait_for_changes(directory)
    assert tree.send(SMB2_ECHO, EchoRequest()).recv().status == STATUS_SUCCESS
    assert waiting.response is None
    waiting.cancel()
    assert waiting.recv().status == STATUS_CANCELLED


def test_two_waiting_requests_have_different_ids(tree, directory):
    first = wait_for_changes(directory)
    second = wait_for_changes(directory)
    assert first.async_id != second.async_id
    second.cancel()
    assert second.recv().status == STATUS_CANCELLED
    assert first.response is None
    first.cancel()
    assert first.recv().status == STATUS_CANCELLED


def test_closing_the_file_ends_what_waits_on_it(directory):
    pending = wait_for_changes(directory)
    directory.close()
    assert pending.recv().status == STATUS_NOTIFY_CLEANUP


def test_a_client_may_leave_while_a_request_waits(connect, directory):
    wait_for_changes(directory)
    directory.tree.session.connection.close()
    assert connect().echo().status == STATUS_SUCCESS

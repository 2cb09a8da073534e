"""Handing over descriptors: what arrives, from whom, and what is refused."""

from __future__ import annotations

import array
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from messaging import fdpass
from messaging.errors import MessagingError
from messaging.fdpass import MAX_DATA, FdInbox, give


def _open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def inbox(tmp_path):
    made = FdInbox(str(tmp_path))
    yield made
    made.close()


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_the_descriptor_and_the_data_arrive(tmp_path, inbox, pipe):
    give(str(tmp_path), os.getpid(), pipe[0], b"belongs to it")
    passed = inbox.take(os.getpid())
    assert passed.data == b"belongs to it"
    assert passed.fd not in pipe
    os.write(pipe[1], b"x")
    assert os.read(passed.fd, 1) == b"x"
    assert not os.get_inheritable(passed.fd)
    os.close(passed.fd)
    assert inbox.take(os.getpid()) is None


def test_only_what_the_named_process_gave_is_taken(tmp_path, inbox, pipe):
    give(str(tmp_path), os.getpid(), pipe[0], b"")
    assert inbox.take(os.getpid() + 1) is None
    os.close(inbox.take(os.getpid()).fd)


def test_the_later_of_two_counts(tmp_path, inbox, pipe):
    give(str(tmp_path), os.getpid(), pipe[0], b"first")
    give(str(tmp_path), os.getpid(), pipe[1], b"second")
    passed = inbox.take(os.getpid())
    assert passed.data == b"second"
    os.close(passed.fd)


def test_datagrams_with_no_or_several_descriptors_are_dropped(tmp_path, inbox, pipe):
    path = str(fdpass.inbox_path(str(tmp_path), os.getpid()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(path)
        sender.send(b"nothing with it")
        rights = array.array("i", pipe)
        sender.sendmsg([b"two"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    before = _open_descriptors()
    assert inbox.take(os.getpid()) is None
    assert _open_descriptors() == before


def test_the_socket_is_closed_to_others(tmp_path, inbox):
    path = fdpass.inbox_path(str(tmp_path), os.getpid())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_directory_open_to_others_is_refused(tmp_path):
    (tmp_path / "msg").mkdir(mode=0o755)
    (tmp_path / "msg").chmod(0o755)
    with pytest.raises(MessagingError):
        FdInbox(str(tmp_path))


def test_nobody_there(tmp_path, pipe):
    with pytest.raises(MessagingError):
        give(str(tmp_path), os.getpid(), pipe[0], b"")


def _queue_length():
    return int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())


def test_more_than_the_queue_holds(tmp_path, inbox, pipe):
    with ThreadPoolExecutor(1) as pool:
        many = range(3 * _queue_length() + 3)
        given = pool.submit(lambda: [give(str(tmp_path), os.getpid(), pipe[0], b"", patience=60) for _ in many])
        while not given.done():
            passed = inbox.take(os.getpid())
            if passed is not None:
                os.close(passed.fd)
        assert len(given.result()) == len(many)


def test_a_receiver_that_never_takes(tmp_path, inbox, pipe):
    def fill():
        for _ in range(_queue_length() + 2):
            give(str(tmp_path), os.getpid(), pipe[0], b"", patience=0.01)

    with pytest.raises(MessagingError):
        fill()


def test_too_much_data(tmp_path, inbox, pipe):
    with pytest.raises(ValueError, match="possible"):
        give(str(tmp_path), os.getpid(), pipe[0], bytes(MAX_DATA + 1))


def test_closing_leaves_nothing_behind(tmp_path, pipe):
    before = _open_descriptors()
    inbox = FdInbox(str(tmp_path))
    give(str(tmp_path), os.getpid(), pipe[0], b"never taken")
    inbox.close()
    assert _open_descriptors() == before
    assert not fdpass.inbox_path(str(tmp_path), os.getpid()).exists()


def test_long_directories(tmp_path, pipe):
    deep = tmp_path / ("d" * 100)
    inbox = FdInbox(str(deep))
    try:
        give(str(deep), os.getpid(), pipe[0], b"far")
        passed = inbox.take(os.getpid())
        assert passed.data == b"far"
        os.close(passed.fd)
    finally:
        inbox.close()

"""The helper daemons: nothing is lost when a process is killed, be it a worker or a helper."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.process.smbd_support import by_title, eventually, log_text, logged_in, run, running_server, status
from vfs.constants import FILE_OPEN_IF

pytestmark = pytest.mark.slow

#: What the contract of cleanupd allows.
SECOND = 1.0


@pytest.fixture(scope="module")
def server():
    with running_server() as running:
        yield running
        running.check_alive()


@pytest.fixture
def busy(server):
    """A worker with a session, a tree connect and an open file; its pid."""
    with logged_in(server) as session:
        session.tree_connect("tmp").create("held", disposition=FILE_OPEN_IF)
        (one,) = status(server)["sessions"].values()
        yield int(one["server_id"]["pid"])
    eventually(lambda: not by_title(server, "client"))


def empty(server):
    shown = status(server)
    return not (shown["sessions"] or shown["tcons"] or shown["open_files"])


def raw_records(server):
    """Records of whatever owner, dead or alive, in the databases themselves."""
    done = run("smbstatus", server, "-j", "-f")
    assert done.returncode == 0
    return [key for key in ("sessions", "tcons", "open_files") if f'"{key}": {{}}' not in done.stdout]


def test_records_of_a_killed_worker_are_gone_within_a_second(server, busy):
    assert raw_records(server) == ["sessions", "tcons", "open_files"]
    os.kill(busy, signal.SIGKILL)
    killed = time.monotonic()
    lock = server.directory / "lock" / "msg.lock" / str(busy)
    eventually(lambda: not lock.exists(), SECOND)
    eventually(lambda: "records of process" in log_text(server), SECOND - (time.monotonic() - killed))
    assert raw_records(server) == []
    assert f"(pid {busy}) was killed by SIGKILL" in log_text(server)


@pytest.mark.parametrize("name", ["cleanupd", "control", "notifyd", "scavenger"])
def test_a_helper_that_is_killed_is_started_again(server, name):
    (old,) = by_title(server, name)
    os.kill(old, signal.SIGKILL)
    eventually(lambda: [pid for pid in by_title(server, name) if pid != old])
    destination = "smbd" if name == "control" else name
    eventually(lambda: run("smbcontrol", server, "-t", "2", destination, "ping").returncode == 0)


def test_a_worker_that_dies_while_cleanupd_is_dead_leaves_nothing(server, busy):
    (cleanupd,) = by_title(server, "cleanupd")
    os.kill(cleanupd, signal.SIGSTOP)
    os.kill(busy, signal.SIGKILL)
    eventually(lambda: f"(pid {busy}) was killed" in log_text(server))
    os.kill(cleanupd, signal.SIGKILL)
    eventually(lambda: raw_records(server) == [])


def test_a_clean_end_leaves_nothing_to_clean(server):
    with logged_in(server) as session:
        session.tree_connect("tmp").create("file", disposition=FILE_OPEN_IF)
        assert not empty(server)
    eventually(lambda: raw_records(server) == [])

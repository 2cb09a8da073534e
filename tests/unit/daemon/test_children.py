from __future__ import annotations

import logging
import os
import signal

import pytest

from smbd.children import WORKER, Child, Children, describe_status
from smbd.log_levels import NOTICE


def fork(code=0, by=0):
    pid = os.fork()
    if pid == 0:
        if by:
            os.kill(os.getpid(), by)
        os._exit(code)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "ended"),
        (3 << 8, "ended with exit code 3"),
        (signal.SIGTERM, "was killed by SIGTERM"),
        (signal.SIGSEGV | 0x80, "was killed by SIGSEGV, core dumped"),
    ],
)
def test_how_a_process_ended(status, text):
    assert describe_status(status) == text


def test_a_kill_is_guessed_at():
    assert "out of memory" in describe_status(signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "by", "clean", "level"),
    [(0, 0, True, logging.INFO), (1, 0, False, logging.ERROR), (0, signal.SIGTERM, False, NOTICE)],
)
def test_reaping(caplog, code, by, clean, level):
    caplog.set_level(1)
    children = Children()
    child = Child(fork(code, by), WORKER, "10.0.0.1")
    children.add(child)
    assert (len(children), children.num_workers) == (1, 1)
    (ended,) = children.reap()
    assert (ended.child, ended.clean) == (child, clean)
    assert (len(children), children.num_workers) == (0, 0)
    assert [record.levelno for record in caplog.records] == [level]
    assert children.reap() == []


def test_a_child_that_is_not_in_the_book_is_reaped_too(caplog):
    caplog.set_level(logging.INFO)
    pid = fork()
    assert Children().reap() == []
    assert f"unknown child {pid}" in caplog.text


def test_helpers_do_not_count_as_workers():
    children = Children()
    children.add(Child(fork(), "cleanupd"))
    assert children.num_workers == 0
    assert children.signal(signal.SIGTERM, lambda child: child.role == WORKER) == 0
    children.reap()

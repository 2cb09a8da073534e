"""Leases of the kernel behind oplocks, broken by programs that know nothing of the server.

Each test runs in a forked child: the kernel's signals must be blocked in all threads of the process, and in that of
the test runner they are not.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from messaging.server_id import ServerId
from smbd.eventloop import EventLoop
from tests.unit.vfs_fsa.support import ORDINARY, Share, found
from vfs.constants import FILE_OPEN_IF, FILE_SHARE_ALL
from vfs.fsa.close import close_file
from vfs.fsa.file_object import FileObject
from vfs.fsa.open import open_now
from vfs.fsa.params import OpenOwner, OpenParams
from vfs.locking import holding
from vfs.locking.breaks import BreakRequest, unpack_request
from vfs.locking.kernel_oplock import SIGNAL_LEASE, KernelOplocks
from vfs.locking.oplock import (
    LEASE_ALL,
    LEASE_NONE,
    OPLOCK_BATCH,
    OPLOCK_EXCLUSIVE,
    OPLOCK_LEASE,
    OPLOCK_LEVEL_II,
    OPLOCK_NONE,
    LeaseRequest,
)

_READ = "import sys; open(sys.argv[1], 'rb').close()"
_PATIENCE_S = 20.0


def in_child(test: Callable[[], None]) -> None:
    """Run `test` in a process that has one thread."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            test()
            code = 0
        except BaseException:  # noqa: BLE001 - the runner must not go on twice
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


class Backed:
    """A share with `kernel oplocks = yes` in an event loop."""

    def __init__(self, root: Path) -> None:
        self.loop = EventLoop()
        self.share = Share(root)
        self.asked: list[BreakRequest] = []
        self.share.modes.send_break = self._ask
        self.share.volume.options.level2_oplocks = False
        self.share.volume.kernel_oplocks = KernelOplocks(self.loop)
        self.number = 0

    def _ask(self, _owner: ServerId, payload: bytes) -> None:
        self.asked.append(unpack_request(payload))

    def open(self, level: int, lease: LeaseRequest | None = None) -> FileObject:
        self.number += 1
        owner = OpenOwner(ServerId(1), self.number, b"client", level, lease)
        params = OpenParams("f", ORDINARY, 0, FILE_SHARE_ALL, FILE_OPEN_IF)
        return found(open_now(self.share.volume, self.share.token, params, owner))

    def local_reader(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-S", "-c", _READ, str(self.share.root / "f")])

    def serve_until_asked(self) -> None:
        timer = self.loop.call_later(_PATIENCE_S, lambda: os.kill(os.getpid(), signal.SIGKILL))
        while not self.asked:
            self.loop.turn()
        timer.cancel()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


def is_leased(fo: FileObject) -> bool:
    return fcntl.fcntl(fo.fd, fcntl.F_GETLEASE) == fcntl.F_WRLCK


@pytest.mark.slow
@pytest.mark.parametrize("give_up", [lambda fo: holding.set_level(fo, OPLOCK_NONE), close_file])
def test_a_local_open_waits_until_the_oplock_is_given_up(
    root: Path, give_up: Callable[[FileObject], None]
) -> None:
    def test() -> None:
        backed = Backed(root)
        fo = backed.open(OPLOCK_BATCH)
        reader = backed.local_reader()
        backed.serve_until_asked()
        assert backed.asked == [BreakRequest(fo.file_id.key(), fo.owner.open_id, LEASE_NONE)]
        assert reader.poll() is None
        give_up(fo)
        assert reader.wait(_PATIENCE_S) == 0

    in_child(test)


@pytest.mark.parametrize("level", [OPLOCK_BATCH, OPLOCK_EXCLUSIVE])
def test_what_only_one_can_hold_is_backed(root: Path, level: int) -> None:
    def test() -> None:
        fo = Backed(root).open(level)
        assert fo.oplock is not None
        assert fo.oplock.level == level
        assert is_leased(fo)
        holding.set_level(fo, OPLOCK_NONE)
        assert fcntl.fcntl(fo.fd, fcntl.F_GETLEASE) == fcntl.F_UNLCK

    in_child(test)


def test_what_several_can_hold_is_not_granted(root: Path) -> None:
    def test() -> None:
        backed = Backed(root)
        assert backed.open(OPLOCK_LEVEL_II).oplock is None
        assert backed.open(OPLOCK_LEASE, LeaseRequest(b"k" * 16, LEASE_ALL)).oplock is None

    in_child(test)


def test_there_is_no_oplock_while_a_local_program_has_the_file_open(root: Path) -> None:
    def test() -> None:
        (root / "f").write_bytes(b"")
        with (root / "f").open("rb"):
            assert Backed(root).open(OPLOCK_BATCH).oplock is None

    in_child(test)


def test_a_late_signal_is_not_taken_for_one_of_the_next_lease(root: Path) -> None:
    def test() -> None:
        backed = Backed(root)
        assert is_leased(backed.open(OPLOCK_BATCH))
        os.kill(os.getpid(), SIGNAL_LEASE)
        os.kill(os.getpid(), signal.SIGIO)
        backed.loop.turn()
        assert backed.asked == []

    in_child(test)


def test_when_signals_were_lost_all_leases_are_looked_at(root: Path) -> None:
    def test() -> None:
        backed = Backed(root)
        fo = backed.open(OPLOCK_BATCH)
        with pytest.raises(BlockingIOError):
            os.open(root / "f", os.O_RDONLY | os.O_NONBLOCK)
        signal.sigwait({SIGNAL_LEASE})
        os.kill(os.getpid(), signal.SIGIO)
        backed.serve_until_asked()
        assert backed.asked[0].open_id == fo.owner.open_id

    in_child(test)

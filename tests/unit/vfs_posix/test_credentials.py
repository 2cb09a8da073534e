"""Identity switching, in forked children because it is the identity of the process."""

from __future__ import annotations

import os
import threading
import traceback

import pytest

from vfs.posix import credentials
from vfs.posix.backend import PosixBackend
from vfs.token import UnixToken

ALICE = UnixToken(10001, 10002, (10003, 10004))
BOB = UnixToken(20001, 20002, ())
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def in_child(function):
    """Run `function` in a child of its own; its failure is ours."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            credentials._state.__init__()
            function()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must not return
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def identity():
    return UnixToken(os.geteuid(), os.getegid(), tuple(os.getgroups()))


@root_only
def test_switches_and_comes_back():
    def body():
        for token in (ALICE, BOB, ALICE, ALICE):
            credentials.impersonate(token)
            assert identity() == token
            assert os.getresuid() == (0, token.uid, 0)
        assert credentials.statistics() == {"switches": 3}
        credentials.become_root()
        assert identity() == UnixToken(0, 0, ())

    in_child(body)


@root_only
def test_another_thread_has_an_identity_of_its_own():
    def body():
        credentials.impersonate(ALICE)
        seen = []

        def other():
            mine = credentials.ThreadIdentity()
            for token in (BOB, BOB, ALICE):
                mine.impersonate(token)
                seen.append(identity())
            seen.append(mine.switches)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert seen == [BOB, BOB, ALICE, 2]
        assert identity() == ALICE
        assert credentials.statistics() == {"switches": 1}

    in_child(body)


@root_only
def test_only_this_thread_changes():
    def body():
        seen = []
        go, done = threading.Event(), threading.Event()

        def other():
            go.wait()
            seen.append(os.geteuid())
            done.set()

        thread = threading.Thread(target=other)
        thread.start()
        credentials.impersonate(ALICE)
        go.set()
        done.wait()
        thread.join()
        assert seen == [0]

    in_child(body)


@root_only
def test_as_root_for_single_calls(tmp_path):
    tmp_path.chmod(0o777)
    path = tmp_path / "f"

    def body():
        credentials.impersonate(ALICE)
        with credentials.as_root():
            assert os.geteuid() == 0
            with credentials.as_root():
                assert os.geteuid() == 0
        assert identity() == ALICE
        with credentials.as_root():
            credentials.impersonate(BOB)
        assert identity() == ALICE

    in_child(body)
    assert not path.exists()


@root_only
def test_files_belong_to_the_user(tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / "private").mkdir(mode=0o700)
    backend = PosixBackend(str(tmp_path))

    def body():
        credentials.impersonate(ALICE)
        os.close(backend.open(b"mine", os.O_CREAT | os.O_RDWR, 0o600))
        stat = backend.stat_path(b"mine")
        assert (stat.uid, stat.gid) == ALICE[:2]
        fd = backend.open(b"mine", os.O_RDWR)
        with pytest.raises(PermissionError):
            backend.fsetxattr(fd, "security.NTACL", b"x")
        with credentials.as_root():
            backend.fsetxattr(fd, "security.NTACL", b"x")
        assert backend.fgetxattr(fd, "security.NTACL") == b"x"
        with pytest.raises(PermissionError):
            backend.open(b"private/x", os.O_CREAT | os.O_RDWR, 0o600)
        credentials.impersonate(BOB)
        with pytest.raises(PermissionError):
            backend.open(b"mine", os.O_RDONLY)

    in_child(body)
    backend.close()


@root_only
@pytest.mark.parametrize(
    "token", [UnixToken(0xFFFFFFFF, 1), UnixToken(1, 0xFFFFFFFF), UnixToken(-1, 1), UnixToken(1, 1, (-1,))]
)
def test_no_half_identity(token):
    def body():
        credentials.impersonate(ALICE)
        with pytest.raises(credentials.CredentialsError):
            credentials.impersonate(token)
        assert credentials.current() is None
        credentials.impersonate(ALICE)
        assert identity() == ALICE

    in_child(body)


def test_nothing_happens_without_root(monkeypatch):
    state = credentials.ThreadIdentity()
    state.enabled = False
    monkeypatch.setattr(credentials, "_state", state)
    before = identity()
    credentials.impersonate(ALICE)
    with credentials.as_root():
        assert identity() == before
    assert not credentials.can_switch()
    assert credentials.current() is None

"""The parent and its workers as processes: start, fork, reload, end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.process.smbd_support import (
    BIN,
    by_title,
    children,
    cmdline,
    eventually,
    log_text,
    logged_in,
    new_server,
    run,
    running_server,
)

pytestmark = pytest.mark.slow

HELPERS = [f"smbd: {name}" for name in ("cleanupd", "control", "notifyd", "scavenger")]


@pytest.fixture
def server():
    with running_server() as running:
        yield running


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), 5)


def test_titles_and_one_worker_per_connection(server):
    assert cmdline(server.pid) == "smbd: parent"
    assert sorted(map(cmdline, children(server.pid))) == HELPERS
    with connect(server), connect(server):
        eventually(lambda: len(by_title(server, "client [127.0.0.1]")) == 2)
    eventually(lambda: not by_title(server, "client"))


def test_terminate_ends_everything_in_order(server):
    pid_file = server.directory / "pid" / "smbd.pid"
    assert pid_file.read_text() == f"{server.pid}\n"
    with logged_in(server):
        family = children(server.pid)
        assert len(family) == len(HELPERS) + 1
        os.kill(server.pid, signal.SIGTERM)
        assert server._process.wait(10) == 0
    assert not pid_file.exists()
    assert [cmdline(pid) for pid in family] == [""] * len(family)
    assert list((server.directory / "lock" / "msg.lock").iterdir()) == []


def test_a_worker_that_hangs_is_killed(server):
    with connect(server):
        (worker,) = eventually(lambda: by_title(server, "client"))
        os.kill(worker, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGTERM)
        assert server._process.wait(15) == 0
    assert cmdline(worker) == ""
    assert "killed 1 processes" in log_text(server)


def test_children_end_with_a_parent_that_was_killed(server):
    with connect(server):
        eventually(lambda: by_title(server, "client"))
        family = children(server.pid)
        server._process.kill()
        server._process.wait()
        eventually(lambda: not any(map(cmdline, family)))
    # Its pid file is stale, which keeps nobody from starting.
    assert (server.directory / "pid" / "smbd.pid").exists()
    server.start()
    server.check_alive()


def test_a_second_server_says_why_it_cannot_start(server):
    done = run("smbd", server, "-F")
    assert done.returncode == 1
    assert f"already running: process {server.pid}" in done.stderr


def test_terminal_signals_do_not_reach_the_children(server):
    with connect(server):
        (worker,) = eventually(lambda: by_title(server, "client"))
        os.kill(worker, signal.SIGINT)
        os.kill(worker, signal.SIGHUP)
        eventually((server.directory / "log" / "log.127.0.0.1").exists)
        assert cmdline(worker)


def test_reload_and_a_broken_file(server):
    conf = server.conf
    server.conf_path.write_text(conf + "\n[second]\n path = /tmp\n read only = perhaps\n")
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: "stays" in log_text(server))
    line = len(conf.splitlines()) + 4
    assert re.search(rf"smb\.conf:{line}", log_text(server))
    with connect(server):
        eventually(lambda: by_title(server, "client"))
    server.conf_path.write_text(conf.replace("[global]", "[global]\n max smbd processes = 1"))
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: re.search(r"smb\.conf reloaded", log_text(server)))
    # Not only ended, but reaped: until then it counts.
    eventually(lambda: len(children(server.pid)) == len(HELPERS))
    with connect(server):
        eventually(lambda: by_title(server, "client"))
        with connect(server) as surplus:
            assert surplus.recv(1) == b""
    assert "max smbd processes = 1 is reached" in log_text(server)


def test_logs_are_opened_anew_on_hangup(server):
    log = server.directory / "log" / "log.smbd"
    eventually(log.exists)
    log.rename(log.with_name("moved"))
    os.kill(server.pid, signal.SIGHUP)
    eventually(log.exists)
    eventually(lambda: "reloaded" in log.read_text())


def test_a_worker_that_acts_as_its_user_opens_its_log_anew(server):
    with logged_in(server) as session:
        session.tree_connect("tmp").put("file", b"x")
        log = server.directory / "log" / "log.127.0.0.1"
        log.rename(log.with_name("moved"))
        (worker,) = by_title(server, "client")
        os.kill(worker, signal.SIGHUP)
        eventually(log.exists)
    eventually(lambda: "closed by the client" in log.read_text())


def test_hosts_deny_is_decided_by_the_worker(server):
    server.write_conf({"hosts deny": "127.0.0.1"})
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: "reloaded" in log_text(server))
    with connect(server) as sock:
        assert sock.recv(1) == b""
    eventually(lambda: "refused: hosts allow" in log_text(server, "log.127.0.0.1"))
    server.check_alive()


def test_many_connections_leave_no_zombie(server):
    for _ in range(20):
        connect(server).close()
    eventually(lambda: sorted(map(cmdline, children(server.pid))) == HELPERS)


def descriptors(pid):
    """Descriptor -> (what it leads to, open flags)."""
    found = {}
    process = Path(f"/proc/{pid}")
    for link in (process / "fd").iterdir():
        info = (process / "fdinfo" / link.name).read_text()
        found[int(link.name)] = (str(link.readlink()), int(re.search(r"flags:\s+(\d+)", info).group(1), 8))
    return found


def test_descriptors_of_a_worker(server):
    """Step 2 of the post-fork list: nothing of the parent's or of siblings' is left but databases and one pipe."""
    with connect(server), connect(server):
        workers = eventually(lambda: len(found := by_title(server, "client")) == 2 and found)
        eventually(lambda: all((server.directory / "lock" / "msg" / str(pid)).exists() for pid in workers))
        parents = {target for target, _ in descriptors(server.pid).values() if target.startswith(("pipe:", "socket:"))}
        for pid in [*workers, *by_title(server, "control"), *by_title(server, "cleanupd")]:
            mine = descriptors(pid).values()
            ((_, flags),) = [one for one in mine if one[0] in parents]
            assert flags & os.O_ACCMODE == os.O_RDONLY
            assert not [target for target, _ in mine if target.endswith("smbd.pid")]
            assert [target for target, _ in mine if target.endswith("locking.tdb")]
        first, second = ({target for target, _ in descriptors(pid).values()} for pid in workers)
        assert not [target for target in first & second if target.startswith("socket:")]


@pytest.fixture
def running():
    """A server that the test starts in its own way."""
    with new_server() as made:
        yield made


def test_interactive_serves_one_client_and_ends(running):
    command = [BIN / "smbd", "-i", "-s", running.conf_path]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        eventually((running.directory / "pid" / "smbd.pid").exists)
        eventually(lambda: can_log_in(running))
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "smbd version" in out
    assert not (running.directory / "pid" / "smbd.pid").exists()


def can_log_in(server):
    try:
        with logged_in(server):
            return True
    except ConnectionRefusedError:
        return False


def test_daemon_tells_its_caller_whether_it_started(running):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", running.port))
        taken.listen()
        failed = run("smbd", running, "-D")
        assert failed.returncode == 1
        assert "another program" in failed.stderr
    done = run("smbd", running)
    assert done.returncode == 0, done.stderr
    pid = int((running.directory / "pid" / "smbd.pid").read_text())
    try:
        assert os.getsid(pid) == pid
        connect(running).close()
    finally:
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not cmdline(pid))


def test_the_service_manager_is_told(running, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        command = [BIN / "smbd", "-F", "-s", running.conf_path]
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment) as process:
            ready = manager.recv(999)
            assert ready.startswith(b"READY=1\nMAINPID=%d" % process.pid)
            process.send_signal(signal.SIGHUP)
            assert manager.recv(999).startswith(b"RELOADING=1")
            assert manager.recv(999).startswith(b"READY=1")
            process.terminate()
            assert manager.recv(999).startswith(b"STOPPING=1")
            assert process.wait(10) == 0


def test_sigterm_while_clients_come(server):
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        connect(server).close()
    os.kill(server.pid, signal.SIGTERM)
    assert server._process.wait(10) == 0

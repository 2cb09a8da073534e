"""Several servers on one set of databases: those that understand each other, those that do not, and upgrades."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.process.smbd_support import BIN, children, cmdline, eventually, logged_in, new_server, run, running_server
from tests.protocol.durable import is_durable, new_guid, open_durable, reopen
from tests.servers import free_port
from tests.smbxcli import Connection, Offer, Session, StatusError
from vfs.ntstatus import STATUS_SHARING_VIOLATION

pytestmark = pytest.mark.slow

_OTHER_RELEASE = """
import sys
import smbd
from smbd.xsrv import version
smbd.__version__ = "99.1"
version.PROTOCOL_VERSION += {step}
from smbd.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def server():
    with running_server() as running:
        yield running


def other_release(step):
    """The command of a release whose protocol is `step` versions ahead."""
    return [sys.executable, "-c", _OTHER_RELEASE.format(step=step)]


def beside(server):
    """Options that let a second server run on the same databases as `server`, and its port."""
    port = free_port()
    pids = server.directory / "pid2"
    return port, ["-F", "-s", str(server.conf_path), "-p", str(port), "--option", f"pid directory={pids}"]


def start(*command):
    """Run smbd until it has started, or says why not."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def end(pid):
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not cmdline(pid))


@pytest.mark.parametrize("mode", [["-F"], ["-D"], ["-D", "--take-over"]])
def test_a_release_with_other_formats_is_refused(server, mode):
    done = start(*other_release(1), *mode, "-s", str(server.conf_path))
    assert done.returncode == 1
    assert f"process {server.pid}, which does not understand pysmbd 99.1: protocol (" in done.stderr
    assert "Stop that server first (smbcontrol smbd shutdown) and wait for its end, then start this one." in done.stderr
    assert "Traceback" not in done.stderr
    with logged_in(server) as session:
        session.tree_connect("tmp")


def test_it_starts_when_the_other_has_ended(server):
    end(server.pid)
    done = start(*other_release(1), "-D", "-s", str(server.conf_path))
    assert done.returncode == 0, done.stderr
    with logged_in(server):
        pass
    end(int((server.directory / "pid" / "smbd.pid").read_text()))


def test_a_release_with_the_same_formats_joins(server):
    port, options = beside(server)
    command = [*other_release(0), *options]
    with logged_in(server) as session, subprocess.Popen(command, stdin=subprocess.DEVNULL) as second:
        try:
            eventually(lambda: can_connect(port))
            mine = session.tree_connect("tmp").create("shared", disposition=2, share_access=0)
            with Connection.open("127.0.0.1", port, Offer()) as connection:
                tree = Session.login(connection, server.user, server.password).tree_connect("tmp")
                with pytest.raises(StatusError) as caught:
                    tree.create("shared")
                assert caught.value.status == STATUS_SHARING_VIOLATION
                mine.close()
                tree.create("shared").close()
        finally:
            second.send_signal(signal.SIGTERM)
            assert second.wait(20) == 0


def can_connect(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
        return True
    return False


@pytest.fixture
def manager(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"{tmp_path}/notify")
        receiver.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
        yield receiver


def told(manager):
    """The next thing that the service manager is told."""
    return dict(line.split("=", 1) for line in manager.recv(999).decode().split("\n"))


def test_within_a_service_of_systemd(manager):
    """The manager learns of the new main process before the old one ends, and never that the service would stop."""
    command = [str(BIN / "smbd"), "-F", "--no-process-group", "-s"]
    with new_server() as server, subprocess.Popen([*command, str(server.conf_path)]) as old:
        assert told(manager)["MAINPID"] == str(old.pid)
        old.send_signal(signal.SIGUSR2)
        new = int(told(manager)["MAINPID"])
        try:
            assert new != old.pid
            ready = told(manager)
            assert (ready["MAINPID"], ready["READY"]) == (str(new), "1")
            assert old.wait(20) == 0
            with logged_in(server):
                pass
        finally:
            end(new)
        assert told(manager)["STOPPING"] == "1"


def test_a_successor_that_cannot_start_changes_nothing(manager):
    with new_server() as server, subprocess.Popen(
        [str(BIN / "smbd"), "-F", "--no-process-group", "-s", str(server.conf_path)], stderr=subprocess.PIPE
    ) as old:
        try:
            assert told(manager)["READY"] == "1"
            server.conf_path.write_text("[global]\nsmb ports = none\n")
            old.send_signal(signal.SIGUSR2)
            assert any(b"smb.conf:2" in line for line in old.stderr)
            eventually(lambda: not any("--take-over" in cmdline(child) for child in children(old.pid)))
            with logged_in(server):
                pass
        finally:
            old.terminate()
        assert told(manager)["STOPPING"] == "1"
        assert old.wait(20) == 0


def test_taking_over_needs_no_predecessor():
    with new_server() as made:
        assert run("smbd", made, "-D", "--take-over").returncode == 0
        with logged_in(made):
            pass
        end(int((made.directory / "pid" / "smbd.pid").read_text()))


def test_another_server_on_the_port_is_still_an_error(server):
    _, options = beside(server)
    options[options.index("-p") + 1] = str(server.port)
    done = start(str(BIN / "smbd"), *options)
    assert done.returncode == 1
    assert "another program does" in done.stderr


def test_the_upgrade_of_a_node_keeps_durable_handles_and_refuses_nobody(server):
    guid, client = new_guid(), new_guid()
    connection = Connection.open("127.0.0.1", server.port, Offer(client_guid=client))
    session = Session.login(connection, server.user, server.password)
    file = open_durable(session.tree_connect("tmp"), "kept", guid=guid)
    assert is_durable(file)
    file.write(b"before")
    refused = []
    stop = threading.Event()

    def knock():
        while not stop.wait(0.005):
            try:
                socket.create_connection(("127.0.0.1", server.port), 5).close()
            except ConnectionRefusedError as error:
                refused.append(error)
            except OSError:
                pass  # accepted by a server that ended: the client connects again

    visitor = threading.Thread(target=knock)
    visitor.start()
    old = server.pid
    try:
        done = start(*other_release(0), "-D", "--take-over", "-s", str(server.conf_path))
    finally:
        connection.close()
        stop.set()
        visitor.join()
    assert done.returncode == 0, done.stderr
    new = int((server.directory / "pid" / "smbd.pid").read_text())
    try:
        assert new != old
        eventually(lambda: not cmdline(old))
        assert not refused
        with Connection.open("127.0.0.1", server.port, Offer(client_guid=client)) as again:
            tree = Session.login(again, server.user, server.password).tree_connect("tmp")
            taken_up = reopen(tree, "kept", file, guid=guid)
            assert taken_up.read(6) == b"before"
            taken_up.close()
    finally:
        end(new)

"""smbcontrol and smbstatus against a running server."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from tests.process.smbd_support import (
    by_title,
    children,
    eventually,
    log_text,
    logged_in,
    run,
    running_server,
    status,
)
from tests.smbxcli.errors import StatusError
from vfs.constants import FILE_OPEN_IF

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with running_server() as running:
        yield running
        running.check_alive()


@pytest.fixture
def session(server):
    with logged_in(server) as made:
        yield made
    eventually(lambda: not by_title(server, "client"))


def control(server, *arguments):
    return run("smbcontrol", server, "-t", "5", *arguments)


def test_ping_of_the_parent_by_name_and_pid(server):
    for destination in ("smbd", str(server.pid)):
        done = control(server, destination, "ping")
        assert (done.returncode, done.stdout) == (0, f"PONG from pid {server.pid}\n")


def test_ping_of_all(server, session):
    (worker,) = by_title(server, "client")
    helpers = [pid for name in ("cleanupd", "notifyd", "scavenger") for pid in by_title(server, name)]
    done = control(server, "all", "ping")
    answers = [f"PONG from pid {pid}" for pid in (server.pid, worker, *helpers)]
    assert sorted(done.stdout.splitlines()) == sorted(answers)


def test_num_children(server, session):
    assert control(server, "smbd", "num-children").stdout == f"{len(children(server.pid))} children\n"


def test_debug_reaches_workers_of_now_and_later(server, session):
    (worker,) = by_title(server, "client")
    assert control(server, "smbd", "debug", "4 auth:6").returncode == 0

    def levels(destination):
        return control(server, str(destination), "debuglevel").stdout

    eventually(lambda: "all:4" in levels(worker) and "all:4" in levels(server.pid))
    with logged_in(server):
        (later,) = set(by_title(server, "client")) - {worker}
        text = levels(later)
        assert text.startswith(f"PID {later}: all:4 ")
        assert "auth:6" in text
    # A reload goes back to the configuration.
    control(server, "all", "reload-config")
    eventually(lambda: "all:3" in levels(worker) and "all:3" in levels(server.pid))


def test_reload_makes_a_new_share(server, session):
    added = server.directory / "added"
    added.mkdir(exist_ok=True)
    with server.conf_path.open("a") as conf:
        conf.write(f"[added]\n path = {added}\n")
    assert control(server, "smbd", "reload-config").returncode == 0
    eventually(lambda: "reloaded" in log_text(server))
    eventually(lambda: try_tree(session, "added"))


def try_tree(session, share):
    try:
        return session.tree_connect(share)
    except StatusError:
        return None


def test_close_share(server, session):
    session.tree_connect("tmp")
    assert status(server)["tcons"]
    assert control(server, "smbd", "close-share", "tmp").returncode == 0
    eventually(lambda: not status(server)["tcons"])
    assert status(server)["sessions"]


def test_kill_client_ip(server, session):
    control(server, "smbd", "kill-client-ip", "10.9.9.9")
    control(server, "smbd", "ping")
    assert by_title(server, "client")
    assert control(server, "smbd", "kill-client-ip", "127.0.0.1").returncode == 0
    eventually(lambda: not by_title(server, "client"))


def test_shutdown_of_one_worker(server, session):
    (worker,) = by_title(server, "client")
    assert control(server, str(worker), "shutdown").returncode == 0
    eventually(lambda: not by_title(server, "client"))
    server.check_alive()


def test_shutdown_of_the_server():
    with running_server() as running:
        assert control(running, "smbd", "shutdown").returncode == 0
        assert running._process.wait(10) == 0


def test_smbstatus_shows_session_share_and_file(server, session):
    tree = session.tree_connect("tmp")
    tree.create("shown", disposition=FILE_OPEN_IF)
    shown = status(server)
    (worker,) = by_title(server, "client")
    (one,) = shown["sessions"].values()
    assert one["server_id"]["pid"] == str(worker)
    assert one["username"] == pwd.getpwuid(one["uid"]).pw_name == server.user
    assert (one["remote_machine"], one["session_dialect"]) == ("127.0.0.1", "SMB3_11")
    (tcon,) = shown["tcons"].values()
    assert (tcon["service"], tcon["session_id"]) == ("tmp", one["session_id"])
    ((path, file),) = shown["open_files"].items()
    assert path == f"{server.share_path('tmp')}/shown"
    info = Path(path).stat()
    assert file["fileid"] == {"devid": info.st_dev, "inode": info.st_ino, "extid": 0}
    text = run("smbstatus", server).stdout
    assert "Locked files:" in text
    assert f"{worker}" in text


def test_per_client_log(server, session):
    assert "log.127.0.0.1" in server.logs()
    assert "listening on" in log_text(server)

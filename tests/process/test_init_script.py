"""The LSB init script, run for real in a directory of its own."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.process.smbd_support import BIN, cmdline, eventually, new_server
from tests.servers import REPOSITORY

pytestmark = pytest.mark.slow

SCRIPT = REPOSITORY / "etc" / "init.d" / "smbd"


class Service:
    def __init__(self, server):
        self.server = server
        self.pid_file = server.directory / "pid" / "smbd.pid"
        self.environment = {
            "PATH": os.environ["PATH"],
            "SMBD": str(BIN / "smbd"),
            "CONF": str(server.conf_path),
            "PIDFILE": str(self.pid_file),
        }

    def __call__(self, *action, **environment):
        return subprocess.run(
            [str(SCRIPT), *action],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    @property
    def pid(self):
        return int(self.pid_file.read_text())


@pytest.fixture
def service():
    with new_server() as server:
        made = Service(server)
        yield made
        made("stop")


def test_life(service):
    assert service("status").returncode == 3
    assert service("stop").returncode == 0
    assert service("reload").returncode == 7
    started = service("start")
    assert started.returncode == 0, started.stderr
    assert service("status").returncode == 0
    pid = service.pid
    assert service("start").returncode == 0
    assert service.pid == pid
    assert service("reload").returncode == 0
    assert service("force-reload").returncode == 0
    assert service("restart").returncode == 0
    assert service.pid != pid
    assert service("stop").returncode == 0
    assert service("status").returncode == 3
    assert not service.pid_file.exists()


def test_a_server_takes_over(service):
    """With nothing to take over from it is a start."""
    assert service("take-over").returncode == 0
    old = service.pid
    assert service("take-over").returncode == 0
    assert service.pid != old
    eventually(lambda: not cmdline(old))
    assert service("status").returncode == 0
    service.server.conf_path.write_text("[global]\nsmb ports = none\n")
    assert service("take-over").returncode == 1
    assert service("status").returncode == 0


def test_a_crash_is_told_apart_and_no_obstacle(service):
    service("start")
    pid = service.pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not cmdline(pid))
    assert service("status").returncode == 1
    assert service("start").returncode == 0
    assert service("status").returncode == 0


def test_a_foreign_process_with_the_old_number_is_left_alone(service):
    with subprocess.Popen(["sleep", "60"]) as other:
        service.pid_file.write_text(f"{other.pid}\n")
        assert service("status").returncode == 1
        assert service("stop").returncode == 0
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize(
    ("action", "environment", "code"),
    [
        ((), {}, 2),
        (("dance",), {}, 2),
        (("start",), {"SMBD": "/nowhere/smbd"}, 5),
        (("start",), {"CONF": "/nowhere/smb.conf"}, 6),
    ],
)
def test_what_cannot_be_done(service, action, environment, code):
    done = service(*action, **environment)
    assert done.returncode == code
    assert done.stderr


def test_a_broken_configuration(service):
    service.server.conf_path.write_text("[global]\nsmb ports = none\n")
    done = service("start")
    assert done.returncode == 1
    assert "smb.conf:2" in done.stderr

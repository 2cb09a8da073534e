"""What scripts/run prints is printed when clients can connect, and only then."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process.smbd_support import BIN, logged_in, new_server
from tests.servers import REPOSITORY

pytestmark = pytest.mark.slow

ANNOUNCE = REPOSITORY / "scripts" / "announce.py"


@pytest.fixture
def server():
    with new_server() as made:
        yield made


def announced(server):
    """Start smbd with a text to announce."""
    text = server.directory / "text"
    text.write_text("it runs\n")
    command = [str(ANNOUNCE), str(BIN / "smbd"), "-F", "--no-process-group", "-s", str(server.conf_path)]
    shell = ["sh", "-c", f'exec "$@" 3<{text}', "sh", sys.executable]
    return subprocess.Popen([*shell, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_it_is_said_when_it_is_so(server):
    with announced(server) as daemon:
        try:
            assert daemon.stdout.readline() == b"it runs\n"
            with logged_in(server):
                pass
        finally:
            daemon.terminate()
        assert daemon.wait(20) == 0


def test_a_server_that_does_not_come_up_says_why(server):
    server.conf_path.write_text("[global]\nsmb ports = none\n")
    with announced(server) as daemon:
        out, errors = daemon.communicate(timeout=30)
    assert daemon.returncode == 1
    assert out == b""
    assert b"smb.conf:2" in errors

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from smbd.pidfile import PidFile, PidFileBusyError, running_pid

HOLD = """
import sys
from smbd.pidfile import PidFile
PidFile(sys.argv[1]).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "smbd.pid"


@pytest.fixture
def holder(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_acquire_and_release(path):
    file = PidFile(str(path))
    file.acquire()
    assert path.read_text() == f"{os.getpid()}\n"
    assert list(path.parent.iterdir()) == [path]
    file.release()
    assert not path.exists()
    file.release()


def test_a_living_holder_is_named(path, holder):
    with pytest.raises(PidFileBusyError) as caught:
        PidFile(str(path)).acquire()
    assert caught.value.pid == holder.pid
    assert str(holder.pid) in str(caught.value)
    assert running_pid(str(path)) == holder.pid
    assert path.read_text() == f"{holder.pid}\n"


def test_a_file_left_by_a_killed_process_is_taken_over(path, holder):
    holder.kill()
    holder.wait()
    assert path.exists()
    assert running_pid(str(path)) == 0
    PidFile(str(path)).acquire()
    assert path.read_text() == f"{os.getpid()}\n"


def test_a_number_of_another_living_process_is_no_holder(path):
    path.write_text("1\n")
    assert running_pid(str(path)) == 0
    PidFile(str(path)).acquire()
    assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("text", ["", "garbage", "-5"])
def test_damaged_content(path, text):
    path.write_text(text)
    assert running_pid(str(path)) == 0
    PidFile(str(path)).acquire()


def test_release_leaves_a_file_that_is_not_ours(path):
    file = PidFile(str(path))
    file.acquire()
    path.unlink()
    path.write_text("other\n")
    file.release()
    assert path.read_text() == "other\n"


def test_no_file_no_process(path):
    assert running_pid(str(path)) == 0


def test_a_directory_that_is_missing(path):
    with pytest.raises(FileNotFoundError):
        PidFile(str(path / "x" / "smbd.pid")).acquire()

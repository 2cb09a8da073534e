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
    return str(tmp_path / "smbd.pid")


@pytest.fixture
def holder(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def content(path):
    with open(path) as file:
        return file.read()


def test_acquire_and_release(path):
    file = PidFile(path)
    file.acquire()
    assert content(path) == f"{os.getpid()}\n"
    assert os.listdir(os.path.dirname(path)) == ["smbd.pid"]
    file.release()
    assert not os.path.exists(path)
    file.release()


def test_a_living_holder_is_named(path, holder):
    with pytest.raises(PidFileBusyError) as caught:
        PidFile(path).acquire()
    assert caught.value.pid == holder.pid
    assert str(holder.pid) in str(caught.value)
    assert running_pid(path) == holder.pid
    assert content(path) == f"{holder.pid}\n"


def test_a_file_left_by_a_killed_process_is_taken_over(path, holder):
    holder.kill()
    holder.wait()
    assert os.path.exists(path)
    assert running_pid(path) == 0
    PidFile(path).acquire()
    assert content(path) == f"{os.getpid()}\n"


def test_a_number_of_another_living_process_is_no_holder(path):
    with open(path, "w") as file:
        file.write("1\n")
    assert running_pid(path) == 0
    PidFile(path).acquire()
    assert content(path) == f"{os.getpid()}\n"


@pytest.mark.parametrize("text", ["", "garbage", "-5"])
def test_damaged_content(path, text):
    with open(path, "w") as file:
        file.write(text)
    assert running_pid(path) == 0
    PidFile(path).acquire()


def test_release_leaves_a_file_that_is_not_ours(path):
    file = PidFile(path)
    file.acquire()
    os.unlink(path)
    with open(path, "w") as other:
        other.write("other\n")
    file.release()
    assert content(path) == "other\n"


def test_no_file_no_process(path):
    assert running_pid(path) == 0


def test_a_directory_that_is_missing(path):
    with pytest.raises(FileNotFoundError):
        PidFile(path + "/x/smbd.pid").acquire()

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from messaging.server_id import (
    DISCONNECTED,
    UNIQUE_ID_NOT_TO_VERIFY,
    LockFile,
    ServerId,
    living_processes,
    new_server_id,
    parse_server_id,
    read_unique_id,
    remove_dead_lock_file,
    server_id_exists,
)


@pytest.mark.parametrize(
    ("server_id", "text"),
    [
        (ServerId(pid=1234), "1234"),
        (ServerId(pid=1234, task_id=5), "1234.5"),
        (ServerId(pid=1234, vnn=1), "1:1234"),
        (ServerId(pid=1234, task_id=5, vnn=1), "1:1234.5"),
        (DISCONNECTED, "disconnected"),
    ],
)
def test_printed_form(server_id: ServerId, text: str) -> None:
    assert str(server_id) == text
    assert parse_server_id(text) == server_id


@pytest.mark.parametrize("text", ["", "x", "1:", ":1", "1.", "1:2:3", "-1", "1.2.3", "²"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a server id"):
        parse_server_id(text)


def test_stored_form_is_an_array() -> None:
    for server_id in (ServerId(pid=1), DISCONNECTED):
        data = msgspec.msgpack.encode(server_id)
        assert msgspec.msgpack.decode(data, type=ServerId) == server_id
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(ServerId(pid=7))) == [7, 0, 0xFFFFFFFF, 0]


def test_life_and_end_of_a_lock_file(tmp_path: Path) -> None:
    directory = str(tmp_path)
    me = new_server_id()
    assert not server_id_exists(directory, me)
    lock = LockFile(directory, me)
    lock.publish()
    assert server_id_exists(directory, me)
    assert server_id_exists(directory, ServerId(pid=me.pid))
    assert server_id_exists(directory, ServerId(pid=me.pid, unique_id=UNIQUE_ID_NOT_TO_VERIFY))
    assert not server_id_exists(directory, ServerId(pid=me.pid, unique_id=me.unique_id ^ 1))
    assert living_processes(directory) == [me]
    assert not remove_dead_lock_file(directory, me.pid)
    assert Path(lock.path).stat().st_mode & 0o777 == 0o644
    lock.close()
    lock.close()
    assert not server_id_exists(directory, me)
    assert living_processes(directory) == []


def test_a_file_that_nobody_locks_is_no_life(tmp_path: Path) -> None:
    (tmp_path / "msg.lock").mkdir()
    (tmp_path / "msg.lock" / "4321").write_text("99\n")
    (tmp_path / "extra").write_text("")
    assert read_unique_id(str(tmp_path), 4321) is None
    assert not server_id_exists(str(tmp_path), ServerId(pid=4321, unique_id=99))
    assert remove_dead_lock_file(str(tmp_path), 4321, tmp_path / "extra")
    assert not (tmp_path / "extra").exists()
    assert list((tmp_path / "msg.lock").iterdir()) == []
    assert remove_dead_lock_file(str(tmp_path), 4321)


def test_a_check_that_fails_is_not_taken_for_a_death(tmp_path: Path) -> None:
    (tmp_path / "msg.lock").mkdir()
    (tmp_path / "msg.lock" / "4321").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        server_id_exists(str(tmp_path), ServerId(pid=4321))


def test_disconnected_exists_nowhere(tmp_path: Path) -> None:
    assert DISCONNECTED.is_disconnected()
    assert not server_id_exists(str(tmp_path), DISCONNECTED)


def test_identities_differ() -> None:
    first, second = new_server_id(), new_server_id()
    assert first.pid == os.getpid()
    assert not first.same_process(second)
    assert first.same_process(ServerId(pid=first.pid, task_id=3, unique_id=first.unique_id))

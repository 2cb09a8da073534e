from __future__ import annotations

import os

from smbd.logfile import LogFile


def test_rotates_to_old_at_its_size(tmp_path):
    path = tmp_path / "log"
    file = LogFile(str(path), max_size=10)
    file.write(b"12345678901\n")
    file.write(b"next\n")
    assert (tmp_path / "log.old").read_bytes() == b"12345678901\n"
    assert path.read_bytes() == b"next\n"


def test_a_second_writer_follows_a_rotation(tmp_path):
    path = tmp_path / "log"
    one, two = LogFile(str(path), max_size=10), LogFile(str(path), max_size=10)
    one.write(b"a" * 20 + b"\n")  # rotates
    two.write(b"late\n")  # still in the old file; sees that it is not the current one
    two.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "log.old").read_bytes().endswith(b"late\n")


def test_no_limit(tmp_path):
    file = LogFile(str(tmp_path / "log"))
    file.write(b"x" * 100_000)
    assert not (tmp_path / "log.old").exists()


def test_a_full_disk_is_no_error():
    file = LogFile("/dev/full")
    file.write(b"lost\n")
    file.write(b"lost too\n")
    assert file.lost == 2


def test_a_missing_directory_is_no_error_and_may_come_back(tmp_path):
    file = LogFile(str(tmp_path / "later" / "log"))
    file.write(b"lost\n")
    assert (file.lost, file.is_open) == (1, False)
    (tmp_path / "later").mkdir()
    file.write(b"found\n")
    assert (tmp_path / "later" / "log").read_bytes() == b"found\n"
    assert file.lost == 0


def test_a_symlink_in_place_of_the_log_is_not_followed(tmp_path):
    (tmp_path / "log").symlink_to(tmp_path / "victim")
    file = LogFile(str(tmp_path / "log"))
    file.write(b"x")
    assert not (tmp_path / "victim").exists()


def test_a_rotation_that_is_not_possible_keeps_the_file(tmp_path, monkeypatch):
    file = LogFile(str(tmp_path / "log"), max_size=1)

    def refuse(*_args, **_kwargs):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    file.write(b"one\n")
    file.write(b"two\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert file.lost == 0


def test_mode_of_a_new_file(tmp_path):
    old = os.umask(0)
    try:
        LogFile(str(tmp_path / "log"))
    finally:
        os.umask(old)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o644


def test_it_moves_with_the_first_message(tmp_path):
    file = LogFile(str(tmp_path / "log"))
    asked = []

    def path_of():
        asked.append(1)
        return str(tmp_path / "other")

    file.move_to(path_of)
    assert not asked
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    file.write(b"1")
    file.write(b"2")
    assert (tmp_path / "other").read_bytes() == b"12"
    assert not (tmp_path / "log").read_bytes()
    assert len(asked) == 1

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from smbd.tools import smbstatus, status_json, status_text
from smbd.tools.status_collect import Protection, Status, collect
from tests.unit.tools.conftest import NOON


def test_only_the_living_are_shown(server):
    directory, identity = server
    status = collect(directory)
    assert [one.server_id for one in status.sessions] == [identity]
    assert [one.service for one in status.tcons] == ["public"]
    assert [name for file in status.files for name, *_ in file.opens] == ["dir/f1"]
    assert len(collect(directory, fast=True).sessions) == 2


def test_tables(server):
    directory, identity = server
    status = collect(directory)
    sessions = list(status_text.sessions_table(status))
    assert sessions[2] == (
        "PID     Username     Group        Machine                                   Protocol Version  "
        "Encryption           Signing              "
    )
    assert sessions[3] == "-" * 136
    assert sessions[4].split() == [
        str(identity.pid), "root", "root", "10.0.0.7", "(ipv4:10.0.0.7:5000)", "SMB3_11",
        "partial(AES-128-GCM)", "AES-128-GMAC",
    ]  # fmt: skip
    tcons = list(status_text.tcons_table(status))
    assert len(tcons[1]) == len(tcons[2]) == 93
    assert tcons[3].startswith(f"public       {identity.pid!s:<7} 10.0.0.7      ")
    locks = list(status_text.locks_table(status))
    assert len(locks[2]) == len(locks[3]) == 98
    row = locks[4].split()
    assert row[:8] == [str(identity.pid), "0", "DENY_NONE", "0x12019f", "RDWR", "EXCLUSIVE", "/srv/public", "dir/f1"]


def test_numeric_ids(server):
    line = list(status_text.sessions_table(collect(server[0]), numeric=True))[4].split()
    assert line[1:3] == ["0", "0"]


def test_json_keys(server):
    directory, identity = server
    status = collect(directory)
    who = {
        "pid": str(identity.pid),
        "task_id": "0",
        "vnn": "4294967295",
        "unique_id": str(identity.unique_id),
    }
    (session,) = status_json.sessions(status).values()
    assert session["server_id"] == who
    assert session["encryption"] == {"cipher": "AES-128-GCM", "degree": "partial"}
    assert session["signing"] == {"cipher": "AES-128-GMAC", "degree": "full"}
    assert (session["remote_machine"], session["hostname"]) == ("10.0.0.7", "ipv4:10.0.0.7:5000")
    (tcon,) = status_json.tcons(status).values()
    assert tcon["encryption"] == {"cipher": "-", "degree": "none"}
    (path, file), = status_json.open_files(status).items()
    assert path == "/srv/public/dir/f1"
    assert file["fileid"] == {"devid": 9, "inode": 101, "extid": 0}
    (key, one), = file["opens"].items()
    assert key == f"{identity.pid}/3"
    assert (one["sharemode"]["text"], one["access_mask"]["text"], one["caching"]["text"]) == ("RWD", "RW", "RW")
    assert one["oplock"] == {
        "EXCLUSIVE": True, "BATCH": False, "LEVEL_II": False, "LEASE": False, "text": "EXCLUSIVE",
    }  # fmt: skip
    assert one["lease"] == {}
    assert datetime.fromisoformat(one["opened_at"]).timestamp() == NOON / 1e9


def test_header_of_the_json():
    made = status_json.header("/x/smb.conf", datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert list(made) == ["timestamp", "version", "smb_conf"]
    assert datetime.strptime(made["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")


@pytest.mark.parametrize(
    ("share", "text"), [(7, "DENY_NONE"), (3, "DENY_NONE"), (1, "DENY_WRITE"), (2, "DENY_READ"), (4, "DENY_ALL")]
)
def test_deny_mode(share, text):
    assert status_text.deny_mode(share) == text


def test_protection_text():
    assert str(Protection()) == "-"
    assert str(Protection("AES-128-GCM", "full")) == "AES-128-GCM"
    assert str(Protection("AES-128-GCM", "partial")) == "partial(AES-128-GCM)"


@pytest.fixture
def conf(tmp_path, server):
    path = tmp_path / "smb.conf"
    path.write_text(f"[global]\nlock directory = {server[0]}\n")
    return str(path)


@pytest.mark.parametrize(
    ("flags", "keys"),
    [
        ([], ["sessions", "tcons", "open_files"]),
        (["-p"], ["sessions"]),
        (["-b"], ["sessions"]),
        (["-S"], ["tcons"]),
        (["-L"], ["open_files"]),
        (["-B"], ["sessions", "tcons", "open_files", "byte_range_locks"]),
    ],
)
def test_flags_choose_the_parts(conf, capsys, flags, keys):
    assert smbstatus.main(["-s", conf, "-j", *flags]) == 0
    out = json.loads(capsys.readouterr().out)
    assert list(out)[3:] == keys
    assert out["smb_conf"] == conf


def test_user_filter(conf, capsys):
    smbstatus.main(["-s", conf, "-j", "-u", "nobody"])
    out = json.loads(capsys.readouterr().out)
    assert (out["sessions"], out["tcons"], out["open_files"]) == ({}, {}, {})
    smbstatus.main(["-s", conf, "-j", "-u", "ROOT"])
    assert len(json.loads(capsys.readouterr().out)["sessions"]) == 1


def test_a_server_that_never_ran(tmp_path, capsys):
    path = tmp_path / "smb.conf"
    path.write_text(f"[global]\nlock directory = {tmp_path}/none\n")
    assert smbstatus.main(["-s", str(path)]) == 0
    assert "No locked files" in capsys.readouterr().out
    assert collect(str(tmp_path / "none")) == Status()


def test_a_configuration_that_is_not_there(tmp_path, capsys):
    assert smbstatus.main(["-s", str(tmp_path / "none.conf")]) == 1
    assert "none.conf" in capsys.readouterr().err

"""The version gate: who may use the databases of a lock directory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from messaging.dbwrap.memory import MemoryDb
from smbd.xsrv import version
from smbd.xsrv.databases import open_databases
from smbd.xsrv.version import VERSION_CODEC, DatabaseVersionError, ServerVersion, VersionGlobal, formats

_OTHER_SERVER = """
import sys
from smbd.xsrv import databases, version
version.PROTOCOL_VERSION += 1
databases.open_databases(sys.argv[1]).join("9.9")
"""


def alive():
    """A process that lives as long as this one, and its start time."""
    return os.getppid(), version._start_time(os.getppid())


def database(*servers):
    db = MemoryDb("smbXsrv_version_global", lock_order=1)
    db.store(version._KEY, VERSION_CODEC.encode(VersionGlobal(list(servers))))
    return db


def servers_of(db):
    return VERSION_CODEC.decode(db.parse(version._KEY)).servers


def test_servers_with_the_same_formats_join(tmp_path):
    pid, start = alive()
    db = database(ServerVersion(pid, start, "1.0", formats()))
    assert version.join(db, str(tmp_path), "1.1") == [pid]
    assert [(one.pid, one.software_version) for one in servers_of(db)] == [(pid, "1.0"), (os.getpid(), "1.1")]


@pytest.mark.parametrize(
    ("theirs", "difference"),
    [
        ({"locking": 99}, f"locking (99 there, {formats()['locking']} here)"),
        ({"something": 1}, "something (1 there, none here)"),
    ],
)
def test_a_server_with_other_formats_is_refused(tmp_path, theirs, difference):
    pid, start = alive()
    db = database(ServerVersion(pid, start, "1.0", formats() | theirs))
    before = db.parse(version._KEY)
    with pytest.raises(DatabaseVersionError) as caught:
        version.join(db, str(tmp_path), "1.1")
    assert difference in str(caught.value)
    assert f"in use by pysmbd 1.0, process {pid}" in str(caught.value)
    assert db.parse(version._KEY) == before


@pytest.mark.parametrize("start_time", [0, -2])
def test_a_server_that_has_ended_does_not_count(tmp_path, start_time):
    pid, _ = alive()
    db = database(ServerVersion(pid, start_time, "1.0", {"locking": 99}))
    assert version.join(db, str(tmp_path), "1.1") == []
    assert [one.pid for one in servers_of(db)] == [os.getpid()]


def test_joining_twice_enters_once(tmp_path):
    db = database()
    version.join(db, str(tmp_path), "1.0")
    version.join(db, str(tmp_path), "1.0")
    assert len(servers_of(db)) == 1


def test_a_record_of_another_kind_is_no_traceback(tmp_path):
    db = MemoryDb("smbXsrv_version_global", lock_order=1)
    db.store(version._KEY, b"\x01nothing that is known")
    with pytest.raises(DatabaseVersionError, match="Stop that server first"):
        version.join(db, str(tmp_path), "1.0")


@pytest.mark.slow
def test_a_server_that_has_ended_is_in_nobodys_way(tmp_path):
    subprocess.run([sys.executable, "-c", _OTHER_SERVER, str(tmp_path)], check=True, timeout=30)
    open_databases(str(tmp_path)).join("1.0")


@pytest.mark.slow
def test_a_server_that_runs_keeps_others_out(tmp_path):
    opened = open_databases(str(tmp_path))
    opened.join("1.0")
    refused = subprocess.run(
        [sys.executable, "-c", _OTHER_SERVER, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode
    assert "Stop that server first" in refused.stderr

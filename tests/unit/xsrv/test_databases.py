"""The version gate: who may use the databases of a lock directory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from smbd.xsrv import databases
from smbd.xsrv.databases import DATABASE_VERSION, DatabaseVersionError, open_databases

_OTHER_SERVER = """
import sys
from smbd.xsrv import databases
databases.DATABASE_VERSION += 1
databases.open_databases(sys.argv[1]).check_version("9.9")
"""


def test_servers_of_one_version_agree(tmp_path):
    opened = open_databases(str(tmp_path))
    opened.check_version("1.0")
    opened.check_version("1.1")


def test_a_server_with_other_formats_is_refused(tmp_path, monkeypatch):
    opened = open_databases(str(tmp_path))
    opened.check_version("1.0")
    monkeypatch.setattr(databases, "DATABASE_VERSION", DATABASE_VERSION + 1)
    with pytest.raises(DatabaseVersionError, match=rf"pysmbd 1\.0 with database version {DATABASE_VERSION}"):
        opened.check_version("2.0")
    monkeypatch.undo()
    opened.check_version("1.0")  # the refused server has changed nothing


@pytest.mark.slow
def test_a_server_that_has_ended_is_in_nobodys_way(tmp_path):
    subprocess.run([sys.executable, "-c", _OTHER_SERVER, str(tmp_path)], check=True, timeout=30)
    open_databases(str(tmp_path)).check_version("1.0")


@pytest.mark.slow
def test_a_server_that_runs_keeps_others_out(tmp_path):
    opened = open_databases(str(tmp_path))
    opened.check_version("1.0")
    refused = subprocess.run(
        [sys.executable, "-c", _OTHER_SERVER, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode
    assert "stop that server first" in refused.stderr

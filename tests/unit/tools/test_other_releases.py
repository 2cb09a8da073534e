"""The tools beside a server of another release: a clear word, or what there is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from messaging.dbwrap import tdb
from smbd.tools import dbcheck, smbstatus
from smbd.xsrv import version


@pytest.fixture(params=[smbstatus.main, dbcheck.main], ids=["smbstatus", "dbcheck"])
def tool(request, server, capsys):
    """Runs the tool as a process of its own would: nothing is open yet."""
    directory, _ = server

    def run():
        for db in tdb.open_databases():
            db.close()
        code = request.param(["--option", f"lock directory={directory}", "-s", "/dev/null"])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def test_a_server_of_other_formats_is_named(tool, monkeypatch):
    monkeypatch.setattr(version, "PROTOCOL_VERSION", version.PROTOCOL_VERSION + 1)
    code, out, err = tool()
    assert (code, out) == (1, "")
    assert f"in use by pysmbd test, process {os.getpid()}" in err
    assert "Use the tools of that server's release." in err


@pytest.mark.parametrize("name", ["smbXsrv_replay_global", "brlock"])
def test_a_database_that_the_server_has_not_is_empty(tool, server, name):
    Path(server[0], f"{name}.tdb").unlink()
    _, out, err = tool()
    assert "10.0.0.7" in out or f"{name}.tdb: 0 records, ok" in out
    assert err == ""

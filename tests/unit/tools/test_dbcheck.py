"""dbcheck on the databases of a living and a dead process."""

from messaging.dbwrap import tdb
from smbd.tools import dbcheck
from smbd.xsrv.databases import open_databases
from smbd.xsrv.table import key_of
from tests.unit.tools.conftest import GONE


def run(directory, capsys):
    code = dbcheck.main(["--option", f"lock directory={directory}", "-s", "/dev/null"])
    return code, capsys.readouterr().out


def test_what_the_dead_left_is_reported(server, capsys):
    directory, _ = server
    code, out = run(directory, capsys)
    assert code == dbcheck.EXIT_BAD
    assert f"tree connect 0x2: {GONE} is gone" in out
    assert "tree connect 0x1" not in out
    assert "locking.tdb: 2 records, ok" in out


def test_after_the_dead_are_buried_all_is_well(server, capsys):
    directory, _ = server
    databases = open_databases(directory)
    databases.sessions.remove(2)
    databases.tcons.remove(2)
    for record in list(databases.locking.traverse_read()):
        if record[0][8] == 102:
            databases.locking.delete(record[0])
    code, out = run(directory, capsys)
    assert code == dbcheck.EXIT_OK, out


def test_a_record_that_nobody_can_read_is_reported(server, capsys):
    directory, _ = server
    open_databases(directory).tcons.db.store(key_of(7), b"\x01garbage")
    code, out = run(directory, capsys)
    assert code == dbcheck.EXIT_BAD
    assert "smbXsrv_tcon_global.tdb: 3 records, 1 bad" in out
    assert tdb.open_databases()

"""The parent's rehearsal: it gets through, and leaves nothing behind."""

import gc
from pathlib import Path
from types import FunctionType

import pytest

from smbd import preload, rehearsal
from smbd.auth.passdb import Passdb
from smbd.config.loadparm import load_config
from smbd.xsrv.databases import open_databases


@pytest.fixture
def server(tmp_path):
    """Yield what a parent has before its first fork, on state of its own."""
    (tmp_path / "lock").mkdir()
    (tmp_path / "private").mkdir(mode=0o700)
    conf = tmp_path / "smb.conf"
    conf.write_text(f"[global]\nlock directory = {tmp_path}/lock\nprivate dir = {tmp_path}/private\n")
    return load_config(str(conf), ()), open_databases(f"{tmp_path}/lock"), Passdb.open(f"{tmp_path}/private")


def test_it_gets_through_and_leaves_nothing_behind(server, tmp_path, monkeypatch):
    config, databases, passdb = server
    monkeypatch.setattr(rehearsal, "_TIMES", 2)
    played = []
    play = rehearsal.RehearsalClient.play

    def note(client, share):
        play(client, share)
        played.append(share)

    monkeypatch.setattr(rehearsal.RehearsalClient, "play", note)
    before = {entry.name for entry in Path("/proc/self/fd").iterdir()}
    here = Path.cwd()
    rehearsal.rehearse(config, databases, passdb, bytes(16), 0)
    assert len(played) == 3
    assert Path.cwd() == here
    assert {entry.name for entry in Path("/proc/self/fd").iterdir()} == before
    for table in (databases.sessions, databases.tcons, databases.opens):
        assert not list(table.items())
    assert not list(databases.clients.traverse_read())
    assert not list(databases.share_modes.traverse())
    assert not list((tmp_path / "lock" / "msg").iterdir())
    assert not list((tmp_path / "lock" / "msg.lock").iterdir())
    assert not (tmp_path / "lock" / "rehearsal").exists()


def test_a_failure_is_no_obstacle(server, monkeypatch):
    config, databases, passdb = server

    def fail(_client, _share):
        raise OSError("no network")

    monkeypatch.setattr(rehearsal.RehearsalClient, "play", fail)
    rehearsal.rehearse(config, databases, passdb, bytes(16), 0)


def test_code_that_ran_is_copied_once_and_still_runs():
    def counted():
        return 42

    code = counted.__code__
    rehearsal._gather({id(code)})
    assert counted.__code__ is not code
    assert counted.__code__ == code
    assert counted() == 42
    others = [thing for thing in gc.get_objects() if type(thing) is FunctionType and thing.__code__ is code]
    assert not others


def test_objects_made_after_the_filling_come_from_fresh_pools():
    preload.fill_pools()
    made = [bytes(300) for _ in range(20)]
    pools = {id(thing) // preload._POOL_SIZE for thing in made}
    assert len(pools) <= 2

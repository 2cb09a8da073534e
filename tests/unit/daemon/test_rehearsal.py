"""The parent's rehearsal: it gets through, and leaves nothing behind."""

import gc
import logging
import os
import signal
from pathlib import Path

import pytest

from smbd import log, rehearsal
from smbd.auth.passdb import Passdb
from smbd.config.loadparm import load_config
from smbd.confsource import ConfigSource
from smbd.postfork import Inheritance
from smbd.xsrv.databases import open_databases


@pytest.fixture
def inherit(tmp_path):
    """Yield what makes a worker's inheritance, from state of its own; the only address allowed is not ours."""
    for name in ("lock", "private"):
        (tmp_path / name).mkdir(mode=0o700)
    conf = tmp_path / "smb.conf"
    conf.write_text(
        f"[global]\nlock directory = {tmp_path}/lock\nprivate dir = {tmp_path}/private\n"
        f"log file = {tmp_path}/log.%m\nhosts allow = 192.0.2.1\n"
    )
    config, databases = load_config(str(conf), ()), open_databases(f"{tmp_path}/lock")
    passdb = Passdb.open(f"{tmp_path}/private")
    life, other = os.pipe()
    yield lambda mask: Inheritance(
        ConfigSource(str(conf)), config, databases, passdb, bytes(16), 0, os.getppid(), life, mask, ()
    )
    os.close(life)
    os.close(other)


def _state():
    return (
        [signal.getsignal(number) for number in signal.valid_signals()],
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        gc.get_threshold(),
        Path.cwd(),
        log.path_in_force(),
        {entry.name for entry in Path("/proc/self/fd").iterdir()},
    )


def test_it_gets_through_and_leaves_nothing_behind(inherit, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "smbd.rehearsal")
    monkeypatch.setattr(rehearsal, "_TIMES", 2)
    served = []
    run_worker = rehearsal.run_worker

    def note(inherited, sock, address):
        served.append(run_worker(inherited, sock, address))
        return served[-1]

    monkeypatch.setattr(rehearsal, "run_worker", note)
    databases = inherit(set()).databases
    before = _state()
    rehearsal.rehearse(inherit)
    assert not [record for record in caplog.records if record.name == "smbd.rehearsal"]
    assert served == [0, 0, 0]
    assert _state() == before
    for table in (databases.sessions, databases.tcons, databases.opens):
        assert not list(table.items())
    assert not list(databases.clients.traverse_read())
    assert not list(databases.share_modes.traverse())
    assert not list((tmp_path / "lock" / "msg").iterdir())
    assert not list((tmp_path / "lock" / "msg.lock").iterdir())
    assert not (tmp_path / "lock" / "rehearsal").exists()
    assert not list(tmp_path.glob("log.*"))


def test_a_failure_is_no_obstacle(inherit, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "smbd.rehearsal")

    def fail(_client, _share):
        raise OSError("no network")

    monkeypatch.setattr(rehearsal, "_TIMES", 2)
    monkeypatch.setattr(rehearsal.RehearsalClient, "play", fail)
    before = _state()
    rehearsal.rehearse(inherit)
    assert "the client ended with 1" in caplog.text
    assert _state() == before

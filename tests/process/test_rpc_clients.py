"""Samba's own tools list shares and translate names over a real connection."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ALICE, PASSWORD, Server, server_class

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("rpcclient") is None, reason="smbclient is not installed"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kind = server_class()
    if why := kind.unavailable():
        pytest.skip(why)
    shares = {
        "tmp": {"comment": "scratch space"},
        "unseen": {"browseable": "no"},
        # Many, so that an answer takes several fragments.
        **{f"share{number:03}": {"path": "DIR/tmp", "comment": "x" * 40} for number in range(200)},
    }
    with kind(tmp_path_factory.mktemp("rpc") / "server", shares=shares) as running:
        yield running


def run(server: Server, *command: str) -> str:
    account = ["-p", str(server.port), "-U", f"{ALICE}%{PASSWORD}"]
    done = subprocess.run([*command, *account], capture_output=True, text=True, timeout=30, check=False, cwd=Path.cwd())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("protection", ["off", "encrypt"])
def test_smbclient_lists_shares(server: Server, protection: str) -> None:
    listing = run(server, "smbclient", f"--client-protection={protection}", "-g", "-L", "127.0.0.1")
    lines = listing.splitlines()
    assert "Disk|tmp|scratch space" in lines
    assert sum(line.startswith("Disk|share") for line in lines) == 200
    assert any(line.startswith("IPC|IPC$|IPC Service") for line in lines)
    assert "unseen" not in listing


def test_rpcclient_asks_every_service(server: Server) -> None:
    commands = "srvinfo;netshareenumall;netsharegetinfo tmp;wkssvc_wkstagetinfo 100;lsaquery;getusername;dsroledominfo"
    answer = run(server, "rpcclient", "127.0.0.1", "-c", commands)
    for expected in (
        "os version      :\t6.1",
        "netname: share199",
        "Domain Name: TEST",
        f"Account Name: {ALICE}",
        "Machine Role = [2]",
    ):
        assert expected in answer


def test_names_and_sids_translate_both_ways(server: Server) -> None:
    found = run(server, "rpcclient", "127.0.0.1", "-c", f"lookupnames {ALICE}")
    sid = found.split()[1]
    assert sid.startswith("S-1-5-21-")
    back = run(server, "rpcclient", "127.0.0.1", "-c", f"lookupsids {sid} S-1-1-0")
    assert f"{sid} ANCHOR\\{ALICE} (1)" in back
    assert "S-1-1-0 \\Everyone (5)" in back

"""smbpasswd and pdbedit as an administrator runs them, against a private directory of their own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

USER = "daemon"
NAMES = ("daemon", "bin", "sys", "games")
PASSWORD = "Secret1"
HASH = "ED50BDC9FAA370E31AC4EE119FD51F48"
SAMBA_PDBEDIT = shutil.which("pdbedit", path="/usr/bin:/usr/sbin")
SAMBA_SMBPASSWD = shutil.which("smbpasswd", path="/usr/bin:/usr/sbin")


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "smb.conf"
    directories = "".join(
        f"{name} directory = {tmp_path}/{name}\n" for name in ("lock", "state", "cache", "pid")
    )
    path.write_text(f"[global]\nnetbios name = toolsrv\nprivate dir = {tmp_path}/private\n{directories}")
    return path


class Tools:
    """The two tools with one configuration."""

    def __init__(self, conf: Path) -> None:
        self.conf = str(conf)

    def run(self, tool: str, *arguments: str, stdin: str = "", status: int = 0) -> str:
        option = "-c" if tool == "smbpasswd" else "-s"
        command = [sys.executable, "-m", f"smbd.tools.{tool}"]
        result = subprocess.run(
            [*command, option, self.conf, *arguments],
            input=stdin, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "TZ": "UTC"},
        )  # fmt: skip
        assert result.returncode == status, result.stderr + result.stdout
        return result.stdout if status == 0 else result.stderr

    def smbpasswd(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        return self.run("smbpasswd", *arguments, stdin=stdin, status=status)

    def pdbedit(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        return self.run("pdbedit", *arguments, stdin=stdin, status=status)

    def add(self, name: str = USER) -> str:
        return self.smbpasswd("-s", "-a", name, stdin=f"{PASSWORD}\n{PASSWORD}\n")


@pytest.fixture
def tools(conf: Path) -> Tools:
    return Tools(conf)


def test_smbpasswd(tools: Tools, tmp_path: Path) -> None:
    assert tools.add() == "Added user daemon.\n"
    for name in ("passdb.tdb", "secrets.tdb"):
        assert stat.S_IMODE((tmp_path / "private" / name).stat().st_mode) == 0o600
    line = tools.pdbedit("-L", "-w")
    assert line.startswith(f"daemon:1:{'X' * 32}:{HASH}:[U          ]:LCT-")
    assert tools.smbpasswd("-d", "DAEMON") == "Disabled user daemon.\n"
    assert "[DU         ]" in tools.pdbedit("-Lw")
    assert tools.smbpasswd("-e", USER) == "Enabled user daemon.\n"
    assert tools.smbpasswd("-s", USER, stdin="x\nx\n") == ""
    assert HASH not in tools.pdbedit("-Lw")
    assert tools.smbpasswd("-n", USER) == "User daemon password set to none.\n"
    assert "NO PASSWORDXXXXXXXXXXXXXXXXXXXXX" in tools.pdbedit("-Lw")
    assert tools.smbpasswd("-x", USER) == "Deleted user daemon.\n"
    assert tools.pdbedit("-L") == ""


def test_smbpasswd_refusals(tools: Tools) -> None:
    assert tools.smbpasswd("-d", USER, status=1) == "Failed to find entry for user daemon.\n"
    assert "Mismatch" in tools.smbpasswd("-s", "-a", USER, stdin="a\nb\n", status=1)
    assert "Failed to find" in tools.smbpasswd("-s", USER, stdin="a\na\n", status=1)
    if os.geteuid() == 0:
        assert "no such Unix user" in tools.smbpasswd("-s", "-a", "no-unix-user", stdin="a\na\n", status=1)


def test_readable_database_is_refused(tools: Tools, tmp_path: Path) -> None:
    tools.add()
    (tmp_path / "private" / "passdb.tdb").chmod(0o644)
    assert "0600" in tools.pdbedit("-L", status=255)


def test_broken_configuration(tools: Tools, conf: Path) -> None:
    conf.write_text("[global]\nmap to guest = Sometimes\n")
    assert "smb.conf" in tools.pdbedit("-L", status=255)


def test_pdbedit(tools: Tools) -> None:
    text = tools.pdbedit("-a", "-t", "-u", USER, "-f", "A Daemon", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert "Full Name:            A Daemon\n" in text
    assert tools.pdbedit("-L") == "daemon:1:A Daemon\n"
    text = tools.pdbedit("-r", "-u", USER, "-c", "[DX]", "-K", "1900000000", "-N", "some words")
    assert "Account Flags:        [DUX        ]\n" in text
    assert "Kickoff time:         Sun, 17 Mar 2030 17:46:40 UTC\n" in text
    assert tools.pdbedit("-L", "-v", USER) == text
    assert tools.pdbedit(USER) == text
    assert "does it already exist" in tools.pdbedit("-a", "-t", USER, stdin="a\na\n", status=255)
    assert "Can only set [NDHLX] flags" in tools.pdbedit("-r", USER, "-c", "[W]", status=255)
    assert "Invalid hash" in tools.pdbedit("-r", USER, "--set-nt-hash", "00", status=255)
    assert "Username not found!" in tools.pdbedit("-L", "nosuch", status=255)
    assert tools.pdbedit("-x", USER) == ""
    assert "does not exist" in tools.pdbedit("-x", USER, status=255)
    assert "usage" in tools.pdbedit(status=1).lower()


def test_many_at_once(tools: Tools) -> None:
    """Every account gets a relative id of its own, whoever was first."""
    command = [sys.executable, "-m", "smbd.tools.smbpasswd", "-c", tools.conf, "-s", "-a"]
    children = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in NAMES
    ]
    for child in children:
        child.communicate("x\nx\n", timeout=60)
        assert child.returncode == 0
    lines = [line for line in tools.pdbedit("-Lv").splitlines() if line.startswith("User SID:")]
    assert sorted(line.rpartition("-")[2] for line in lines) == ["1000", "1001", "1002", "1003"]


@pytest.mark.skipif(
    not SAMBA_PDBEDIT or not SAMBA_SMBPASSWD or os.geteuid() != 0, reason="needs Samba's tools and root"
)
def test_layouts_are_those_of_samba(tools: Tools, conf: Path, tmp_path: Path) -> None:
    other = tmp_path / "samba.conf"
    other.write_text(conf.read_text().replace("/private", "/samba-private"))
    (tmp_path / "samba-private").mkdir()
    for name in ("lock", "state", "cache", "pid"):
        (tmp_path / name).mkdir(exist_ok=True)

    def samba(*command: str | None, stdin: str = "") -> str:
        arguments = [argument for argument in command if argument is not None]
        environment = {**os.environ, "TZ": "UTC"}
        return subprocess.run(
            arguments, input=stdin, capture_output=True, text=True, timeout=60, check=True, env=environment
        ).stdout

    tools.add()
    samba(SAMBA_SMBPASSWD, "-c", str(other), "-s", "-a", USER, stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert tools.pdbedit("-L") == samba(SAMBA_PDBEDIT, "-s", str(other), "-L")
    ours = tools.pdbedit("-Lw").split(":")
    theirs = samba(SAMBA_PDBEDIT, "-s", str(other), "-Lw").split(":")
    assert ours[:5] + ours[6:] == theirs[:5] + theirs[6:]
    ours = tools.pdbedit("-L", "-v").splitlines()
    theirs = samba(SAMBA_PDBEDIT, "-s", str(other), "-L", "-v").splitlines()
    # Times differ by when it was done, SIDs by the server, and "never" is a day of 2036 to Samba.
    differing = ("SID", "time", "Password")
    for our, their in zip(ours, theirs, strict=True):
        if any(word in our for word in differing):
            assert our[:22] == their[:22]
        else:
            assert our == their

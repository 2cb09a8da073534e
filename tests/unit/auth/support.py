"""A server's authentication context without a server: accounts in memory, a configuration from a text."""

from __future__ import annotations

from pathlib import Path

from messaging.dbwrap.memory import MemoryDb
from smbd.auth.context import AuthContext
from smbd.auth.passdb import Passdb, SamAccount
from smbd.config.loadparm import load_config
from vfs.sid import Sid

DOMAIN_SID = Sid("S-1-5-21-1-2-3")
NOW = 1_800_000_000.0
PASSWORD = "Secret1"


def make_passdb(*names: str) -> Passdb:
    passdb = Passdb(MemoryDb(), DOMAIN_SID)
    for name in names:
        account = SamAccount(username=name)
        account.set_password(PASSWORD, NOW - 1000)
        passdb.add(account)
    return passdb


def make_context(
    directory: Path, text: str = "", *, users: tuple[str, ...] = ("daemon",), as_root: bool = True
) -> AuthContext:
    """A context whose clock stands still; "daemon" and "root" are users that every system has."""
    path = directory / "smb.conf"
    path.write_text(f"[global]\nnetbios name = testsrv\n{text}\n")
    config = load_config(str(path))
    return AuthContext(config, make_passdb(*users), client_address="192.0.2.1", as_root=as_root, clock=lambda: NOW)

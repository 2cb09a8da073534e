"""A server without a network for the tests of pipes: real configuration, accounts and databases in a directory."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

from impacket.dcerpc.v5.rpcrt import DCERPC_v5
from impacket.dcerpc.v5.transport import DCERPCTransport

from smbd.auth.context import AuthContext
from smbd.auth.passdb import Passdb, SamAccount
from smbd.auth.session_info import SessionInfo
from smbd.config.loadparm import load_config
from smbd.rpc import open_pipe
from smbd.rpc.context import RpcContext
from smbd.rpc.pipe import Pipe
from smbd.xsrv.databases import open_databases
from vfs.ntstatus import STATUS_BUFFER_OVERFLOW
from vfs.sid import SID_BUILTIN_ADMINISTRATORS
from vfs.token import SecurityToken

USER = pwd.getpwuid(os.getuid()).pw_name

_SMB_CONF = """
[global]
  workgroup = TEST
  netbios name = ANCHOR
  server string = a test
  private dir = {dir}
  lock directory = {dir}
[tmp]
  path = /srv/tmp
  comment = for %U
[hidden]
  path = /srv/hidden
  browseable = no
[admin$]
  path = /srv/admin
  max connections = 7
[restricted]
  path = /srv/restricted
  valid users = nobody-of-that-name
  access based share enum = yes
[cached]
  path = /srv/cached
  csc policy = programs
  hide unreadable = yes
[homes]
  browseable = no
  comment = Home
"""


class Environment:
    """Configuration, accounts and databases, with one account for the user who runs the tests."""

    def __init__(self, directory: Path) -> None:
        path = directory / "smb.conf"
        path.write_text(_SMB_CONF.format(dir=directory))
        config = load_config(path)
        passdb = Passdb.open(str(directory))
        account = SamAccount(username=USER, rid=1000)
        passdb.add(account)
        self.domain_sid = passdb.domain_sid()
        auth = AuthContext(config, passdb)
        self.context = RpcContext(config, auth, open_databases(str(directory)), "192.0.2.1")
        self.user_sid = self.domain_sid.child(1000)

    def session(self, *, administrator: bool = False, **changes: Any) -> SessionInfo:
        """A session of the user."""
        sids = (SID_BUILTIN_ADMINISTRATORS,) if administrator else ()
        token = SecurityToken(self.user_sid, sids, uid=os.getuid(), gid=os.getgid())
        values = {"user_name": USER, "domain": "ANCHOR", "token": token, "unix_name": USER, "requested_name": USER}
        return SessionInfo(**(values | changes))

    def pipe(self, name: str, session: SessionInfo | None = None) -> Pipe:
        return open_pipe(name, self.context, session or self.session())

    def client(self, name: str, interface: Any, session: SessionInfo | None = None, fragment: int = 0) -> DCERPC_v5:
        """impacket, bound to an interface on a pipe."""
        client = DCERPC_v5(PipeTransport(self.pipe(name, session)))
        client.connect()
        client.bind(interface)
        if fragment:
            client.set_max_fragment_size(fragment)
        return client


class PipeTransport(DCERPCTransport):
    """impacket's view of a pipe that is an object in the same process."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__("127.0.0.1", 0)
        self.pipe = pipe

    def connect(self) -> bool:
        return True

    def disconnect(self) -> bool:
        return True

    def send(self, data: bytes, forceWriteAndx: int = 0, forceRecv: int = 0) -> None:  # noqa: N803
        self.pipe.write(bytes(data))

    def recv(self, forceRecv: int = 0, count: int = 0) -> bytes:  # noqa: N803
        return message(self.pipe, count or 4096)


def message(pipe: Pipe, size: int = 100) -> bytes:
    """Read one message in small bites."""
    whole = b""
    while True:
        data, status = pipe.read(size)
        whole += data
        if status != STATUS_BUFFER_OVERFLOW:
            return whole

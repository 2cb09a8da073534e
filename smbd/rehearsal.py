"""The parent serves a client of its own a few times before it forks, so that its workers find everything warm.

The interpreter writes to code when it runs: the first calls of a function replace its instructions by specialised
ones, look-ups number the types and fill caches. Each of these writes would cost each worker a copy of a page of the
parent's. After the rehearsal they are done, and the workers share the pages: a quarter less memory and a fifth
less time for each connection.

Everything is real but the account and the share: a database of accounts that knows this one, and an empty directory.
Nothing is logged. When something fails, workers are a little slower, and that is all.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

from messaging.bus import Bus
from messaging.server_id import new_server_id
from smbd.auth.passdb import Passdb, SamAccount
from smbd.auth.password import NT_HASH_LENGTH
from smbd.auth.unix_user import process_user
from smbd.config.loadparm import Config
from smbd.context import ServerContext
from smbd.eventloop import EventLoop
from smbd.preload import fill_pools
from smbd.rehearsal_client import RehearsalClient
from smbd.smb2.breaks import Breaks
from smbd.smb2.receive import Receiver
from smbd.xsrv.client import Client
from smbd.xsrv.databases import Databases
from vfs.posix import credentials

_log = logging.getLogger(__name__)

#: The interpreter specialises a function at its eighth call.
_TIMES: Final = 10
_SHARE: Final = "rehearsal"
#: Modules that touch nothing but the share; others may talk to the world.
_MODULES: Final = ("acl_xattr", "streams_xattr")
_RECEIVE: Final = 65536


class _OneAccount(Passdb):
    """A database that knows one account."""

    def __init__(self, domain: Passdb, account: SamAccount) -> None:
        self._domain_sid = domain.domain_sid()
        self.account = account

    def get(self, name: str) -> SamAccount | None:
        """Return the account if its name is asked for."""
        return self.account if name == self.account.username else None


def rehearse(config: Config, databases: Databases, passdb: Passdb, server_guid: bytes, start_time: int) -> None:
    """Serve a client of our own; see above."""
    directory = Path(config.globals.lock_directory, _SHARE)
    account = SamAccount(
        username=process_user().name, rid=1, nt_hash=os.urandom(NT_HASH_LENGTH), pass_last_set=int(time.time())
    )
    logging.disable(logging.CRITICAL)
    failure: Exception | None = None
    # Listings change the working directory, and a foreground server has paths relative to its own.
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        with_share = _with_share(config, str(directory))
        accounts = _OneAccount(passdb, account)
        used: set[int] = set()
        sys.setprofile(lambda frame, _event, _argument: used.add(id(frame.f_code)))
        try:
            _serve_once(with_share, databases, accounts, server_guid, start_time)
        finally:
            sys.setprofile(None)
        gc.collect()
        fill_pools()
        _gather(used)
        for _ in range(_TIMES):
            _serve_once(with_share, databases, accounts, server_guid, start_time)
    except Exception as error:  # noqa: BLE001 - it was only a rehearsal
        failure = error
    finally:
        logging.disable(logging.NOTSET)
        credentials.become_root()
        databases.watch(None)
        os.fchdir(here)
        os.close(here)
        shutil.rmtree(directory, ignore_errors=True)
    if failure is not None:
        _log.info("rehearsal: %r", failure)


def _gather(used: set[int]) -> None:
    """Put the code that ran side by side in memory: its reference counts change, page by page, in each worker.

    Args:
        used: the identities of the code objects.
    """
    functions = [thing for thing in gc.get_objects() if type(thing) is FunctionType and id(thing.__code__) in used]
    codes = {id(code): code for code in (function.__code__ for function in functions)}
    copies: dict[int, CodeType] = {identity: code.replace() for identity, code in codes.items()}
    for function in functions:
        function.__code__ = copies[id(function.__code__)]


def _with_share(config: Config, path: str) -> Config:
    defaults = config.globals.share_defaults
    share = defaults.but(
        name=_SHARE,
        path=path,
        read_only=False,
        available=True,
        hosts_allow=(),
        hosts_deny=(),
        valid_users=(),
        invalid_users=(),
        vfs_objects=tuple(name for name in defaults.vfs_objects if name in _MODULES),
    )
    return Config(config.path, config.files, config.globals, [share], ())


def _serve_once(
    config: Config, databases: Databases, accounts: _OneAccount, server_guid: bytes, start_time: int
) -> None:
    loop = EventLoop()
    bus = Bus(config.globals.lock_directory, new_server_id(), loop)
    theirs, ours = _connected()
    try:
        ctx = ServerContext(
            config, loop, bus, bus.server_id, databases, accounts, server_guid=server_guid, start_time=start_time
        )
        client = Client(ctx, Breaks)
        connection = client.add_connection(ours)
        connection.transport.start(Receiver(connection))

        def exchange(frame: bytes) -> bytes:
            theirs.sendall(frame)
            while True:
                loop.turn()
                with suppress(BlockingIOError):
                    return theirs.recv(_RECEIVE)

        theirs.setblocking(False)
        try:
            RehearsalClient(exchange, accounts.account).play(_SHARE)
        finally:
            credentials.become_root()
            client.reception.close()
            client.close("the rehearsal is over")
    finally:
        theirs.close()
        ours.close()
        bus.close()
        loop.close()


def _connected() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection with ourselves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, address = listener.accept()
    if address != theirs.getsockname():
        theirs.close()
        ours.close()
        raise ConnectionAbortedError("somebody else was faster")
    return theirs, ours

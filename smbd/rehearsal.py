"""The parent serves a client of its own a few times before it forks, so that its workers find everything warm.

The interpreter writes to code when it runs: the first calls of a function replace its instructions by specialised
ones, look-ups number the types and fill caches. Each of these writes would cost each worker a copy of a page of the
parent's. After the rehearsal they are done, and the workers share the pages.

The parent plays a worker from the steps after the fork to the end, and takes back what these changed of it; the
client is a process of its own. Everything is real but the account and the share: a database of accounts that knows
this one, and an empty directory. Nothing is logged. When something fails, workers are a little slower, and that is all.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from smbd import log
from smbd.auth.passdb import Passdb, SamAccount
from smbd.auth.password import NT_HASH_LENGTH
from smbd.auth.private_file import open_private
from smbd.auth.unix_user import process_user
from smbd.config.loadparm import Config
from smbd.gather import gather
from smbd.holes import fill_holes
from smbd.postfork import Inheritance, SignalMask
from smbd.rehearsal_client import RehearsalClient
from smbd.worker import run_worker
from vfs.posix import credentials

_log = logging.getLogger(__name__)

#: The interpreter specialises a function at its eighth call.
_TIMES: Final = 10
_SHARE: Final = "rehearsal"
#: Modules that touch nothing but the share; others may talk to the world.
_MODULES: Final = ("acl_xattr", "streams_xattr")
_RECEIVE: Final = 65536
#: Seconds that the client waits for an answer.
_PATIENCE: Final = 5.0


#: What the standard library does in every forked child. In a process of one thread it changes nothing.
_AFTER_FORK: Final = ((threading, "_after_fork"), (logging, "_after_at_fork_child_reinit_locks"))


def rehearse(inherit: Callable[[SignalMask], Inheritance]) -> None:
    """Serve a client of our own; see above.

    Args:
        inherit: makes what a worker gets from the parent.
    """
    failure: Exception | None = None
    with _process_as_before() as mask:
        inherited = inherit(mask)
        directory = Path(inherited.config.globals.lock_directory, _SHARE)
        try:
            _play(inherit, mask, directory)
        except Exception as error:  # noqa: BLE001 - it was only a rehearsal
            failure = error
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            inherited.databases.watch(None)
            if inherited.databases.persistent is not None:
                inherited.databases.persistent.serve(None)
    if failure is not None:
        _log.info("rehearsal: %r", failure)


@contextmanager
def _process_as_before() -> Iterator[SignalMask]:
    """Take back what a worker changes of its process; signals wait meanwhile."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    wakeup_fd = signal.set_wakeup_fd(-1)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    path, thresholds = log.path_in_force(), gc.get_threshold()
    # Listings change the working directory, and a foreground server has paths relative to its own.
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    logging.disable(logging.CRITICAL)
    try:
        yield signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        logging.disable(logging.NOTSET)
        credentials.become_root()
        os.fchdir(here)
        os.close(here)
        gc.set_threshold(*thresholds)
        log.move_to(lambda: path)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _play(inherit: Callable[[SignalMask], Inheritance], mask: SignalMask, directory: Path) -> None:
    inherited = inherit(mask)
    shutil.rmtree(directory, ignore_errors=True)
    share = directory / "share"
    share.mkdir(mode=0o700, parents=True)
    account = SamAccount(
        username=process_user().name, nt_hash=os.urandom(NT_HASH_LENGTH), pass_last_set=int(time.time())
    )
    with ExitStack() as stack:
        accounts = open_private(str(directory), "passdb.tdb")
        stack.callback(accounts.close)
        passdb = Passdb(accounts, inherited.passdb.domain_sid())
        passdb.add(account)
        theirs, ours = [], []
        for _ in range(1 + _TIMES):
            client, server = _connected()
            theirs.append(stack.enter_context(client))
            ours.append(stack.enter_context(server))
        pid = _fork_client(account, theirs, ours)
        try:
            for sock in theirs:
                sock.close()
            config = _with_share(inherited.config, str(share))
            _serve(lambda: replace(inherit(mask), config=config, passdb=passdb, not_mine=()), ours)
        finally:
            for sock in ours:
                sock.close()
            _, status = os.waitpid(pid, 0)
    if status != 0:
        raise ChildProcessError(f"the client ended with {os.waitstatus_to_exitcode(status)}")


def _serve(inherit: Callable[[], Inheritance], connections: list[socket.socket]) -> None:
    """Be a worker for each connection in turn."""
    used: set[int] = set()
    sys.setprofile(lambda frame, _event, _argument: used.add(id(frame.f_code)))
    try:
        for sock in connections:
            for module, name in _AFTER_FORK:
                getattr(module, name, int)()
            run_worker(inherit(), sock, sock.getpeername())
            if used:
                sys.setprofile(None)
                gc.collect()
                fill_holes()
                gather(used)
                used.clear()
    finally:
        sys.setprofile(None)


def _fork_client(account: SamAccount, connections: list[socket.socket], others: list[socket.socket]) -> int:
    """Start the client, which has one session on each connection; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for sock in others:
            sock.close()
        for sock in connections:
            with sock:
                sock.settimeout(_PATIENCE)
                RehearsalClient(partial(_exchange, sock), account).play(_SHARE)
        code = 0
    finally:
        os._exit(code)


def _exchange(sock: socket.socket, frame: bytes) -> bytes:
    sock.sendall(frame)
    return sock.recv(_RECEIVE)


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
    # The client comes from an address that may not be allowed.
    params = config.globals.but(share_defaults=defaults.but(hosts_allow=(), hosts_deny=()))
    return Config(config.path, config.files, params, [share], ())


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

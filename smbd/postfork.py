"""What a forked child does before anything else, in this order.

 1. Signals: no handler of the parent stays, no byte goes to the parent's wake-up pipe. They stay blocked until 7.
 2. Descriptors: the listeners, the pid file, the siblings' channels and the parent's ends of pipes are closed.
 3. Databases: every TDB is reopened, because locks are not inherited; so is the journal of persistent handles.
 4. Process title.
 5. Log: the file of this client (%m).
 6. Garbage collector: what the parent made was frozen; collections are made rare.
 7. Event loop; its signal handlers are set, then signals are let in, but for those of `kernel oplocks`.
 8. The parent's death is watched: the read end of a pipe whose only writer is the parent.
 9. Server id and bus: the lock file, the socket. From here on the others see the process.

The steps 1 to 8 are `enter`, 9 is `join_bus`: the caller registers its message handlers next. Sources of random
numbers need nothing: `random` is seeded anew by the fork itself, the others are the kernel's.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from setproctitle import setproctitle

from messaging.bus import Bus
from messaging.dbwrap.tdb import reopen_all
from messaging.server_id import new_server_id
from smbd import log
from smbd.auth.passdb import Passdb
from smbd.config.loadparm import Config
from smbd.config.substitute import SubstContext
from smbd.confsource import ConfigSource
from smbd.eventloop import EventLoop
from smbd.xsrv.databases import Databases
from vfs.locking import kernel_oplock
from vfs.posix.credentials import as_root

#: Allocations between collections of the youngest generation: requests make few cycles.
_GC_THRESHOLD: Final = 50_000

#: Signals of a terminal: meant for the parent, which ends the children in order.
_TERMINAL_SIGNALS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

#: What `signal.pthread_sigmask` returns.
SignalMask = set[int | signal.Signals]


@dataclass(slots=True)
class Inheritance:
    """What the parent hands to a child.

    Attributes:
        source, config: the configuration and where it comes from.
        databases, passdb: opened by the parent.
        server_guid, start_time: of the server as a whole.
        parent_pid: the parent.
        life_fd: end of file on it means that the parent is gone.
        signal_mask: the mask to go back to once the child has its own handlers.
        not_mine: descriptors that the child has to close: of the parent and of its other children. The objects around
            them stay as they are, and stay: nothing of the parent's is freed in a child.
    """

    source: ConfigSource
    config: Config
    databases: Databases
    passdb: Passdb
    server_guid: bytes
    start_time: int
    parent_pid: int
    life_fd: int
    signal_mask: SignalMask
    not_mine: Sequence[int]


def enter(
    inherited: Inheritance,
    title: str,
    context: SubstContext | None,
    *,
    on_terminate: Callable[[], None],
    on_hangup: Callable[[], None],
    on_orphaned: Callable[[], None],
) -> EventLoop:
    """Make a forked copy of the parent a process of its own: steps 1 to 8 of the list above.

    Args:
        inherited: what comes from the parent.
        title: process title, without the program's name.
        context: what the variables in `log file` stand for; None for a process without a client.
        on_terminate: called from the loop on SIGTERM.
        on_hangup: called from the loop on SIGHUP.
        on_orphaned: called from the loop when the parent is gone.

    Returns:
        The event loop of the process.

    Raises:
        DbError: a database cannot be reopened.
    """
    # 1
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # TERM and HUP get theirs in 7
    for signum in (*_TERMINAL_SIGNALS, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_IGN)
    # 2
    for fd in inherited.not_mine:
        os.close(fd)
    # 3
    reopen_all()
    if inherited.databases.persistent is not None:
        inherited.databases.persistent.serve(None)
    # 4
    setproctitle(f"smbd: {title}")
    # 5
    # All else is as in the parent, smbcontrol's levels included.
    log.move_to(partial(log.path_of, inherited.config, context))
    # 6
    gc.set_threshold(_GC_THRESHOLD)
    gc.enable()
    # 7
    loop = EventLoop()
    loop.add_signal(signal.SIGTERM, on_terminate)
    loop.add_signal(signal.SIGHUP, on_hangup)
    # Those that a signalfd receives stay blocked, in the threads to come as well.
    signal.pthread_sigmask(signal.SIG_SETMASK, inherited.signal_mask | kernel_oplock.SIGNALS)
    # 8
    life_fd = inherited.life_fd

    def orphaned() -> None:
        loop.remove_reader(life_fd)
        on_orphaned()

    loop.add_reader(life_fd, orphaned)
    return loop


def join_bus(inherited: Inheritance, loop: EventLoop) -> Bus:
    """Step 9: take an identity and a place on the bus.

    Raises:
        MessagingError: the lock directory is not fit.
        OSError: files cannot be made.
    """
    return Bus(inherited.config.globals.lock_directory, new_server_id(), loop, as_root)


class OwnedFd:
    """A bare descriptor and whether it is open."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Close it; harmless the second time."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

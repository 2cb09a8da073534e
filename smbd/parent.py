"""The parent process: listens, accepts, forks one worker per connection, reaps, reloads, ends everything in order.

Between its forks the parent holds no ZeroMQ context, no thread, no locked record and no epoll descriptor, because none
of these may cross a fork. It waits in poll(2); signal handlers only write a byte to a socket pair. What is said to the
parent on the bus comes through the helper `smbd.daemons.control`.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn

from setproctitle import setproctitle

import smbd
from smbd import log
from smbd.auth.passdb import Passdb
from smbd.children import WORKER, Child, Children, Ended
from smbd.config.loadparm import Config
from smbd.confsource import ConfigSource
from smbd.control import set_levels
from smbd.daemons import channel
from smbd.daemons.channel import Answer, ChildEnded, Message, Order, Question
from smbd.daemons.helper import run_helper
from smbd.daemons.supervisor import Supervisor
from smbd.holes import fill_holes
from smbd.listen import bind_all
from smbd.log_levels import NOTICE
from smbd.pidfile import PidFile, running_pid
from smbd.postfork import Inheritance, OwnedFd, SignalMask
from smbd.preload import warm_up
from smbd.rehearsal import rehearse
from smbd.sdnotify import Notifier
from smbd.successor import Successor
from smbd.worker import client_address, run_worker
from smbd.xsrv.databases import Databases
from smbd.xsrv.recovery import restore

_log = logging.getLogger(__name__)

#: Connections accepted in one turn, so that signals and helpers get theirs.
_ACCEPT_BATCH: Final = 16
#: Pause after `accept` or `fork` found no resources: a retry at once would only burn the processor.
_EXHAUSTED_PAUSE: Final = 0.5
#: What workers and helpers get to end in order before they are killed.
WORKER_GRACE: Final = 5.0
HELPER_GRACE: Final = 2.0

_QUEUED_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)
#: Seconds that a server which is stopped may need beside waiting for its children.
_LAST_STEPS: Final = 5.0
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Parent:
    """The state of the parent process.

    Args:
        source: where the configuration comes from.
        config: loaded from it.
        databases, passdb: opened.
        server_guid, start_time: of this server.
        interactive: serve the first connection in this very process, then end (``-i``).
    """

    def __init__(
        self,
        source: ConfigSource,
        config: Config,
        databases: Databases,
        passdb: Passdb,
        *,
        server_guid: bytes,
        start_time: int,
        interactive: bool = False,
    ) -> None:
        self._source = source
        self._config = config
        self._databases = databases
        self._passdb = passdb
        self._server_guid = server_guid
        self._start_time = start_time
        self._interactive = interactive
        self._listeners: list[socket.socket] = []
        self._accepting = False
        self._accept_again = 0.0
        self._children = Children()
        self._supervisor = Supervisor(self._fork_helper)
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._notifier = Notifier()
        self._successor = Successor()
        self._pid_file: PidFile | None = None
        self._stopping = False
        self._for_workers: Inheritance | None = None
        # Children hold the read end: it becomes readable when the last writer, this process, is gone.
        life_read, life_write = os.pipe2(os.O_CLOEXEC)
        self._life_read, self._life_write = OwnedFd(life_read), OwnedFd(life_write)
        self._wake_read, self._wake_write = socket.socketpair()

    # -- start -------------------------------------------------------------------------------------------

    def start(self, pid_file: PidFile, *, take_over: bool = False) -> None:
        """Take the pid file and bind: from now on clients can connect, and are served as soon as `run` is called.

        Args:
            pid_file: shows that this is the server.
            take_over: bind beside the server that holds the pid file, and stop it, instead of giving up. Its clients
                connect again, and find their durable handles: the databases are never without a server.

        Raises:
            ListenError: cannot listen.
            DbError: the persistent handles of the server before cannot be read.
            PidFileBusyError: another server runs.
            OSError: the pid file cannot be made.
        """
        predecessor = running_pid(pid_file.path) if take_over else 0
        if not predecessor:
            pid_file.acquire()
        try:
            if not predecessor:
                self._restore_handles()
            self._listeners = bind_all(self._config, beside=bool(predecessor))
        except BaseException:
            pid_file.release()
            raise
        self._pid_file = pid_file
        self._queue_signals()
        warm_up()
        if not self._interactive:
            rehearse(self._inheritance)
        setproctitle("smbd: parent")
        gc.collect()
        fill_holes()
        gc.freeze()  # what exists now is shared with all workers: no collection may touch (and so copy) it
        if predecessor:
            _log.log(NOTICE, "process %d is stopped, process %d goes on in its place", predecessor, os.getpid())
            self._notifier.main_process()
            pid_file.inherit(predecessor, WORKER_GRACE + HELPER_GRACE + _LAST_STEPS)
            self._restore_handles()

    def _restore_handles(self) -> None:
        """Let the persistent handles of the server before wait for their clients: nobody else may come first."""
        persistent = self._databases.persistent
        if persistent is not None:
            restored = restore(self._databases, persistent.journal)
            _log.log(NOTICE, "%d persistent handles wait for their clients", restored)

    def _queue_signals(self) -> None:
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for signum in _QUEUED_SIGNALS:
            signal.signal(signum, _ignore)  # the interpreter writes the number to the wake-up descriptor
        self._watch(self._wake_read.fileno(), self._signals)

    # -- loop --------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Start the helpers and serve until an order to stop; return the exit code of the daemon."""
        try:
            if not self._interactive:
                for name, readable in self._supervisor.start():
                    self._watch(readable.fileno(), partial(self._from_helper, name))
            self._accept_from_now()
            _log.log(NOTICE, "smbd version %s started, process %d", smbd.__version__, os.getpid())
            self._notifier.ready("ready to serve connections")
            while not self._stopping:
                self._turn()
        finally:
            if not self._successor.is_coming:
                self._notifier.stopping()
            self._stop_everything()
            if self._pid_file is not None:
                self._pid_file.release()
        _log.log(NOTICE, "smbd stopped")
        return 0

    def _turn(self, at_most: float | None = None) -> None:
        for fd, _events in self._poll.poll(self._timeout(at_most)):
            reader = self._readers.get(fd)
            if reader is not None:
                reader()
        if self._stopping:
            return
        now = time.monotonic()
        if not self._accepting and now >= self._accept_again:
            self._accept_from_now()
        for name, readable in self._supervisor.start_due(now):
            self._watch(readable.fileno(), partial(self._from_helper, name))

    def _timeout(self, at_most: float | None) -> int | None:
        now = time.monotonic()
        waits = [] if at_most is None else [at_most]
        if not self._stopping:
            due = self._supervisor.next_start()
            if due is not None:
                waits.append(due - now)
            if not self._accepting:
                waits.append(self._accept_again - now)
        return None if not waits else max(0, int(min(waits) * 1000) + 1)

    def _watch(self, fd: int, reader: Callable[[], None]) -> None:
        self._for_workers = None
        self._readers[fd] = reader
        self._poll.register(fd, select.POLLIN)

    def _unwatch(self, fd: int) -> None:
        self._for_workers = None
        if self._readers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    # -- signals -----------------------------------------------------------------------------------------

    def _signals(self) -> None:
        try:
            numbers = set(self._wake_read.recv(4096))
        except BlockingIOError:
            return
        if signal.SIGCHLD in numbers:
            self._reap()
        if signal.SIGHUP in numbers:
            self._reload()
        if signal.SIGUSR2 in numbers:
            _log.log(NOTICE, "SIGUSR2: another server is started, to take over")
            self._successor.start(self._notifier.environment())
        for signum in (signal.SIGTERM, signal.SIGINT):
            if signum in numbers:
                _log.log(NOTICE, "%s: stopping", signal.Signals(signum).name)
                self._stopping = True

    def _reload(self) -> None:
        """Read the configuration again; the children are told in any case, they reopen their logs too."""
        self._notifier.reloading()
        log.reopen()
        config = self._source.reload()
        if config is not None:
            self._config = config
            self._for_workers = None
            log.configure(self._source.log_options(config))
            _log.log(NOTICE, "%s reloaded", self._source.path)
        self._children.signal(signal.SIGHUP)
        self._notifier.ready("ready to serve connections")

    # -- connections -------------------------------------------------------------------------------------

    def _accept_from_now(self) -> None:
        self._accepting = True
        for listener in self._listeners:
            self._watch(listener.fileno(), partial(self._accept, listener))

    def _pause_accepting(self) -> None:
        self._accepting = False
        self._accept_again = time.monotonic() + _EXHAUSTED_PAUSE
        for listener in self._listeners:
            self._unwatch(listener.fileno())

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.error("accept: %s", error.strerror)
                if error.errno in _EXHAUSTED:
                    self._pause_accepting()
                return
            with sock:
                if not self._serve(sock, address):
                    return

    def _serve(self, sock: socket.socket, address: Any) -> bool:
        """Give a connection to a new worker; False if no more should be accepted in this turn."""
        peer = client_address(address)
        limit = self._config.globals.max_smbd_processes
        if limit and self._children.num_workers >= limit:
            _log.error("connection from %s refused: max smbd processes = %d is reached", peer, limit)
            return True
        if self._interactive:
            self._serve_here(sock, address)
            return False
        # Made once for many: what is written to in making it would cost each worker pages of its own.
        inherited = self._for_workers
        if inherited is None:
            inherited = self._for_workers = self._inheritance(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return self._fork(WORKER, lambda _mask: run_worker(inherited, sock, address), peer) > 0

    def _serve_here(self, sock: socket.socket, address: Any) -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _QUEUED_SIGNALS)
        self._close_listeners()
        run_worker(self._inheritance(mask), sock, address)
        self._stopping = True

    # -- children ----------------------------------------------------------------------------------------

    def _fork(self, role: str, body: Callable[[SignalMask], int], peer: str = "") -> int:
        """Fork a child that runs `body` and exits with its result; return its pid, 0 if it could not be made.

        Signals are blocked around the fork: one that arrives in the child before it has its own handlers waits.
        """
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _QUEUED_SIGNALS)
        try:
            pid = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            _log.error("fork: %s", error.strerror)
            self._pause_accepting()
            return 0
        if pid == 0:
            _exit_with(body, mask)
        self._children.add(Child(pid, role, peer))
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return pid

    def _fork_helper(self, name: str, main: Callable[..., None], mine: channel.Channel) -> int:
        def body(mask: SignalMask) -> int:
            return run_helper(name, main, self._inheritance(mask, keep=mine), mine)

        return self._fork(name, body)

    def _inheritance(self, mask: SignalMask, keep: channel.Channel | None = None) -> Inheritance:
        not_mine: list[int] = []
        if not self._interactive:
            not_mine += [one.fileno() for one in self._listeners]
            not_mine += [one.fileno() for one in self._supervisor.channels() if one is not keep]
            not_mine += [self._wake_read.fileno(), self._wake_write.fileno(), self._life_write.fd]
            if self._pid_file is not None:
                not_mine.append(self._pid_file.fileno())
            not_mine = [fd for fd in not_mine if fd >= 0]
        return Inheritance(
            source=self._source,
            config=self._config,
            databases=self._databases,
            passdb=self._passdb,
            server_guid=self._server_guid,
            start_time=self._start_time,
            parent_pid=os.getpid() if self._interactive else os.getppid(),
            life_fd=self._life_read.fd,
            signal_mask=mask,
            not_mine=not_mine,
        )

    def _reap(self) -> list[Ended]:
        ended = self._children.reap()
        for one in ended:
            if one.child.role == WORKER:
                self._tell_deaths(one)
            else:
                lost = self._supervisor.ended(one.child.role, time.monotonic())
                if lost is not None:
                    self._unwatch(lost.fileno())
                    lost.close()
                if not self._stopping:
                    self._tell_deaths(one)
        return ended

    def _tell_deaths(self, ended: Ended) -> None:
        message = ChildEnded(ended.child.pid, ended.clean)
        for to in self._supervisor.wanting_deaths():
            if not to.send(message):
                _log.info("the end of %s will be noticed by the next sweep", ended.child)

    # -- helpers -----------------------------------------------------------------------------------------

    def _from_helper(self, name: str) -> None:
        their = self._supervisor.channel(name)
        if their is None:
            return
        try:
            for message in their.receive():
                self._handle(their, message)
        except channel.ChannelClosed:
            self._unwatch(their.fileno())  # the process follows: it is reaped and started again

    def _handle(self, their: channel.Channel, message: Message) -> None:
        if isinstance(message, Question):
            their.send(Answer(message.number, self._answer(message.topic)))
        elif isinstance(message, Order):
            if message.what == channel.ORDER_SHUTDOWN:
                _log.log(NOTICE, "stopping by order of smbcontrol")
                self._stopping = True
            elif message.what == channel.ORDER_RELOAD:
                self._reload()
            elif message.what == channel.ORDER_DEBUG:
                set_levels(message.argument, "smbcontrol")

    def _answer(self, topic: str) -> str:
        if topic == channel.ASK_NUM_CHILDREN:
            return str(len(self._children))
        if topic == channel.ASK_DEBUGLEVEL:
            return f"PID {os.getpid()}: {log.levels_text()}"
        return str(os.getpid())

    # -- end ---------------------------------------------------------------------------------------------

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            self._unwatch(listener.fileno())
            listener.close()
        self._listeners.clear()

    def _stop_everything(self) -> None:
        """First the workers, then the helpers, which clean up behind workers that had to be killed."""
        self._stopping = True
        self._close_listeners()
        self._end_children(lambda child: child.role == WORKER, WORKER_GRACE)
        self._end_children(lambda child: child.role != WORKER, HELPER_GRACE)

    def _end_children(self, wanted: Callable[[Child], bool], grace: float) -> None:
        deadline = time.monotonic() + grace
        self._children.signal(signal.SIGTERM, wanted)
        killed = False
        while any(wanted(child) for child in self._children):
            left = deadline - time.monotonic()
            if left <= 0:
                if killed:
                    _log.error("children that cannot be killed are left behind")
                    return
                count = self._children.signal(signal.SIGKILL, wanted)
                _log.warning("killed %d processes that did not end within %g s", count, grace)
                killed, deadline = True, time.monotonic() + grace
                continue
            self._turn(left)
            self._reap()


def _ignore(_signum: int, _frame: object) -> None:
    """Do nothing: the number is in the wake-up pipe already."""


def _exit_with(body: Callable[[SignalMask], int], mask: SignalMask) -> NoReturn:
    """End the process with the result of `body`: nothing of the parent's stack may run in a child."""
    code = 1
    try:
        code = body(mask)
    finally:
        os._exit(code)

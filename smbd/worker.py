"""The life of one worker: the process that serves one client, from the fork to its exit code."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any, Final

from smbd import log
from smbd.config.access import host_allowed, needs_host_name
from smbd.config.loadparm import Config
from smbd.config.substitute import SubstContext
from smbd.context import ServerContext
from smbd.control import register_common, register_worker
from smbd.eventloop import EventLoop
from smbd.postfork import Inheritance, enter, join_bus
from smbd.smb2.serve import serve

_log = logging.getLogger(__name__)

#: Ended, having put everything in order.
EXIT_CLEAN: Final = 0
#: Anything else: cleanupd goes over what the process has left.
EXIT_FAILED: Final = 1

_MAPPED_IPV4: Final = "::ffff:"


def client_address(address: Any) -> str:
    """Return the address of a peer as it is written in lists: IPv4 without its IPv6 mapping, no zone."""
    host = str(address[0]).partition("%")[0]
    return host.removeprefix(_MAPPED_IPV4) if host.startswith(_MAPPED_IPV4) and "." in host else host


class Worker:
    """One client's process.

    Args:
        inherited: what the parent hands over.
        sock: the accepted connection.
        address: its other end, as `accept` returns it.
    """

    def __init__(self, inherited: Inheritance, sock: socket.socket, address: Any) -> None:
        self._inherited = inherited
        self._sock = sock
        self._address = address
        self._ip = client_address(address)
        self._names = SubstContext(
            client_name=self._ip, client_ip=self._ip, server_ip=client_address(sock.getsockname())
        )
        self._loop: EventLoop | None = None
        self._ctx: ServerContext | None = None

    def run(self) -> int:
        """Serve the client; return the exit code of the process."""
        inherited = self._inherited
        self._loop = loop = enter(
            inherited,
            f"client [{self._ip}]",
            self._names,
            on_terminate=lambda: self._end("the server is stopped"),
            on_hangup=self._reload,
            on_orphaned=lambda: self._end("the parent process is gone"),
        )
        if not self._admitted(inherited.config):
            self._sock.close()
            return EXIT_CLEAN
        bus = join_bus(inherited, loop)
        try:
            self._ctx = ctx = ServerContext(
                inherited.config,
                loop,
                bus,
                bus.server_id,
                inherited.databases,
                inherited.passdb,
                server_guid=inherited.server_guid,
                start_time=inherited.start_time,
            )
            register_common(
                bus,
                on_reload=self._reload,
                on_shutdown=lambda: self._end("the administrator ends this process"),
            )
            register_worker(ctx)
            serve(ctx, self._sock)
            return EXIT_CLEAN
        finally:
            if self._ctx is not None and self._ctx.notifier is not None:
                self._ctx.notifier.flush()
            if inherited.databases.persistent is not None:
                inherited.databases.persistent.flush()
            bus.close()
            loop.close()

    def _admitted(self, config: Config) -> bool:
        """`hosts allow` and `hosts deny` of [global]; those of the shares are for the tree connect."""
        params = config.globals.share_defaults
        name = ""
        if config.globals.hostname_lookups and needs_host_name(params.hosts_allow, params.hosts_deny):
            name = _host_name(self._ip)
        if host_allowed(params.hosts_allow, params.hosts_deny, self._ip, name):
            return True
        _log.warning("connection from %s refused: hosts allow, hosts deny", self._ip)
        return False

    def _reload(self) -> None:
        log.reopen()
        config = self._inherited.source.reload(self._names)
        if config is None:
            return
        log.configure(self._inherited.source.log_options(config, self._names))
        if self._ctx is not None:
            self._ctx.set_config(config)

    def _end(self, reason: str) -> None:
        _log.info("ending: %s", reason)
        if self._ctx is not None and self._ctx.client is not None:
            self._ctx.client.close(reason)
        if self._loop is not None:
            self._loop.stop()


def _host_name(address: str) -> str:
    """Look up the name of an address; the address must be one of that name's, or anybody could claim one."""
    try:
        name, _, _ = socket.gethostbyaddr(address)
        found = {info[4][0] for info in socket.getaddrinfo(name, None)}
    except OSError:
        return ""
    return name if address in found else ""


def run_worker(inherited: Inheritance, sock: socket.socket, address: Any) -> int:
    """Run a worker in a freshly forked process; return its exit code, whatever happens inside."""
    try:
        return Worker(inherited, sock, address).run()
    except Exception:  # noqa: BLE001 - the end of the process
        _log.exception("worker of %s (pid %d) gives up", client_address(address), os.getpid())
        return EXIT_FAILED

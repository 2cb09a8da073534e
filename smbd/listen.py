"""The listening sockets: every address of `interfaces` with every port of `smb ports`."""

from __future__ import annotations

import errno
import logging
import socket

from smbd.config.interfaces import listen_addresses
from smbd.config.loadparm import Config

_log = logging.getLogger(__name__)

_BACKLOG = 128


class ListenError(Exception):
    """No client could reach the server."""


def bind_all(config: Config, *, beside: bool = False) -> list[socket.socket]:
    """Bind and listen; with `beside`, also where another server of this user does.

    An address that this machine does not have (IPv6 switched off, an interface that is down) is left out with a
    warning; a port that somebody else has is an error.

    Raises:
        ListenError: nothing, or not all that was asked for, could be bound; no socket stays open then.
    """
    listeners: list[socket.socket] = []
    try:
        for family, address in listen_addresses(config):
            for port in config.globals.smb_ports:
                listener = _bind(family, address, port, beside=beside)
                if listener is not None:
                    listeners.append(listener)
        if not listeners:
            raise ListenError("no address to listen on: see interfaces and smb ports in smb.conf")  # noqa: TRY301
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _bind(family: int, address: str, port: int, *, beside: bool) -> socket.socket | None:
    try:
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        _log.warning("%s: %s", describe(address, port), error.strerror)
        return None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        if beside:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address, port))
        # Only now, for two servers are not to share a port by accident; but a successor may listen beside this one.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            _log.warning("cannot listen on %s: %s", describe(address, port), error.strerror)
            return None
        raise ListenError(_explain(address, port, error)) from error
    _log.info("listening on %s", describe(address, port))
    return listener


def _explain(address: str, port: int, error: OSError) -> str:
    where = describe(address, port)
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {where}: another program does (a running smbd?)"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"cannot listen on {where}: ports below 1024 are for root; give another one with -p or smb ports"
    return f"cannot listen on {where}: {error.strerror}"


def describe(address: str, port: int) -> str:
    """Return an address and port as people write them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

"""The %-variables of smb.conf.

A `SubstContext` carries what is known of the server, the connection, the session and the share; each further
step of a session makes a new one by `SubstContext.but`. A variable for which nothing is known stays as it is,
because a later step may know it.

Some values are chosen by the client: its name (%m, %M), the user name it asks for (%U), the server name it
calls (%L) and what it says about itself (%a). They end up in file names, so slashes, backslashes and leading
dots in them are replaced: they cannot lead out of the directory that the administrator meant.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import smbd

_VARIABLE: Final = re.compile(r"%(?:\$\(([^)]*)\)|([A-Za-z]))")
# Characters a client-given name may keep. Anything else might be a path or mean something to a shell.
_UNSAFE: Final = re.compile(r"[^\w.\- $@+]", re.ASCII)
_UNSAFE_USER: Final = re.compile(r"[\x00-\x1f\x7f/\\\"'`*?<>|;&%:]")


def sanitise_name(name: str) -> str:
    """A host or server name given by the client, made safe to be part of a file name."""
    cleaned = _UNSAFE.sub("_", name)
    return "_" * (len(cleaned) - len(cleaned.lstrip("."))) + cleaned.lstrip(".")


def sanitise_user(name: str) -> str:
    """A user name given by the client, made safe likewise; letters of all scripts may stay."""
    cleaned = _UNSAFE_USER.sub("_", name)
    return "_" * (len(cleaned) - len(cleaned.lstrip("."))) + cleaned.lstrip(".")


@dataclass(frozen=True, slots=True)
class SubstContext:
    """What %-variables stand for. Empty strings are unknown.

    Attributes:
        user: %u, the Unix user of the session (after `force user`).
        group: %g, the primary group of that user.
        session_user: %U, the name the client logged on with.
        session_group: %G, the primary group of that user.
        share: %S, the name of the share; path: %P, its directory; home: %H, the home directory of %u.
        client_name: %m, the client's NetBIOS name; client_dns: %M, its DNS name; client_ip: %I.
        client_arch: %a, what kind of system the client seems to be.
        server_name: %L, the name the client called; server_ip: %i, the address it connected to.
        dialect: %R; domain: %D; nis_server: %N; process_id: %d; winbind_separator: %w.
    """

    user: str = ""
    group: str = ""
    session_user: str = ""
    session_group: str = ""
    share: str = ""
    path: str = ""
    home: str = ""
    client_name: str = ""
    client_dns: str = ""
    client_ip: str = ""
    client_arch: str = ""
    server_name: str = ""
    server_ip: str = ""
    dialect: str = ""
    domain: str = ""
    nis_server: str = ""
    process_id: int = 0
    winbind_separator: str = "\\"
    version: str = smbd.__version__

    def but(self, **changes: Any) -> Self:
        """This context with some values changed."""
        return replace(self, **changes)


def _as_file_name(address: str) -> str:
    """An address as %j and %J show it: colons would end a path component on some systems."""
    return address.replace(":", "_").replace(".", "_")


_VALUES: Final[dict[str, Callable[[SubstContext], str | None]]] = {
    "a": lambda ctx: sanitise_name(ctx.client_arch) or None,
    "d": lambda ctx: str(ctx.process_id or os.getpid()),
    "D": lambda ctx: sanitise_name(ctx.domain) or None,
    "g": lambda ctx: ctx.group or None,
    "G": lambda ctx: ctx.session_group or None,
    "h": lambda _: socket.gethostname(),
    "H": lambda ctx: ctx.home or None,
    "i": lambda ctx: ctx.server_ip or None,
    "I": lambda ctx: ctx.client_ip or None,
    "j": lambda ctx: _as_file_name(ctx.client_ip) or None,
    "J": lambda ctx: _as_file_name(ctx.server_ip) or None,
    "L": lambda ctx: sanitise_name(ctx.server_name) or None,
    "m": lambda ctx: sanitise_name(ctx.client_name or ctx.client_ip) or None,
    "M": lambda ctx: sanitise_name(ctx.client_dns or ctx.client_ip) or None,
    "N": lambda ctx: sanitise_name(ctx.nis_server or ctx.server_name) or None,
    "P": lambda ctx: ctx.path or None,
    "R": lambda ctx: ctx.dialect or None,
    "S": lambda ctx: ctx.share or None,
    "t": lambda _: time.strftime("%Y_%m_%d-%H_%M_%S"),
    "T": lambda _: time.strftime("%Y/%m/%d %H:%M:%S"),
    "u": lambda ctx: sanitise_user(ctx.user) or None,
    "U": lambda ctx: sanitise_user(ctx.session_user or ctx.user) or None,
    "v": lambda ctx: ctx.version,
    "V": lambda _: str(_VFS_INTERFACE_VERSION),
    "w": lambda ctx: ctx.winbind_separator,
}

# %V is the version of the interface between server and VFS modules.
_VFS_INTERFACE_VERSION: Final = 1


def substitute(text: str, ctx: SubstContext) -> str:
    """Replace the %-variables in a text; unknown ones stay.

    ``%$(NAME)`` is the environment variable NAME, empty if it is not set. ``%%`` is not special, as in Samba.
    A replaced value is never looked at again, so that a name holding a percent sign does nothing.
    """
    if "%" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        environment, letter = match.groups()
        if environment is not None:
            return os.environ.get(environment, "")
        provider = _VALUES.get(letter or "")
        result = provider(ctx) if provider is not None else None
        return match.group() if result is None else result

    return _VARIABLE.sub(value, text)


def has_variables(text: str) -> bool:
    """Whether a text holds anything that `substitute` might replace."""
    return _VARIABLE.search(text) is not None

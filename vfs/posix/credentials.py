"""The identity of system calls: switched lazily, by raw system calls of this thread alone.

glibc's set*id functions signal every thread of the process; with the threads of the message bus that costs ten
times the system calls. The worker does its file work on one thread, so only that thread has to change; another that
works for users has a `ThreadIdentity` of its own.

The identity of the last request stays; the next request with the same one costs nothing. Only effective ids
change, the real and the saved user stay root, which is what allows to switch again.

A process that was not started as root cannot switch and does not try: everything runs as its own user.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from vfs.posix import syscalls
from vfs.token import ROOT_TOKEN, UnixToken

#: -1 means "leave as it is" to the kernel: as an identity it would mean to stay root.
_NO_ID: Final = 0xFFFFFFFF


class CredentialsError(RuntimeError):
    """A switch failed half-way: the process must not serve another request."""


class ThreadIdentity:
    """Who one thread is. That of the worker's own is kept here and used by the functions below.

    Attributes:
        enabled: the thread can switch: the process was started as root.
        current: the identity last switched to; None before the first switch or after a failed one.
        switches: how often that was.
    """

    __slots__ = ("current", "enabled", "switches")

    def __init__(self) -> None:
        self.enabled = os.getuid() == 0
        self.current: UnixToken | None = None
        self.switches = 0

    def impersonate(self, token: UnixToken) -> None:
        """Run the system calls of the calling thread, whose identity this is, as `token` from now on.

        Raises:
            CredentialsError: the kernel refused or an id is out of range; the identity is undefined then.
        """
        if token is self.current or token == self.current or not self.enabled:
            return
        _switch(self, token)


_state = ThreadIdentity()


def can_switch() -> bool:
    """Whether this process was started as root."""
    return _state.enabled


def current() -> UnixToken | None:
    """The identity last switched to; None before the first switch or after a failed one."""
    return _state.current


def impersonate(token: UnixToken) -> None:
    """Run the system calls of this thread as `token` from now on.

    Raises:
        CredentialsError: the kernel refused or an id is out of range; the identity is undefined then.
    """
    state = _state
    if token is state.current or token == state.current or not state.enabled:
        return
    _switch(state, token)


def become_root() -> None:
    """Run the system calls of this thread as root, without supplementary groups, from now on.

    Raises:
        CredentialsError: the kernel refused.
    """
    impersonate(ROOT_TOKEN)


def _switch(state: ThreadIdentity, token: UnixToken) -> None:
    uid, gid, groups = token
    old = state.current
    state.current = None
    try:
        if not 0 <= uid < _NO_ID or not 0 <= gid < _NO_ID:
            raise CredentialsError(f"uid {uid} or gid {gid} is out of range")
        if old is None or old.uid != 0:
            syscalls.setresuid(0)
        if old is None or old.groups != groups:
            syscalls.setgroups(struct.pack(f"={len(groups)}I", *groups), len(groups))
        if old is None or old.gid != gid:
            syscalls.setresgid(gid)
        if uid != 0:
            syscalls.setresuid(uid)
    except (OSError, struct.error) as error:
        raise CredentialsError(f"cannot become uid {uid}, gid {gid}: {error}") from error
    state.current = token
    state.switches += 1


@contextmanager
def as_root() -> Iterator[None]:
    """Single system calls as root, such as setting ``security.NTACL``; only the user changes, groups stay.

    Raises:
        CredentialsError: the kernel refused.
    """
    state = _state
    token = state.current
    if not state.enabled or token is None or token.uid == 0:
        yield
        return
    try:
        syscalls.setresuid(0)
    except OSError as error:
        raise CredentialsError(f"cannot become root: {error}") from error
    state.current = UnixToken(0, token.gid, token.groups)
    try:
        yield
    finally:
        if state.current == (0, token.gid, token.groups):
            try:
                syscalls.setresuid(token.uid)
            except OSError as error:
                state.current = None
                raise CredentialsError(f"cannot become uid {token.uid} again: {error}") from error
            state.current = token
        else:
            # The body switched on its own: all of it is undone.
            impersonate(token)


def statistics() -> dict[str, int]:
    """How often the identity was switched."""
    return {"switches": _state.switches}

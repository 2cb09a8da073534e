"""The time-out of disconnected handles: what workers tell the scavenger, and what it does.

[MS-SMB2] 3.3.6.2 has a timer in the server. Here the process of an open is gone when its client is, so that the
timer runs in a helper daemon (`smbd.daemons.scavenger`).
"""

from __future__ import annotations

import logging
import struct
import time
from typing import TYPE_CHECKING, Final

from messaging.dbwrap.base import DbError
from messaging.errors import MessagingError
from messaging.msg_types import MSG_SMB_SCAVENGER
from messaging.records import RecordError
from smbd.daemons.names import Names
from smbd.xsrv.persistent import COMPACT_AT
from vfs.fsa import durable
from vfs.posix import credentials

if TYPE_CHECKING:
    from messaging.bus import Bus
    from smbd.context import ServerContext
    from smbd.xsrv.databases import Databases
    from smbd.xsrv.persistent import PersistentHandles
    from smbd.xsrv.records import OpenGlobal

_log = logging.getLogger(__name__)

NAME: Final = "scavenger"
TIMEOUT: Final = struct.Struct("<I")
"""Payload of MSG_SMB_SCAVENGER: milliseconds until somebody should look."""
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_END_OF_TIME: Final = 1 << 64


def wake(ctx: ServerContext, timeout_msec: int) -> None:
    """Tell the scavenger that a handle may have to be removed after `timeout_msec`; it may know already."""
    try:
        if ctx.names is None:
            with credentials.as_root():  # the last request acted as its user
                ctx.names = Names(ctx.databases.lock_directory)
    except DbError as error:
        _log.info("the scavenger cannot be told: %s", error)
        return
    wake_by(ctx.names, ctx.bus, timeout_msec)


def wake_by(names: Names, bus: Bus, timeout_msec: int) -> None:
    """Tell the scavenger so by way of this bus."""
    try:
        found = names.lookup(NAME)
        if found is not None:
            bus.send(found.server_id, MSG_SMB_SCAVENGER, TIMEOUT.pack(timeout_msec))
    except (MessagingError, DbError) as error:
        # It looks by itself when it starts, and now and then.
        _log.info("the scavenger cannot be told: %s", error)


def due_at(record: OpenGlobal) -> int:
    """Return when a disconnected handle has to go, in nanoseconds since the epoch."""
    return record.disconnect_time + record.durable_timeout_msec * _NS_PER_MS


def sweep(databases: Databases, now: int | None = None) -> tuple[int, float | None]:
    """Remove every disconnected handle that has waited long enough, and entries of handles that are unknown.

    Returns:
        The number of handles removed, and in how many seconds the next one is due; None if there is none.
    """
    time_ns = time.time_ns() if now is None else now
    due = {
        handle_id: due_at(record)
        for handle_id, record in databases.opens.items()
        if record.server_id.is_disconnected()
    }
    removed = sum(_expire(databases, handle_id, time_ns) for handle_id, at in due.items() if at <= time_ns)
    _forget_unknown(databases)
    if databases.persistent is not None:
        _tidy_journal(databases, databases.persistent)
    following = min((at for at in due.values() if at > time_ns), default=None)
    return removed, None if following is None else (following - time_ns) / _NS_PER_S


def remove(databases: Databases, handle_id: int) -> bool:
    """Remove a disconnected handle before its time; False if it is not disconnected, or unknown."""
    return _expire(databases, handle_id, _END_OF_TIME)


def _expire(databases: Databases, handle_id: int, now: int) -> bool:
    gone: OpenGlobal | None = None

    def change(record: OpenGlobal) -> OpenGlobal | None:
        nonlocal gone
        if not record.server_id.is_disconnected() or due_at(record) > now:
            return record  # taken up again in the last moment
        gone = record
        return None

    databases.opens.update(handle_id, change)
    if gone is None:
        return False
    databases.forget_create(gone)
    try:
        cookie = durable.COOKIE_CODEC.decode(gone.backend_cookie)
    except RecordError as error:
        _log.error("handle %#x: %s", handle_id, error)
    else:
        durable.expire(databases.share_modes, databases.byte_locks, cookie.file_id, handle_id)
    if gone.persistent:
        databases.keep(handle_id)
    return True


def _tidy_journal(databases: Databases, persistent: PersistentHandles) -> None:
    """Keep the journal small."""
    if persistent.journal.size() >= COMPACT_AT:
        persistent.journal.compact()
        forget_closed(databases, persistent)


def forget_closed(databases: Databases, persistent: PersistentHandles) -> None:
    """Take out of the journal what a process that was killed has closed, but not noted."""
    for key in persistent.journal.read():
        handle_id = int.from_bytes(key, "big")
        if databases.opens.get(handle_id) is None:
            persistent.touch(handle_id)


def _forget_unknown(databases: Databases) -> None:
    """Remove the entries of handles whose process died between writing those and writing the handle."""
    unknown = [
        (file_id.key(), entry.open_id)
        for file_id, record in databases.share_modes.traverse()
        for entry in record.entries
        if entry.server_id.is_disconnected() and databases.opens.get(entry.open_id) is None
    ]
    for key, handle_id in unknown:
        durable.expire(databases.share_modes, databases.byte_locks, key, handle_id)

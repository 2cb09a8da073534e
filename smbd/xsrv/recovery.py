"""Persistent handles whose process is gone: killed alone, or with the whole server, or with the machine.

A worker that is killed leaves its persistent handles in the volatile databases under its name; whoever comes upon
them first, cleanupd or the client that is back, makes them handles whose client is away (`adopt`). When the
volatile databases are gone as well, the parent makes everything again from the journal before it listens (`restore`).
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

import msgspec

from messaging.records import RecordError
from messaging.server_id import DISCONNECTED, ServerId
from smbd.xsrv.app_instance import InstanceOpen
from smbd.xsrv.persistent import HANDLE_CODEC, PersistentHandle
from vfs.file_id import FileId
from vfs.fsa import durable, names, streams
from vfs.fsa.durable import COOKIE_CODEC
from vfs.locking.brlock import BRLOCK_CODEC, ByteRangeLockRecord
from vfs.locking.lease import LeaseFile
from vfs.locking.oplock import OPLOCK_LEASE
from vfs.locking.share_mode import ShareModes
from vfs.posix import syscalls

if TYPE_CHECKING:
    from messaging.dbwrap.base import Db
    from messaging.dbwrap.journal import Journal
    from smbd.xsrv.databases import Databases
    from smbd.xsrv.records import OpenGlobal
    from vfs.locking.lease_db import LeaseDb
    from vfs.posix.syscalls import Stat

_log = logging.getLogger(__name__)


def adopt(databases: Databases, handle_id: int) -> bool:
    """Make the persistent handle of a dead process one whose client is away; False if it is no such handle.

    May be done twice, or by several processes at a time.
    """
    record = databases.opens.get(handle_id)
    if record is None or not record.persistent or record.server_id.is_disconnected():
        return False
    dead = record.server_id
    if databases.is_alive(dead):
        return False
    try:
        file_id = FileId.from_key(COOKIE_CODEC.decode(record.backend_cookie).file_id)
    except (RecordError, ValueError) as error:
        _log.error("handle %#x: %s", handle_id, error)
        return False
    found = True
    for entered in durable.entered_under(file_id):
        found = _adopt_entry(databases, entered, handle_id, dead) and found
    now = time.time_ns()
    if not found:
        databases.forget_create(record)

    def change(record: OpenGlobal) -> OpenGlobal | None:
        if record.server_id != dead:
            return record  # another process was faster
        if not found:
            return None  # killed in the middle of opening or closing
        record.server_id = DISCONNECTED
        record.disconnect_time = now
        return record

    databases.opens.update(handle_id, change)
    return found


def _adopt_entry(databases: Databases, file_id: FileId, handle_id: int, dead: ServerId) -> bool:
    """Make one entry of a handle that of a client who is away; False if there is none."""
    found = False
    with databases.share_modes.lock(file_id) as modes:
        for entry in modes.record.entries if modes.record is not None else ():
            if entry.handle_id != handle_id:
                continue
            found = True
            if entry.server_id == dead:
                modes.reassign(entry, DISCONNECTED, handle_id)
    return found


def made_by(databases: Databases, client_guid: bytes, create_guid: bytes) -> OpenGlobal | None:
    """Return the handle that a create of the client has made, if it outlives its process or is another one's."""
    record = databases.find_create(client_guid, create_guid)
    if record is not None and record.persistent and not record.server_id.is_disconnected():
        adopt(databases, record.open_global_id)
        return databases.opens.get(record.open_global_id)
    return record if databases.counts(record) else None


def restore(databases: Databases, journal: Journal) -> int:
    """Make every handle of the journal again that is unknown, as one whose client is away; return how many.

    The clock of each starts anew. Then the journal is compacted. Before the server listens.

    Raises:
        DbError, OSError: the journal cannot be read or written.
    """
    if not journal.size():
        return 0
    restored = 0
    lost: list[bytes] = []
    for key, value in journal.read().items():
        try:
            handle = HANDLE_CODEC.decode(value)
            if databases.opens.get(handle.opened.open_global_id) is not None:
                continue  # a process of the server before still holds the databases
            _restore(databases, handle)
            restored += 1
        except (RecordError, OSError, ValueError) as error:
            _log.warning("persistent handle %s is lost: %s", key.hex(), error)
            lost.append(key)
    if lost:
        with journal.locked():
            journal.append([(key, None) for key in lost])
    journal.compact()
    journal.close()
    return restored


def _restore(databases: Databases, handle: PersistentHandle) -> None:
    """Make one handle again.

    Raises:
        OSError: its file is not there any more.
        RecordError, ValueError: its cookie is damaged.
    """
    opened, entry = handle.opened, handle.entry
    handle_id = opened.open_global_id
    cookie = COOKIE_CODEC.decode(opened.backend_cookie)
    before = FileId.from_key(cookie.file_id)
    stat = _look_at(handle.path)
    if stat.ino != before.ino or stat.btime_ns != handle.birth_ns:
        raise OSError(f"{os.fsdecode(handle.path)} is another file now")
    # The number of a device may change with a restart of the machine.
    file_id = FileId(stat.dev, stat.ino, before.extid)
    entered_as = handle.path + b":" + names.to_unix(cookie.stream) if cookie.stream else handle.path
    cookie.file_id = file_id.key()
    cookie.path = handle.path[len(os.fsencode(handle.share_path).rstrip(b"/")) + 1 :]
    entry.server_id, entry.open_id = DISCONNECTED, handle_id
    entry.name = b""
    # The parent has no bus to wake anybody by, and nobody waits yet.
    share_modes = ShareModes(databases.locking, databases.is_alive)
    if cookie.stream:
        with share_modes.lock(file_id.of_file) as modes:
            modes.add(handle.share_path, handle.path, streams.file_entry(entry))
    with share_modes.lock(file_id) as modes:
        modes.add(handle.share_path, entered_as, entry)
        if handle.lease is not None and entry.oplock_level == OPLOCK_LEASE:
            _restore_lease(databases.share_modes.leases, handle, file_id, entered_as)
    if handle.locks:
        _restore_locks(databases.brlock, handle, file_id)
    opened.server_id = DISCONNECTED
    opened.disconnect_time = time.time_ns()
    opened.backend_cookie = COOKIE_CODEC.encode(cookie)
    databases.replays.enter(opened.client_guid, opened.create_guid, handle_id)
    databases.opens.store(handle_id, opened)
    if opened.app_instance_id:
        name = durable.name_of(cookie, cookie.path).casefold()
        version = opened.app_instance_version
        instance = InstanceOpen(handle_id, opened.client_guid, opened.share_name, name, version)
        databases.app_instances.enter(opened.app_instance_id, instance)


def _restore_locks(brlock: Db, handle: PersistentHandle, file_id: FileId) -> None:
    with brlock.fetch_locked(file_id.key()) as record:
        before = BRLOCK_CODEC.decode(record.value).locks if record.value is not None else []
        record.store(BRLOCK_CODEC.encode(ByteRangeLockRecord(before + handle.locks)))


def _restore_lease(leases: LeaseDb | None, handle: PersistentHandle, file_id: FileId, path: bytes) -> None:
    lease, entry = handle.lease, handle.entry
    if leases is None or lease is None:
        return
    with leases.lock(entry.client_guid, entry.lease_key) as locked:
        if locked.lease is None:
            locked.lease = msgspec.structs.replace(lease, server_id=DISCONNECTED, files=[])
        if not any(file.file_id == file_id.key() for file in locked.lease.files):
            locked.lease.files = [*locked.lease.files, LeaseFile(file_id.key(), path)]


def _look_at(path: bytes) -> Stat:
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return syscalls.fstatx(fd)
    finally:
        os.close(fd)

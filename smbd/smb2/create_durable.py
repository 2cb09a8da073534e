"""Durable handles in CREATE: granting and reconnecting ([MS-SMB2] 3.3.5.9.6, .7, .10, .12).

What becomes of a granted one when its client goes away is in `smbd.xsrv.open` and `vfs.fsa.durable`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from messaging.records import RecordError
from smbd.wire.constants import (
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT,
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_DHANDLE_FLAG_PERSISTENT,
    SMB2_DIALECT_300,
)
from smbd.wire.create_context_durable import (
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequestV2,
    DurableHandleResponse,
    DurableHandleResponseV2,
)
from smbd.wire.create_contexts import Contexts
from smbd.xsrv import recovery
from smbd.xsrv.open import Durability, Open
from smbd.xsrv.table import MAX_ID
from vfs.fsa import durable
from vfs.fsa.durable import COOKIE_CODEC, DurableCookie
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DUPLICATE_OBJECTID,
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND,
    NTStatusError,
)

if TYPE_CHECKING:
    from smbd.wire.create import CreateRequest
    from smbd.xsrv.connection import Connection
    from smbd.xsrv.databases import Databases
    from smbd.xsrv.records import OpenGlobal
    from smbd.xsrv.session import Session
    from smbd.xsrv.tcon import Tcon
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenOwner
    from vfs.token import SecurityToken
    from vfs.volume import Volume

_log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_MS: Final = 60_000
"""How long a handle waits for its client if that does not say; always so for version 1."""
MAX_TIMEOUT_MS: Final = 300_000
_NO_GUID: Final = bytes(16)
_DATA: Final = ":$data"
"""What the name of a stream may end in, in small letters."""


class Wish:
    """What the durable handle contexts of a CREATE ask for.

    Attributes:
        version: 1 or 2; 0 for nothing.
        reconnect: persistent id of the handle to take up again; None to make a new one.
        create_guid: of version 2; version 1 has the null GUID.
        timeout_ms: how long the new handle is to wait for its client.
        persistent: it is to outlive the server.
        replays: the handle to take up again was made by this very create.
        name: by which the client calls the file.
    """

    __slots__ = ("create_guid", "name", "persistent", "reconnect", "replays", "timeout_ms", "version")

    def __init__(self, name: str) -> None:
        self.version = 0
        self.name = name
        self.reconnect: int | None = None
        self.create_guid = _NO_GUID
        self.timeout_ms = DEFAULT_TIMEOUT_MS
        self.persistent = False
        self.replays = False


def is_reconnect(contexts: Contexts) -> bool:
    """Tell whether a CREATE takes up a handle again: most of its other fields do not count then."""
    return SMB2_CREATE_DURABLE_HANDLE_RECONNECT in contexts or SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2 in contexts


def read(connection: Connection, message: CreateRequest, *, replay: bool = False) -> Wish | None:
    """Return what is asked for, None if nothing is.

    Args:
        connection: where it came from.
        message: the CREATE.
        replay: it was sent before. If it has made a handle then that waits for its client, that one is asked for
            ([MS-SMB2] 3.3.5.9.10).

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER: contexts that exclude each other.
        WireError: a context is malformed.
    """
    contexts = message.contexts
    request = contexts.get(SMB2_CREATE_DURABLE_HANDLE_REQUEST)
    request_v2 = contexts.get(SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2)
    reconnect = contexts.get(SMB2_CREATE_DURABLE_HANDLE_RECONNECT)
    reconnect_v2 = contexts.get(SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2)
    first = request is not None or reconnect is not None
    second = request_v2 is not None or reconnect_v2 is not None
    if not (first or second):
        return None
    if (first and second) or (request_v2 is not None and reconnect_v2 is not None):
        raise NTStatusError(STATUS_INVALID_PARAMETER, "durable handle contexts that exclude each other")
    if second and connection.dialect < SMB2_DIALECT_300:
        return None
    wish = Wish(message.name)
    wish.version = 2 if second else 1
    if reconnect is not None:
        wish.reconnect = DurableHandleReconnect.unpack(reconnect).file_id_persistent
    elif reconnect_v2 is not None:
        again = DurableHandleReconnectV2.unpack(reconnect_v2)
        wish.reconnect, wish.create_guid = again.file_id_persistent, again.create_guid
        wish.persistent = bool(again.flags & SMB2_DHANDLE_FLAG_PERSISTENT)
    elif request_v2 is not None:
        new = DurableHandleRequestV2.unpack(request_v2)
        wish.create_guid = new.create_guid
        wish.persistent = bool(new.flags & SMB2_DHANDLE_FLAG_PERSISTENT)
        wish.timeout_ms = min(new.timeout or DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS)
        if replay:
            made = recovery.made_by(connection.ctx.databases, connection.client_guid, wish.create_guid)
            if made is not None:
                wish.reconnect = made.open_global_id
                wish.replays = True
    return wish


def number_for(databases: Databases, wish: Wish, volume: Volume) -> int:
    """Return the number that the open is to have if it becomes a persistent handle; 0 if it is not to be one."""
    return databases.opens.free_id() if wish.persistent and volume.options.persistent_handles else 0


def durability(file: FileObject, wish: Wish) -> Durability | None:
    """Return what can be granted for `file` of what is asked for; None for nothing."""
    if file.handle_id:
        return Durability(wish.create_guid, wish.timeout_ms, durable.cookie_of(file))
    if durable.can_be_durable(file):
        return Durability(wish.create_guid, wish.timeout_ms)
    return None


def granted(opened: Open, wish: Wish) -> Contexts:
    """Return the contexts that say what was granted."""
    if not opened.durable:
        return {}
    if wish.version == 1:
        return {SMB2_CREATE_DURABLE_HANDLE_REQUEST: DurableHandleResponse().pack()}
    return answer(opened)


def answer(opened: Open) -> Contexts:
    """Return the context of version 2 that says that `opened` is durable, or persistent."""
    flags = SMB2_DHANDLE_FLAG_PERSISTENT if opened.persistent else 0
    return {SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2: DurableHandleResponseV2(opened.durable_timeout_msec, flags).pack()}


def reconnect(
    session: Session, tcon: Tcon, volume: Volume, token: SecurityToken, owner: OpenOwner, wish: Wish
) -> tuple[Open, FileObject]:
    """Take up a handle again that a lost connection has left; it is in no table yet.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND, STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER; for a replay whose
            handle still is another process's STATUS_DUPLICATE_OBJECTID, STATUS_FILE_NOT_AVAILABLE if it is persistent.
    """
    databases = session.client.ctx.databases
    record = _find(databases, owner.client_guid, wish)
    if record is None:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no such handle")
    handle_id = record.open_global_id
    cookie = _check(record, session, tcon, owner, wish)
    if not _claim(session, tcon, owner, handle_id):
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "somebody else was faster")
    opened = Open(session, tcon, tcon.token, owner.open_id, handle_id)
    try:
        file = durable.reconnect(volume, token, owner, cookie, handle_id)
    except BaseException:
        # It cannot be taken up any more, by nobody.
        durable.expire(databases.share_modes, databases.byte_locks, cookie.file_id, handle_id)
        databases.opens.remove(handle_id)
        databases.forget_create(record)
        if record.persistent:
            databases.keep(handle_id)
        raise
    if record.persistent:
        session.client.replays.remember(opened, record.create_guid)
    else:
        databases.forget_create(record)  # a replay is this process's to remember from now on
    if wish.replays:
        file.create_action = cookie.create_action
    opened.recorded = True
    opened.file = file
    opened.granted_access = file.granted_access
    opened.durable, opened.resilient, opened.persistent = record.durable, record.resilient, record.persistent
    opened.durable_timeout_msec = record.durable_timeout_msec
    opened.lock_sequence = dict(record.lock_sequence)
    opened.app_instance_id = record.app_instance_id
    return opened, file


def _find(databases: Databases, client_guid: bytes, wish: Wish) -> OpenGlobal | None:
    """Look the handle up by its number; a persistent one, whose number the client may never have got, by its guid."""
    handle_id = wish.reconnect or 0
    record = databases.opens.get(handle_id) if 0 < handle_id <= MAX_ID else None
    if record is None and wish.persistent:
        return recovery.made_by(databases, client_guid, wish.create_guid)
    if record is not None and record.persistent and recovery.adopt(databases, record.open_global_id):
        return databases.opens.get(record.open_global_id)
    return record


def _check(record: OpenGlobal, session: Session, tcon: Tcon, owner: OpenOwner, wish: Wish) -> DurableCookie:
    """Make sure that it is the client's own handle, in the order of [MS-SMB2] 3.3.5.9.7 and .12."""

    def refuse_if(wrong: bool, why: str, status: int = STATUS_OBJECT_NAME_NOT_FOUND) -> None:
        if wrong:
            raise NTStatusError(status, why)

    # What is said of a replay is what it is told of an open that is in use ([MS-SMB2] 3.3.5.9).
    in_use = other_lease = STATUS_OBJECT_NAME_NOT_FOUND
    if wish.replays:
        in_use = STATUS_FILE_NOT_AVAILABLE if record.persistent else STATUS_DUPLICATE_OBJECTID
        other_lease = STATUS_ACCESS_DENIED
    refuse_if(not record.server_id.is_disconnected(), "the handle is not disconnected", in_use)
    refuse_if(not (record.durable or record.resilient or record.persistent), "the handle does not survive")
    try:
        cookie = COOKIE_CODEC.decode(record.backend_cookie)
    except RecordError as error:
        _log.error("handle %#x: %s", record.open_global_id, error)
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "unreadable cookie") from None
    leased = bool(cookie.lease_key)
    refuse_if(leased and record.client_guid != owner.client_guid, "another client's lease")
    # The first version of the context has no guid, but does for handles of the second as well.
    refuse_if(wish.version > 1 and record.create_guid != wish.create_guid, "another create")
    if not wish.replays:
        refuse_if(wish.version > 1 and record.persistent and not wish.persistent, "the handle is persistent")
    refuse_if(leased != (owner.lease is not None), "a lease for an oplock, or the reverse", other_lease)
    refuse_if(owner.lease is not None and owner.lease.key != cookie.lease_key, "another lease", other_lease)
    path = durable.current_path(session.client.ctx.databases.share_modes, cookie, record.open_global_id)
    named = _is_named(durable.name_of(cookie, path), wish.name)
    refuse_if(leased and not named, "the lease has another name", STATUS_INVALID_PARAMETER)
    refuse_if(record.share_name != tcon.share_name, "another share")
    if not wish.replays:
        refuse_if(wish.persistent and not record.persistent, "the handle is not persistent", STATUS_INVALID_PARAMETER)
    refuse_if(record.owner_sid != session.user_sid, "another user", STATUS_ACCESS_DENIED)
    return cookie


def _is_named(name: str, asked: str) -> bool:
    return name.casefold() in {asked.casefold(), asked.casefold().removesuffix(_DATA)}


def _claim(session: Session, tcon: Tcon, owner: OpenOwner, handle_id: int) -> bool:
    """Make the handle this process's; False if it is not there for the taking any more."""
    claimed = False

    def change(record: OpenGlobal) -> OpenGlobal:
        nonlocal claimed
        if record.server_id.is_disconnected():
            record.server_id = owner.server_id
            record.open_volatile_id = owner.open_id
            record.session_global_id = session.global_id
            record.tcon_global_id = tcon.global_id
            record.disconnect_time = 0
            if not record.persistent:
                record.backend_cookie = b""
            claimed = True
        return record

    session.client.ctx.databases.opens.update(handle_id, change)
    return claimed

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
    handle_id = _number(databases, owner.client_guid, wish)
    found: tuple[OpenGlobal, DurableCookie, bytes] | None = None

    def claim(record: OpenGlobal) -> OpenGlobal:
        nonlocal found
        cookie, path = _check(record, session, tcon, volume, owner, wish)
        found = record, cookie, path
        record.server_id = owner.server_id
        record.open_volatile_id = owner.open_id
        record.session_global_id = session.global_id
        record.tcon_global_id = tcon.global_id
        record.disconnect_time = 0
        if not record.persistent:
            record.backend_cookie = b""
        return record

    databases.opens.update(handle_id, claim)
    if found is None:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no such handle")
    record, cookie, path = found
    opened = Open(session, tcon, tcon.token, owner.open_id, handle_id)
    try:
        file = durable.reconnect(volume, token, owner, cookie, path, handle_id)
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


def _number(databases: Databases, client_guid: bytes, wish: Wish) -> int:
    """Return the number of the handle; a persistent one, whose number the client may never have got, has its guid."""
    handle_id = wish.reconnect or 0
    handle_id = handle_id if handle_id <= MAX_ID else 0
    if wish.persistent or wish.version == 1:
        recovery.adopt(databases, handle_id)  # its process may have been killed
    if wish.persistent and databases.opens.get(handle_id) is None:
        made = recovery.made_by(databases, client_guid, wish.create_guid)
        return 0 if made is None else made.open_global_id
    return handle_id


def _check(
    record: OpenGlobal, session: Session, tcon: Tcon, volume: Volume, owner: OpenOwner, wish: Wish
) -> tuple[DurableCookie, bytes]:
    """Make sure that it is the client's own handle; return its cookie and the path of its file beneath the share.

    In the order of [MS-SMB2] 3.3.5.9.7 and .12.
    """
    replays = wish.replays
    if not record.server_id.is_disconnected():
        raise NTStatusError(_in_use(record) if replays else STATUS_OBJECT_NAME_NOT_FOUND, "the handle is in use")
    if not (record.durable or record.resilient or record.persistent):
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the handle does not survive")
    try:
        cookie = COOKIE_CODEC.decode(record.backend_cookie)
    except RecordError as error:
        _log.error("handle %#x: %s", record.open_global_id, error)
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "unreadable cookie") from None
    if cookie.lease_key and record.client_guid != owner.client_guid:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "another client's lease")
    # The first version of the context has no guid, but does for handles of the second as well.
    if wish.version > 1 and record.create_guid != wish.create_guid:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "another create")
    if record.persistent and wish.version > 1 and not wish.persistent and not replays:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the handle is persistent")
    if cookie.lease_key != (b"" if owner.lease is None else owner.lease.key):
        raise NTStatusError(STATUS_ACCESS_DENIED if replays else STATUS_OBJECT_NAME_NOT_FOUND, "another lease")
    if record.share_name != tcon.share_name:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "another share")
    path = durable.current_path(volume, cookie, record.open_global_id)
    if cookie.lease_key and not _is_named(durable.name_of(cookie, path), wish.name):
        raise NTStatusError(STATUS_INVALID_PARAMETER, "the lease has another name")
    if wish.persistent and not record.persistent and not replays:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "the handle is not persistent")
    if record.owner_sid != session.user_sid:
        raise NTStatusError(STATUS_ACCESS_DENIED, "another user")
    return cookie, path


def _in_use(record: OpenGlobal) -> int:
    """Return what a replay is told of an open that is in use by another process ([MS-SMB2] 3.3.5.9)."""
    return STATUS_FILE_NOT_AVAILABLE if record.persistent else STATUS_DUPLICATE_OBJECTID


def _is_named(name: str, asked: str) -> bool:
    return name.casefold() in {asked.casefold(), asked.casefold().removesuffix(_DATA)}

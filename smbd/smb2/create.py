"""CREATE ([MS-SMB2] 3.3.5.9): joins an smbXsrv open with a file of the object store, or with a pipe."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from messaging.dbwrap.base import DbError
from smbd.rpc import open_pipe
from smbd.smb2 import (
    create_app_instance,
    create_durable,
    create_leases,
    create_reparse,
    create_replay,
    persistence,
    posix_extensions,
    respond,
)
from smbd.smb2.request import MaybeAsync, Reply, Request
from smbd.wire.constants import (
    SMB2_CREATE_ALLOCATION_SIZE,
    SMB2_CREATE_EA_BUFFER,
    SMB2_CREATE_FLAG_REPARSEPOINT,
    SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST,
    SMB2_CREATE_QUERY_ON_DISK_ID,
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_CREATE_SD_BUFFER,
    SMB2_CREATE_TAG_POSIX,
    SMB2_CREATE_TIMEWARP_TOKEN,
    SMB2_FLAGS_REPLAY_OPERATION,
    SMB2_IMPERSONATION_DELEGATE,
)
from smbd.wire.create import CreateRequest, CreateResponse, pack_response
from smbd.wire.create_contexts import (
    AllocationSize,
    Contexts,
    MaximalAccessRequest,
    MaximalAccessResponse,
    QueryOnDiskIdResponse,
    TimewarpToken,
)
from smbd.wire.dtyp import filetime_from_ns
from smbd.wire.fscc.ea import unpack_full_ea
from smbd.xsrv.open import Open, new_open
from vfs.access import FILE_ALL_ACCESS
from vfs.constants import FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_REPARSE_POINT, FILE_OPENED
from vfs.fsa import query_info
from vfs.fsa.close import close_file
from vfs.fsa.file_object import FileObject
from vfs.fsa.open import open_now, open_when_free
from vfs.fsa.params import EaEntry, OpenOwner, OpenParams
from vfs.fsa.reparse import ReparsePointError, StoppedOnLinkError
from vfs.locking.breaks import MustWait
from vfs.locking.oplock import OPLOCK_NONE
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BAD_IMPERSONATION_LEVEL,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_PARAMETER,
    STATUS_NETWORK_NAME_DELETED,
    STATUS_NONE_MAPPED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS,
    STATUS_TOO_MANY_OPENED_FILES,
    NTStatusError,
)
from vfs.token import SecurityToken
from vfs.volume import Volume

if TYPE_CHECKING:
    from messaging.waiter import Waiter
    from smbd.xsrv.session import Session
    from smbd.xsrv.tcon import Tcon

#: Opens of one session; far beyond what a client needs, far below what would exhaust the server.
MAX_OPENS: Final = 65536
_UNCHANGED: Final = STATUS_NONE_MAPPED
#: Contexts that ask for a lease, or for something in the answer, and for nothing that changes how the file is opened.
_SIMPLE: Final = frozenset({
    SMB2_CREATE_REQUEST_LEASE, SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST, SMB2_CREATE_QUERY_ON_DISK_ID,
})  # fmt: skip

_unpack: Final = CreateRequest.unpack
_pack_maximal_access: Final = MaximalAccessResponse.layout.pack
_pack_on_disk_id: Final = QueryOnDiskIdResponse.layout.pack


def handle(request: Request) -> MaybeAsync:
    """Open or create what the client names.

    Raises:
        NTStatusError: STATUS_BAD_IMPERSONATION_LEVEL, STATUS_INVALID_PARAMETER for a leading backslash, and
            what `vfs.fsa.open.open_now` raises.
    """
    message = _unpack(request.pdu)
    contexts = message.contexts
    simple = _SIMPLE.issuperset(contexts) if contexts else True
    reconnects = not simple and create_durable.is_reconnect(contexts)
    if message.impersonation_level > SMB2_IMPERSONATION_DELEGATE and not reconnects:
        raise NTStatusError(STATUS_BAD_IMPERSONATION_LEVEL)
    session, tcon = request.session, request.tcon
    if session is None or tcon is None:
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED)
    if len(session.opens) >= MAX_OPENS:
        raise NTStatusError(STATUS_TOO_MANY_OPENED_FILES)
    volume = tcon.volume
    if volume is None:
        return _open_pipe(request, message)
    if not tcon.maximal_access:
        raise NTStatusError(STATUS_ACCESS_DENIED, "the user may not use the share")
    if not simple:
        volume = posix_extensions.view(request, message, tcon) or volume
    if message.name[:1] == "\\" and not reconnects and not volume.options.posix:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "name begins with a backslash")
    if simple:
        return _open_file(request, message, volume, _ask(contexts) if contexts else _NOTHING)
    if reconnects:
        wish = create_durable.read(request.connection, message)
        if wish is not None:
            return _take_up(request, message, volume, tcon.token, _ask(contexts, wish))
    guid = create_replay.create_guid(request, message)
    instance = create_app_instance.read(request, message)
    made = create_replay.find(request, session, message, guid) if guid else None
    if made is not None and made.file is not None:
        return _answer_replay(request, message, made, made.file)
    create: Callable[[], MaybeAsync] = partial(_open_file, request, message, volume, None, instance)
    if instance is not None:
        create = partial(create_app_instance.perform, session, tcon, volume, instance, create)
    return create_replay.perform(request, session, guid, create) if guid else create()


def _answer_replay(request: Request, message: CreateRequest, opened: Open, file: FileObject) -> bytes:
    """Answer a CREATE that was done before: with the level that it asks for, whatever the open has."""
    contexts = message.contexts
    answers = _answer_contexts(file, _ask(contexts))
    if create_replay.says_durable(opened, message):
        answers |= create_durable.answer(opened)
    request.target = opened
    if request.chain is not None:
        request.chain.last_open = opened
    return _respond(opened, file, answers, message.requested_oplock_level)


def _open_pipe(request: Request, message: CreateRequest) -> bytes:
    session, tcon = request.session, request.tcon
    if session is None or session.info is None or tcon is None:
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED)
    pipe = open_pipe(message.name, request.connection.rpc_context(), session.info)
    opened = new_open(session, tcon, session.client.next_volatile_id())
    opened.pipe = pipe
    opened.granted_access = FILE_ALL_ACCESS
    _enter(request, opened)
    return CreateResponse(
        file_id_persistent=opened.persistent_id,
        file_id_volatile=opened.volatile_id,
        create_action=FILE_OPENED,
        file_attributes=FILE_ATTRIBUTE_NORMAL,
    ).pack()


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """What the create contexts ask for beside the open itself.

    Attributes:
        maximal_access: the data of SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST, a copy; None without it.
        on_disk_id: SMB2_CREATE_QUERY_ON_DISK_ID.
        wish: about durability.
        instance: of an application.
    """

    maximal_access: bytes | None = None
    on_disk_id: bool = False
    wish: create_durable.Wish | None = None
    instance: create_app_instance.Instance | None = None


_NOTHING: Final = _Asked()
_NO_CONTEXTS: Final[Contexts] = {}
#: So frequent an answer that it is no exception.
_NOT_FOUND: Final = Reply(respond.EMPTY_ERROR, STATUS_OBJECT_NAME_NOT_FOUND)


def _open_file(
    request: Request,
    message: CreateRequest,
    volume: Volume,
    asked: _Asked | None,
    instance: create_app_instance.Instance | None = None,
) -> MaybeAsync:
    """Open a file.

    Args:
        request: the CREATE.
        message: it as well.
        volume: the share, or a view of it.
        asked: what it asks for beside the open; None if that and more stands in the create contexts.
        instance: the application that those name.
    """
    session, tcon = request.session, request.tcon
    if session is None or tcon is None:
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED)
    token = tcon.token
    params = OpenParams(
        message.name,
        message.desired_access,
        message.file_attributes,
        message.share_access,
        message.create_disposition,
        message.create_options,
    )
    if asked is None:
        asked = _read_contexts(request, message, volume, params, instance)
    wish = asked.wish
    if wish is not None and wish.reconnect is not None:
        return _take_up(request, message, volume, token, asked)
    if message.requested_oplock_level:
        level, lease = create_leases.read(request.connection, message)
    else:
        level, lease = OPLOCK_NONE, None
    client = session.client
    number = 0 if wish is None else create_durable.number_for(client.ctx.databases, wish, volume)
    owner = OpenOwner(
        client.ctx.server_id, client.next_volatile_id(), client.client_guid, level, lease, tcon.global_id, number
    )
    try:
        file = open_now(volume, token, params, owner)
    except MustWait as blocked:
        return _open_later(request, asked, open_when_free(volume, token, params, owner, blocked.watch))
    except (ReparsePointError, StoppedOnLinkError) as stop:
        raise create_reparse.stopped(request, stop) from None
    if file is None:
        return _NOT_FOUND
    return _opened(request, session, tcon, file, asked)


def _take_up(
    request: Request, message: CreateRequest, volume: Volume, token: SecurityToken, asked: _Asked
) -> bytes:
    """Take up a handle again ([MS-SMB2] 3.3.5.9.7, 3.3.5.9.12)."""
    session, tcon, wish = request.session, request.tcon, asked.wish
    if session is None or tcon is None or wish is None:
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED)
    client = session.client
    level, lease = create_leases.read(request.connection, message, any_level=True)
    owner = OpenOwner(
        client.ctx.server_id, client.next_volatile_id(), client.client_guid, level, lease, tcon.global_id
    )
    opened, file = create_durable.reconnect(session, tcon, volume, token, owner, wish)
    _enter(request, opened)
    client.breaks.resume(file)
    answers = _answer_contexts(file, asked)
    if wish.replays:
        answers |= create_durable.answer(opened)
    return _respond(opened, file, answers)


async def _open_later(
    request: Request, asked: _Asked, opening: Coroutine[Waiter[Any], None, FileObject | None]
) -> bytes | Reply:
    """Wait for the open of a file that others keep."""
    session, tcon = request.session, request.tcon
    try:
        file = await opening
    except (ReparsePointError, StoppedOnLinkError) as stop:
        raise create_reparse.stopped(request, stop) from None
    if file is None:
        return _NOT_FOUND
    if session is None or tcon is None or not session.valid or session.tcons.get(tcon.wire_id) is not tcon:
        close_file(file)
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED, "the tree connect ended while the open waited")
    result = _opened(request, session, tcon, file, asked)
    return result if isinstance(result, (bytes, Reply)) else await result


def _opened(request: Request, session: Session, tcon: Tcon, file: FileObject, asked: _Asked) -> MaybeAsync:
    """Make the protocol's half of the open of `file`, and the response."""
    if asked is _NOTHING:
        opened = new_open(session, tcon, file.owner.open_id, file)
        _enter(request, opened)
        return _respond(opened, file, _NO_CONTEXTS)
    wish, instance = asked.wish, asked.instance
    try:
        durability = create_durable.durability(file, wish) if wish is not None else None
        opened = new_open(session, tcon, file.owner.open_id, file, durability)
    except DbError as error:
        close_file(file)
        raise NTStatusError(STATUS_INSUFFICIENT_RESOURCES, str(error)) from error
    _enter(request, opened)
    answers = _answer_contexts(file, asked)
    if wish is not None:
        answers |= create_durable.granted(opened, wish)
    if instance is not None:
        try:
            create_app_instance.enter(opened, instance)
        except BaseException:
            opened.close()
            raise
    if persistence.is_unsettled(session.client.ctx):
        return _keep(opened, file, answers)
    return _respond(opened, file, answers)


async def _keep(opened: Open, file: FileObject, answers: Contexts) -> bytes:
    await persistence.keep(opened)
    return _respond(opened, file, answers)


def _respond(opened: Open, file: FileObject, answers: Contexts, level: int | None = None) -> bytes:
    stat = query_info.opened_stat(file)
    if level is None:
        level = OPLOCK_NONE if file.oplock is None else file.oplock.level
    return pack_response(
        level,
        SMB2_CREATE_FLAG_REPARSEPOINT if stat.file_attributes & FILE_ATTRIBUTE_REPARSE_POINT else 0,
        file.create_action,
        stat.creation_time,
        stat.last_access_time,
        stat.last_write_time,
        stat.change_time,
        stat.allocation_size,
        stat.end_of_file,
        stat.file_attributes,
        opened.persistent_id,
        opened.volatile_id,
        answers,
    )


def _enter(request: Request, opened: Open) -> None:
    opened.session.opens[opened.volatile_id] = opened
    opened.channel_sequence = request.channel_sequence
    request.target = opened
    if request.chain is not None:
        request.chain.last_open = opened


def _read_contexts(
    request: Request,
    message: CreateRequest,
    volume: Volume,
    params: OpenParams,
    instance: create_app_instance.Instance | None,
) -> _Asked:
    """Take what the create contexts ask of the file system, and of the open; contexts nobody knows are ignored."""
    contexts = message.contexts
    found = contexts.get(SMB2_CREATE_ALLOCATION_SIZE)
    if found is not None:
        params.allocation_size = AllocationSize.unpack(found).allocation_size
    found = contexts.get(SMB2_CREATE_TIMEWARP_TOKEN)
    if found is not None:
        params.timewarp = TimewarpToken.unpack(found).timestamp
    found = contexts.get(SMB2_CREATE_SD_BUFFER)
    if found is not None:
        params.security_descriptor = bytes(found)
    found = contexts.get(SMB2_CREATE_EA_BUFFER)
    if found is not None:
        params.extended_attributes = [
            EaEntry(bytes(ea.name), bytes(ea.value), ea.flags) for ea in unpack_full_ea(found)
        ]
    if volume.options.posix:
        posix_extensions.read(message, params)
    replay = bool(request.flags & SMB2_FLAGS_REPLAY_OPERATION)
    return _ask(contexts, create_durable.read(request.connection, message, replay=replay), instance)


def _ask(
    contexts: Contexts,
    wish: create_durable.Wish | None = None,
    instance: create_app_instance.Instance | None = None,
) -> _Asked:
    on_disk_id = SMB2_CREATE_QUERY_ON_DISK_ID in contexts
    return _Asked(_maximal_access_asked(contexts), on_disk_id, wish, instance)


def _maximal_access_asked(contexts: Contexts) -> bytes | None:
    found = contexts.get(SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST)
    return None if found is None else bytes(found)  # once the open waits, the message is not to be relied on any more


def _answer_contexts(file: FileObject, asked: _Asked) -> Contexts:
    answer: Contexts = {}
    if asked.maximal_access is not None:
        answer[SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST] = _maximal_access(asked.maximal_access, file)
    lease = create_leases.answer(file)
    if lease is not None:
        answer[SMB2_CREATE_REQUEST_LEASE] = lease
    if asked.on_disk_id:
        answer[SMB2_CREATE_QUERY_ON_DISK_ID] = _pack_on_disk_id(file.stat.ino, file.stat.dev)
    if file.volume.options.posix:
        answer[SMB2_CREATE_TAG_POSIX] = posix_extensions.answer(file)
    return answer


def _maximal_access(asked: bytes, file: FileObject) -> bytes:
    """[MS-SMB2] 3.3.5.9.5: nothing is said if the file did not change since the client's time stamp."""
    if asked:
        timestamp = MaximalAccessRequest.unpack(asked).timestamp
        if timestamp and timestamp == filetime_from_ns(file.stat.mtime_ns):
            return _pack_maximal_access(_UNCHANGED, 0)
    try:
        return _pack_maximal_access(STATUS_SUCCESS, file.maximal_access())
    except NTStatusError as error:
        return _pack_maximal_access(error.status, 0)

"""CREATE ([MS-SMB2] 3.3.5.9): joins an smbXsrv open with a file of the object store, or with a pipe."""

from __future__ import annotations

from typing import Final

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
)
from smbd.smb2.request import AsyncResult, Request, Result
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
from smbd.wire.create import CreateRequest, CreateResponse
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
from vfs.fsa.open import open_file
from vfs.fsa.params import EaEntry, OpenOwner, OpenParams
from vfs.fsa.reparse import ReparsePointError, StoppedOnLinkError
from vfs.locking.oplock import OPLOCK_NONE
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BAD_IMPERSONATION_LEVEL,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_PARAMETER,
    STATUS_NETWORK_NAME_DELETED,
    STATUS_NONE_MAPPED,
    STATUS_SUCCESS,
    STATUS_TOO_MANY_OPENED_FILES,
    NTStatusError,
)
from vfs.token import SecurityToken
from vfs.volume import Volume

#: Opens of one session; far beyond what a client needs, far below what would exhaust the server.
MAX_OPENS: Final = 65536
_UNCHANGED: Final = STATUS_NONE_MAPPED


def handle(request: Request) -> Result | AsyncResult:
    """Open or create what the client names.

    Raises:
        NTStatusError: STATUS_BAD_IMPERSONATION_LEVEL, STATUS_INVALID_PARAMETER for a leading backslash, and
            what `vfs.fsa.open.open_file` raises.
    """
    message = CreateRequest.unpack(request.pdu)
    reconnects = bool(message.contexts) and create_durable.is_reconnect(message.contexts)
    if message.impersonation_level > SMB2_IMPERSONATION_DELEGATE and not reconnects:
        raise NTStatusError(STATUS_BAD_IMPERSONATION_LEVEL)
    session, tcon = request.session, request.tcon
    if session is None or tcon is None:
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED)
    if len(session.opens) >= MAX_OPENS:
        raise NTStatusError(STATUS_TOO_MANY_OPENED_FILES)
    if tcon.volume is None:
        return _open_pipe(request, message)
    if not tcon.maximal_access:
        raise NTStatusError(STATUS_ACCESS_DENIED, "the user may not use the share")
    volume = tcon.volume
    if message.contexts:
        volume = posix_extensions.view(request, message, tcon) or volume
    if message.name.startswith("\\") and not reconnects and not volume.options.posix:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "name begins with a backslash")
    if not message.contexts:
        return _open_file(request, message, volume, tcon.token)
    guid = create_replay.create_guid(request, message)
    instance = create_app_instance.read(request, message)
    made = create_replay.find(request, session, message, guid) if guid else None
    if made is not None and made.file is not None:
        return _answer_replay(request, message, made, made.file)
    create: AsyncResult = _open_file(request, message, volume, tcon.token, instance)
    if instance is not None:
        create = create_app_instance.perform(session, tcon, volume, instance, create)
    return create_replay.perform(request, session, guid, create) if guid else create


def _answer_replay(request: Request, message: CreateRequest, opened: Open, file: FileObject) -> bytes:
    """Answer a CREATE that was done before: with the level that it asks for, whatever the open has."""
    asked = message.contexts.get(SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST)
    answers = _answer_contexts(
        file,
        None if asked is None else bytes(asked),
        on_disk_id=SMB2_CREATE_QUERY_ON_DISK_ID in message.contexts,
    )
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


async def _open_file(
    request: Request,
    message: CreateRequest,
    volume: Volume,
    token: SecurityToken,
    instance: create_app_instance.Instance | None = None,
) -> bytes:
    session, tcon = request.session, request.tcon
    if session is None or tcon is None:
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED)
    contexts = message.contexts
    params = OpenParams(
        message.name,
        message.desired_access,
        message.file_attributes,
        message.share_access,
        message.create_disposition,
        message.create_options,
    )
    if contexts:
        _read_contexts(message, params)
        if volume.options.posix:
            posix_extensions.read(message, params)
    # Once the open waits, the message is not to be relied on any more.
    asked = contexts.get(SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST)
    maximal_access = None if asked is None else bytes(asked)
    on_disk_id = SMB2_CREATE_QUERY_ON_DISK_ID in contexts
    client = session.client
    volatile_id = client.next_volatile_id()
    wish: create_durable.Wish | None = None
    if contexts:
        replay = bool(request.flags & SMB2_FLAGS_REPLAY_OPERATION)
        wish = create_durable.read(request.connection, message, replay=replay)
    reconnects = wish is not None and wish.reconnect is not None
    level, lease = create_leases.read(request.connection, message, any_level=reconnects)
    number = create_durable.number_for(client.ctx.databases, wish, volume) if wish is not None else 0
    owner = OpenOwner(
        client.ctx.server_id, volatile_id, client.client_guid, level, lease, tcon.global_id, number
    )
    if wish is not None and reconnects:
        opened, file = create_durable.reconnect(session, tcon, volume, token, owner, wish)
        _enter(request, opened)
        answers = _answer_contexts(file, maximal_access, on_disk_id=on_disk_id)
        if wish.replays:
            answers |= create_durable.answer(opened)
        return _respond(opened, file, answers)
    try:
        file = await open_file(volume, token, params, owner)
    except ReparsePointError as point:
        raise create_reparse.stopped(request, point) from None
    except StoppedOnLinkError as stop:
        raise create_reparse.stopped_on_link(request, stop.link) from None
    if params.attempts and (not session.valid or session.tcons.get(tcon.wire_id) is not tcon):
        close_file(file)
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED, "the tree connect ended while the open waited")
    try:
        durability = create_durable.durability(file, wish) if wish is not None else None
        opened = new_open(session, tcon, volatile_id, file, durability)
    except DbError as error:
        close_file(file)
        raise NTStatusError(STATUS_INSUFFICIENT_RESOURCES, str(error)) from error
    _enter(request, opened)
    answers = _answer_contexts(file, maximal_access, on_disk_id=on_disk_id) if contexts else {}
    if wish is not None:
        answers |= create_durable.granted(opened, wish)
    if instance is not None:
        try:
            create_app_instance.enter(opened, instance)
        except BaseException:
            opened.close()
            raise
    if contexts and persistence.is_unsettled(client.ctx):
        await persistence.keep(opened)
    return _respond(opened, file, answers)


def _respond(opened: Open, file: FileObject, answers: Contexts, level: int | None = None) -> bytes:
    stat = query_info.opened_stat(file)
    if level is None:
        level = OPLOCK_NONE if file.oplock is None else file.oplock.level
    return CreateResponse(
        opened.persistent_id,
        opened.volatile_id,
        file.create_action,
        level,
        stat.creation_time,
        stat.last_access_time,
        stat.last_write_time,
        stat.change_time,
        stat.allocation_size,
        stat.end_of_file,
        stat.file_attributes,
        answers,
        SMB2_CREATE_FLAG_REPARSEPOINT if stat.file_attributes & FILE_ATTRIBUTE_REPARSE_POINT else 0,
    ).pack()


def _enter(request: Request, opened: Open) -> None:
    opened.session.opens[opened.volatile_id] = opened
    opened.channel_sequence = request.channel_sequence
    request.target = opened
    if request.chain is not None:
        request.chain.last_open = opened


def _read_contexts(message: CreateRequest, params: OpenParams) -> None:
    """Take what the create contexts ask of the file system; contexts nobody knows are ignored."""
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


def _answer_contexts(file: FileObject, maximal_access: bytes | None, *, on_disk_id: bool) -> Contexts:
    answer: Contexts = {}
    if maximal_access is not None:
        answer[SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST] = _maximal_access(maximal_access, file)
    lease = create_leases.answer(file)
    if lease is not None:
        answer[SMB2_CREATE_REQUEST_LEASE] = lease
    if on_disk_id:
        answer[SMB2_CREATE_QUERY_ON_DISK_ID] = QueryOnDiskIdResponse(file.file_id.ino, file.file_id.dev).pack()
    if file.volume.options.posix:
        answer[SMB2_CREATE_TAG_POSIX] = posix_extensions.answer(file)
    return answer


def _maximal_access(asked: bytes, file: FileObject) -> bytes:
    """[MS-SMB2] 3.3.5.9.5: nothing is said if the file did not change since the client's time stamp."""
    if asked:
        timestamp = MaximalAccessRequest.unpack(asked).timestamp
        if timestamp and timestamp == filetime_from_ns(file.stat.mtime_ns):
            return MaximalAccessResponse(_UNCHANGED, 0).pack()
    try:
        return MaximalAccessResponse(STATUS_SUCCESS, file.maximal_access()).pack()
    except NTStatusError as error:
        return MaximalAccessResponse(error.status, 0).pack()

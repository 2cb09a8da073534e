"""Creates that a client sends again because it does not know what became of them: [MS-SMB2] 3.3.5.9.10.

The open that a create has made is found, wherever it is, while Open.IsReplayEligible: until its first use, and a
persistent handle for as long as there is one. So says the specification up to version 83; 85 wants that forgotten with
its first use as well, which would leave a client without it that lost the responses to a create and a write at once.

Where the specification and Samba differ otherwise, this does as Samba: a create in progress answers
STATUS_FILE_NOT_AVAILABLE, which clients repeat until it is done (Windows lets the replay wait, or refuses it), and a
handle need not be durable to be found again by the process that has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from smbd.smb2.request import Reply
from smbd.wire.constants import (
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT,
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_DIALECT_300,
    SMB2_FLAGS_REPLAY_OPERATION,
    SMB2_OPLOCK_LEVEL_BATCH,
    SMB2_OPLOCK_LEVEL_LEASE,
)
from smbd.wire.create_context_durable import DurableHandleRequestV2
from smbd.wire.create_context_lease import unpack_lease
from smbd.xsrv.recovery import made_by
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DUPLICATE_OBJECTID,
    NTStatusError,
)

if TYPE_CHECKING:
    from smbd.smb2.request import MaybeAsync, Request
    from smbd.wire.create import CreateRequest
    from smbd.xsrv.open import Open
    from smbd.xsrv.replay import ReplayCache
    from smbd.xsrv.session import Session


_EXCLUDING: Final = {
    SMB2_CREATE_DURABLE_HANDLE_REQUEST,
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT,
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2,
}
"""With these a create is refused for what it is, whatever its GUID."""


def create_guid(request: Request, message: CreateRequest) -> bytes:
    """Return by what GUID the create can be replayed; empty if it cannot.

    Raises:
        WireError: the context is malformed.
    """
    context = message.contexts.get(SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2)
    if context is None or request.connection.dialect < SMB2_DIALECT_300 or _EXCLUDING & message.contexts.keys():
        return b""
    return DurableHandleRequestV2.unpack(context).create_guid


def find(request: Request, session: Session, message: CreateRequest, guid: bytes) -> Open | None:
    """Return the open of this process that the create `guid` has made already; None if there is none.

    What a replay has made that is not this process's is for `create_durable.reconnect`.

    Raises:
        NTStatusError: STATUS_FILE_NOT_AVAILABLE: it is in progress. STATUS_DUPLICATE_OBJECTID: it is done, and this
            is no replay. STATUS_ACCESS_DENIED: the replay asks for another lease, or for one where there is none.
    """
    client = session.client
    opened = client.replays.find(guid)
    if opened is None:
        replay = request.flags & SMB2_FLAGS_REPLAY_OPERATION
        if not replay and made_by(client.ctx.databases, client.client_guid, guid):
            raise NTStatusError(STATUS_DUPLICATE_OBJECTID, "the CreateGuid is that of a handle without its client")
        return None
    if opened.session is not session or not request.flags & SMB2_FLAGS_REPLAY_OPERATION:
        raise NTStatusError(STATUS_DUPLICATE_OBJECTID, "the CreateGuid is in use")
    lease = message.contexts.get(SMB2_CREATE_REQUEST_LEASE)
    if lease is not None:
        oplock = opened.file.oplock if opened.file is not None else None
        if oplock is None or oplock.lease_key != unpack_lease(lease).lease_key:
            raise NTStatusError(STATUS_ACCESS_DENIED, "the open has another lease, or none")
    if opened.file is not None and opened.file.oplock is not None and opened.file.oplock.lease is not None:
        # Other opens may have raised it since.
        modes, oplock = opened.file.volume.share_modes, opened.file.oplock
        oplock.lease = modes.find_lease(opened.file.owner.client_guid, oplock.lease_key) or oplock.lease
    return opened


def says_durable(opened: Open, message: CreateRequest) -> bool:
    """Tell whether the response to a replay says that the handle is durable: that depends on what is asked for."""
    caches = message.requested_oplock_level in {SMB2_OPLOCK_LEVEL_BATCH, SMB2_OPLOCK_LEVEL_LEASE}
    return opened.persistent or (opened.durable and caches)


def perform(request: Request, session: Session, guid: bytes, create: Callable[[], MaybeAsync]) -> MaybeAsync:
    """Run the create `guid`, a new one, so that it can be replayed.

    Should the channel break before its end, it goes on: the client will ask for it on another one.
    """
    replays = session.client.replays
    replays.begin(guid)
    request.outlives_channel = True
    try:
        result = create()
    except BaseException:
        replays.abandon(guid)
        raise
    if not isinstance(result, (bytes, Reply)):
        return _perform_later(request, replays, guid, result)
    _end(request, replays, guid)
    return result


async def _perform_later(
    request: Request, replays: ReplayCache, guid: bytes, create: Awaitable[bytes | Reply]
) -> bytes | Reply:
    try:
        result = await create
    except BaseException:
        replays.abandon(guid)
        raise
    _end(request, replays, guid)
    return result


def _end(request: Request, replays: ReplayCache, guid: bytes) -> None:
    """Let the create be found by its GUID if it made an open."""
    if request.target is None:
        replays.abandon(guid)
    else:
        replays.finish(request.target, guid)

"""TREE_CONNECT ([MS-SMB2] 3.3.5.7): who may use a share, and as whom."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from smbd.auth.policy import share_access
from smbd.auth.session_info import SessionInfo
from smbd.auth.unix_user import find_user
from smbd.config.access import host_allowed
from smbd.config.enums import CSC_DISABLE, CSC_DOCUMENTS, CSC_PROGRAMS, DESIRED, REQUIRED
from smbd.config.loadparm import ShareParams
from smbd.config.substitute import SubstContext, substitute
from smbd.smb2.request import ProtocolViolation, Request
from smbd.wire.constants import (
    SMB2_DIALECT_300,
    SMB2_DIALECT_311,
    SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY,
    SMB2_SHARE_TYPE_DISK,
    SMB2_SHARE_TYPE_PIPE,
    SMB2_SHAREFLAG_ACCESS_BASED_DIRECTORY_ENUM,
    SMB2_SHAREFLAG_AUTO_CACHING,
    SMB2_SHAREFLAG_ENCRYPT_DATA,
    SMB2_SHAREFLAG_NO_CACHING,
    SMB2_SHAREFLAG_VDO_CACHING,
)
from smbd.wire.tree import TreeConnectRequest, TreeConnectResponse
from smbd.xsrv.session import Session
from smbd.xsrv.tcon import Tcon
from smbd.xsrv.volumes import make_volume
from vfs.access import FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BAD_NETWORK_NAME,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_PARAMETER,
    STATUS_USER_SESSION_DELETED,
    NTStatusError,
)
from vfs.posix import credentials

_log = logging.getLogger(__name__)

IPC: Final = "IPC$"
#: [MS-SMB2] 2.2.9: the share name has at most 80 characters.
_MAX_SHARE_NAME: Final = 80
_MAX_TREES: Final = 65536
_CACHING: Final = {
    CSC_DOCUMENTS: SMB2_SHAREFLAG_AUTO_CACHING,
    CSC_PROGRAMS: SMB2_SHAREFLAG_VDO_CACHING,
    CSC_DISABLE: SMB2_SHAREFLAG_NO_CACHING,
}
READ_ONLY_ACCESS: Final = FILE_GENERIC_READ | FILE_GENERIC_EXECUTE


def handle(request: Request) -> bytes:
    """Connect the session to a share.

    Raises:
        NTStatusError: STATUS_BAD_NETWORK_NAME without such a share, STATUS_ACCESS_DENIED if the user, the host
            or an unencrypted session may not use it, STATUS_INSUFFICIENT_RESOURCES beyond `max connections`.
    """
    session = request.session
    if session is None or session.info is None:
        raise NTStatusError(STATUS_USER_SESSION_DELETED)
    extended = request.connection.dialect == SMB2_DIALECT_311
    if extended and session.has_keys and not (request.sign or request.sealed):
        # [MS-SMB2] 3.3.5.7: the first request after the authentication proves that nobody sits in between.
        raise ProtocolViolation("TREE_CONNECT neither signed nor encrypted")
    message = TreeConnectRequest.unpack(request.pdu, extended=extended)
    if len(session.tcons) >= _MAX_TREES:
        raise NTStatusError(STATUS_INSUFFICIENT_RESOURCES, "too many tree connects")
    name = _share_name(message.path)
    if name.upper() == IPC:
        tcon = _connect_ipc(request, session, session.info)
    else:
        tcon = _connect_disk(request, session, session.info, name)
    session.tcons[tcon.wire_id] = tcon
    request.tree_id = tcon.wire_id
    return TreeConnectResponse(
        share_type=tcon.share_type,
        share_flags=_share_flags(tcon),
        capabilities=_capabilities(request, tcon),
        maximal_access=tcon.maximal_access,
    ).pack()


def _share_name(path: str) -> str:
    r"""Return the share of ``\\server\share``.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER if it is not of that form, STATUS_BAD_NETWORK_NAME if it is too long.
    """
    if not path.startswith("\\\\"):
        raise NTStatusError(STATUS_INVALID_PARAMETER, f"{path!r} is no UNC path")
    _server, separator, name = path[2:].partition("\\")
    if not separator or not name or "\\" in name:
        raise NTStatusError(STATUS_BAD_NETWORK_NAME, f"{path!r} names no share")
    if len(name) > _MAX_SHARE_NAME:
        raise NTStatusError(STATUS_BAD_NETWORK_NAME, "share name too long")
    return name


def _connect_ipc(request: Request, session: Session, info: SessionInfo) -> Tcon:
    """Connect to IPC$, which always exists; `restrict anonymous = 2` closes it to the nameless."""
    parameters = request.connection.ctx.config.globals
    if info.is_anonymous and parameters.restrict_anonymous >= 2:
        raise NTStatusError(STATUS_ACCESS_DENIED, "anonymous users are not wanted")
    return Tcon(
        session,
        session.next_tree_id(),
        parameters.share_defaults,
        IPC,
        SMB2_SHARE_TYPE_PIPE,
        info.token,
        None,
        READ_ONLY_ACCESS | FILE_ALL_ACCESS,
        encryption_required=False,
    )


def _connect_disk(request: Request, session: Session, info: SessionInfo, name: str) -> Tcon:
    connection = request.connection
    share = find_share(request, info, name)
    if share is None or not share.available:
        raise NTStatusError(STATUS_BAD_NETWORK_NAME, f"no share {name!r}")
    if not host_allowed(share.hosts_allow, share.hosts_deny, connection.transport.remote_host):
        raise NTStatusError(STATUS_ACCESS_DENIED, f"host {connection.transport.remote_host} is not allowed")
    encryption_required = share.server_smb_encrypt == REQUIRED
    if encryption_required and not session.can_seal:
        raise NTStatusError(STATUS_ACCESS_DENIED, f"share {share.name} wants encryption, the client cannot")
    context = _substitutions(request, info, share)
    access = share_access(connection.ctx.auth, info, share, partial(_expand, context))
    path = substitute(share.path, context.but(user=access.session.unix_name, home=access.session.unix_home))
    if not path:
        raise NTStatusError(STATUS_BAD_NETWORK_NAME, f"share {share.name} has no path")
    if share.max_connections > 0 and _connections(request, share) >= share.max_connections:
        raise NTStatusError(STATUS_INSUFFICIENT_RESOURCES, f"share {share.name} is full")
    token = access.session.token
    make = partial(
        make_volume, connection.ctx, share, path, read_only=access.read_only, expand=partial(_expand, context)
    )
    credentials.impersonate(token.unix)
    try:
        volume = make()
    except PermissionError as error:
        raise NTStatusError(STATUS_ACCESS_DENIED, f"share {share.name}: {error}") from error
    except OSError as error:
        _log.warning("share %s: %s", share.name, error)
        raise NTStatusError(STATUS_BAD_NETWORK_NAME, f"share {share.name}: {error}") from error
    finally:
        credentials.become_root()
    return Tcon(
        session,
        session.next_tree_id(),
        share,
        share.name,
        SMB2_SHARE_TYPE_DISK,
        token,
        volume,
        READ_ONLY_ACCESS if access.read_only else FILE_ALL_ACCESS,
        encryption_required=encryption_required,
        make_posix_volume=partial(make, posix=True),
    )


def change_user(request: Request, session: Session, info: SessionInfo) -> None:
    """Let the tree connects of a session go on as the user who has authenticated it again ([MS-SMB2] 3.3.5.5.3).

    What is open stays open, with the access and the identity that it was opened with. On a share that the user may
    not use nothing more can be opened.
    """
    for tcon in list(session.tcons.values()):
        if tcon.volume is None:
            tcon.token = info.token
            continue
        expand = partial(_expand, _substitutions(request, info, tcon.share))
        try:
            access = share_access(request.connection.ctx.auth, info, tcon.share, expand)
        except NTStatusError as error:
            _log.info("share %s is closed to %s: %s", tcon.share_name, info.user_name, error)
            tcon.token, tcon.maximal_access = info.token, 0
            continue
        tcon.token = access.session.token
        tcon.maximal_access = READ_ONLY_ACCESS if access.read_only else FILE_ALL_ACCESS
        tcon.volume.read_only = access.read_only
        if tcon.posix_volume is not None:
            tcon.posix_volume.read_only = access.read_only


def _expand(context: SubstContext, text: str) -> str:
    return substitute(text, context)


def find_share(request: Request, info: SessionInfo, name: str) -> ShareParams | None:
    """Return the share of that name, or the one that [homes] makes for a user of that name."""
    config = request.connection.ctx.config
    share = config.share(name)
    if share is not None or config.homes is None:
        return share
    user = find_user(info.unix_name if name.lower() == "homes" else name.lower())
    return None if user is None or not user.home else config.home_share(user.name, user.home)


def _substitutions(request: Request, info: SessionInfo, share: ShareParams) -> SubstContext:
    return request.connection.substitutions().but(
        user=info.unix_name,
        session_user=info.requested_name or info.user_name,
        share=share.name,
        home=info.unix_home,
        domain=info.domain,
    )


def _connections(request: Request, share: ShareParams) -> int:
    """Count the tree connects to a share in all processes."""
    tcons = request.connection.ctx.databases.tcons
    return sum(record.share_name == share.name for _, record in tcons.items())


def _capabilities(request: Request, tcon: Tcon) -> int:
    available = tcon.volume is not None and tcon.volume.options.persistent_handles
    if available and request.connection.dialect >= SMB2_DIALECT_300:
        return SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY
    return 0


def _share_flags(tcon: Tcon) -> int:
    if tcon.volume is None:
        return SMB2_SHAREFLAG_NO_CACHING
    flags = _CACHING.get(tcon.share.csc_policy, 0)
    if tcon.share.hide_unreadable:
        flags |= SMB2_SHAREFLAG_ACCESS_BASED_DIRECTORY_ENUM
    encrypt = tcon.encryption_required or tcon.share.server_smb_encrypt == DESIRED
    if encrypt and tcon.session.can_seal:
        flags |= SMB2_SHAREFLAG_ENCRYPT_DATA
    return flags



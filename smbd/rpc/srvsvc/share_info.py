"""Shares as [MS-SRVS] 2.2.4.22 to 2.2.4.41 describe them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from smbd.auth.policy import SharePolicy
from smbd.auth.unix_user import find_user
from smbd.config.enums import CSC_DISABLE, CSC_DOCUMENTS, CSC_MANUAL, CSC_PROGRAMS
from smbd.config.substitute import SubstContext, substitute
from smbd.rpc.info_levels import Level, level
from vfs.access import FILE_ALL_ACCESS
from vfs.security import SE_DACL_PRESENT, SE_SELF_RELATIVE, Acl, SecurityDescriptor, allow
from vfs.sid import SID_WORLD

if TYPE_CHECKING:
    from smbd.config.loadparm import ShareParams
    from smbd.rpc.service import Call

# Share types ([MS-SRVS] 2.2.2.4).
STYPE_DISKTREE: Final = 0
STYPE_IPC: Final = 3
STYPE_SPECIAL: Final = 0x80000000
IPC: Final = "IPC$"

#: SHARE_INFO_2.shi2_max_uses: no limit.
UNLIMITED: Final = 0xFFFFFFFF
#: SHI1005_FLAGS_ACCESS_BASED_DIRECTORY_ENUM ([MS-SRVS] 2.2.4.29).
SHI1005_FLAGS_ACCESS_BASED_DIRECTORY_ENUM: Final = 0x0800
#: CSC_MASK of shi1005_flags.
_CSC_SHIFT: Final = 4
_CSC: Final = {CSC_MANUAL: 0, CSC_DOCUMENTS: 1, CSC_PROGRAMS: 2, CSC_DISABLE: 3}

_LEVEL_2: Final = "$name #type $remark #permissions #max_uses #current_uses $path $password"
LEVELS: Final[dict[int, Level]] = {
    0: level("$name"),
    1: level("$name #type $remark"),
    2: level(_LEVEL_2),
    501: level("$name #type $remark #csc_policy"),
    502: level(f"{_LEVEL_2} @security_descriptor"),
    503: level(f"{_LEVEL_2} $server_name @security_descriptor"),
    1005: level("#flags"),
}


#: Shares have no descriptor of their own: who may do what is written in smb.conf and on the files.
_EVERYONE_MAY_DO_ALL: Final = SecurityDescriptor(
    dacl=Acl((allow(SID_WORLD, FILE_ALL_ACCESS),)), control=SE_SELF_RELATIVE | SE_DACL_PRESENT
).pack()


class ShareInfo(msgspec.Struct, kw_only=True):
    """One share; the union of all levels."""

    name: str
    type: int
    remark: str
    max_uses: int
    current_uses: int
    path: str
    flags: int
    csc_policy: int
    permissions: int = 0
    password: str = ""
    server_name: str = "*"
    security_descriptor: bytes = _EVERYONE_MAY_DO_ALL


def windows_path(path: str) -> str:
    """Return a Unix path as Windows' tools like to show it."""
    return "C:" + path.replace("/", "\\")


def find_share(call: Call, name: str) -> ShareInfo | None:
    """Return the share of that name, listed or not; IPC$ and the caller's home are shares too."""
    if name.upper() == IPC:
        return _ipc(call, _connections(call))
    share = call.context.config.share(name)
    if share is None:
        home = _home_share(call)
        if home is None or home.name.lower() != name.lower():
            return None
        share = home
    return _info(call, share, _connections(call))


def listed_shares(call: Call) -> list[ShareInfo]:
    """Return what a listing shows to the caller: the browseable shares, IPC$, and the caller's home."""
    connections = _connections(call)
    shares = [share for share in call.context.config.shares() if _is_listed(call, share)]
    found = [_info(call, share, connections) for share in shares]
    found.append(_ipc(call, connections))
    home = _home_share(call)
    if home is not None and _is_listed(call, home) and call.context.config.share(home.name) is None:
        found.append(_info(call, home, connections))
    return found


def _home_share(call: Call) -> ShareParams | None:
    """Return the share that [homes] made for the caller; nobody else's is talked about."""
    session = call.session
    if session.is_guest or session.is_anonymous:
        return None
    user = find_user(session.unix_name)
    if user is None or not user.home:
        return None
    return call.context.config.home_share(user.name, user.home)


def _is_listed(call: Call, share: ShareParams) -> bool:
    if not share.available or not share.browseable:
        return False
    if not share.access_based_share_enum:
        return True
    variables = _variables(call, share)
    return SharePolicy(call.context.auth, call.session, share, lambda text: substitute(text, variables)).may_connect()


def _variables(call: Call, share: ShareParams) -> SubstContext:
    session, context = call.session, call.context
    return SubstContext(
        user=session.unix_name,
        session_user=session.requested_name or session.user_name,
        domain=session.domain,
        share=share.name,
        home=session.unix_home,
        client_ip=context.client_address,
        client_name=session.workstation,
        server_name=context.config.globals.netbios_name,
    )


def _ipc(call: Call, connections: Counter[str]) -> ShareInfo:
    parameters = call.context.config.globals
    comment = substitute(parameters.server_string, SubstContext(server_name=parameters.netbios_name))
    return ShareInfo(
        name=IPC,
        type=STYPE_IPC | STYPE_SPECIAL,
        remark=f"IPC Service ({comment})",
        max_uses=UNLIMITED,
        current_uses=connections[IPC],
        path="",
        flags=0,
        csc_policy=0,
    )


def _info(call: Call, share: ShareParams, connections: Counter[str]) -> ShareInfo:
    variables = _variables(call, share)
    csc_policy = _CSC[share.csc_policy] << _CSC_SHIFT
    flags = csc_policy
    if share.hide_unreadable:
        flags |= SHI1005_FLAGS_ACCESS_BASED_DIRECTORY_ENUM
    return ShareInfo(
        name=share.name,
        type=STYPE_DISKTREE,
        remark=substitute(share.comment, variables),
        max_uses=share.max_connections or UNLIMITED,
        current_uses=connections[share.name],
        path=windows_path(substitute(share.path, variables)),
        flags=flags,
        csc_policy=csc_policy,
    )


def _connections(call: Call) -> Counter[str]:
    return Counter(record.share_name for _, record in call.context.databases.tcons.items())

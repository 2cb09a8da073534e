"""Who uses the server: NetrSessionEnum, NetrConnectionEnum, NetrFileEnum ([MS-SRVS] 3.1.4.1, 3.1.4.2, 3.1.4.5).

For administrators only, as in Samba. What they show comes out of the shared databases: it is about all processes.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from smbd.auth.unix_user import user_name
from smbd.rpc.errors import ERROR_ACCESS_DENIED, ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER
from smbd.rpc.info_levels import Level, level, read_enumeration, write_enumeration
from smbd.rpc.ndr import NdrReader, NdrWriter
from smbd.rpc.service import Call
from smbd.rpc.srvsvc.share_info import IPC, STYPE_DISKTREE, STYPE_IPC, windows_path
from vfs.access import FILE_APPEND_DATA, FILE_READ_DATA, FILE_WRITE_DATA
from vfs.locking.entry import ENTRY_REPLACING, ENTRY_STREAM

if TYPE_CHECKING:
    from smbd.xsrv.records import SessionGlobal

_SESSION_1: Final = "$client $user #opens #time #idle_time #user_flags"
SESSION_LEVELS: Final[dict[int, Level]] = {
    0: level("$client"),
    1: level(_SESSION_1),
    2: level(f"{_SESSION_1} $client_type"),
    10: level("$client $user #time #idle_time"),
    502: level(f"{_SESSION_1} $client_type $transport"),
}
CONNECTION_LEVELS: Final[dict[int, Level]] = {
    0: level("#id"),
    1: level("#id #type #opens #users #time $user $share"),
}
FILE_LEVELS: Final[dict[int, Level]] = {
    2: level("#id"),
    3: level("#id #permissions #locks $path $user"),
}

#: SESS_GUEST ([MS-SRVS] 2.2.2.3).
_SESS_GUEST: Final = 1
# Permissions of FILE_INFO_3 ([MS-SRVS] 2.2.4.7).
_PERM_FILE_READ: Final = 1
_PERM_FILE_WRITE: Final = 2
_NANOSECONDS: Final = 1_000_000_000
_MAX_U32: Final = 0xFFFFFFFF


class SessionInfo(msgspec.Struct):
    """SESSION_INFO_502 ([MS-SRVS] 2.2.4.15)."""

    client: str
    user: str
    opens: int
    time: int
    user_flags: int
    idle_time: int = 0
    client_type: str = ""
    transport: str = ""


class ConnectionInfo(msgspec.Struct):
    """CONNECTION_INFO_1 ([MS-SRVS] 2.2.4.2)."""

    id: int
    type: int
    opens: int
    time: int
    user: str
    share: str
    users: int = 1


class FileInfo(msgspec.Struct):
    """FILE_INFO_3 ([MS-SRVS] 2.2.4.7)."""

    id: int
    permissions: int
    path: str
    user: str
    locks: int = 0


def session_enum(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrSessionEnum: sessions, of one client or user if the caller names one."""
    reader.optional_string()
    client, user = reader.optional_string(), reader.optional_string()
    number = read_enumeration(reader, SESSION_LEVELS)
    if number is None:
        write_enumeration(writer, 0, SESSION_LEVELS[0], [], ERROR_INVALID_LEVEL)
        return
    reader.u32()
    resume = reader.optional_u32()
    if not call.session.token.is_administrator:
        write_enumeration(writer, number, SESSION_LEVELS[number], [], ERROR_ACCESS_DENIED, resume)
        return
    found = [
        info
        for info in _sessions(call)
        if (not client or _same_host(client, info.client)) and (not user or user.lower() == info.user.lower())
    ]
    write_enumeration(writer, number, SESSION_LEVELS[number], found, resume=resume)


def _sessions(call: Call) -> list[SessionInfo]:
    databases = call.context.databases
    by_connect = _opens_by_connect(call)
    opens: dict[int, int] = {}
    for number, record in databases.tcons.items():
        opens[record.session_global_id] = opens.get(record.session_global_id, 0) + by_connect[number]
    return [
        SessionInfo(
            client=_client(record),
            user=record.user_name,
            opens=opens.get(number, 0),
            time=_seconds_since(record.creation_time),
            user_flags=_SESS_GUEST if record.is_guest else 0,
        )
        for number, record in databases.sessions.items()
        if record.valid and record.channels and databases.is_alive(record.channels[0].server_id)
    ]


def _opens_by_connect(call: Call) -> Counter[int]:
    """Return how many files each tree connect has open."""
    return Counter(
        entry.connect_id
        for _, record in call.context.databases.share_modes.traverse()
        for entry in record.entries
        if not entry.flags & (ENTRY_STREAM | ENTRY_REPLACING) and not entry.server_id.is_disconnected()
    )


def connection_enum(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    r"""NetrConnectionEnum: tree connects to one share, or of one client (a qualifier ``\\client``)."""
    reader.optional_string()
    qualifier = reader.optional_string()
    number = read_enumeration(reader, CONNECTION_LEVELS)
    if number is None:
        write_enumeration(writer, 0, CONNECTION_LEVELS[0], [], ERROR_INVALID_LEVEL)
        return
    reader.u32()
    resume = reader.optional_u32()
    status = 0
    found: list[ConnectionInfo] = []
    if not call.session.token.is_administrator:
        status = ERROR_ACCESS_DENIED
    elif not qualifier:
        status = ERROR_INVALID_PARAMETER
    else:
        found = _connections(call, qualifier)
    write_enumeration(writer, number, CONNECTION_LEVELS[number], found, status, resume)


def _connections(call: Call, qualifier: str) -> list[ConnectionInfo]:
    databases = call.context.databases
    sessions = dict(databases.sessions.items())
    opens = _opens_by_connect(call)
    found = []
    for number, record in databases.tcons.items():
        session = sessions.get(record.session_global_id)
        client = _client(session) if session is not None else ""
        if qualifier.startswith("\\\\"):
            wanted = _same_host(qualifier, client)
        else:
            wanted = qualifier.lower() == record.share_name.lower()
        if wanted and databases.is_alive(record.server_id):
            kind = STYPE_IPC if record.share_name == IPC else STYPE_DISKTREE
            user = session.user_name if session is not None else ""
            age = _seconds_since(record.creation_time)
            found.append(ConnectionInfo(number, kind, opens[number], age, user, record.share_name))
    return found


def file_enum(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrFileEnum: open files, beneath one path or of one user if the caller names them."""
    reader.optional_string()
    base, user = reader.optional_string(), reader.optional_string()
    number = read_enumeration(reader, FILE_LEVELS)
    if number is None:
        write_enumeration(writer, 2, FILE_LEVELS[2], [], ERROR_INVALID_LEVEL)
        return
    reader.u32()
    resume = reader.optional_u32()
    if not call.session.token.is_administrator:
        write_enumeration(writer, number, FILE_LEVELS[number], [], ERROR_ACCESS_DENIED, resume)
        return
    found = [
        info
        for info in _files(call)
        if (not base or info.path.lower().startswith(base.lower())) and (not user or user.lower() == info.user.lower())
    ]
    write_enumeration(writer, number, FILE_LEVELS[number], found, resume=resume)


def _files(call: Call) -> list[FileInfo]:
    databases = call.context.databases
    found = []
    for _, record in databases.share_modes.traverse():
        for entry in record.entries:
            if not databases.is_alive(entry.server_id):
                continue
            permissions = 0
            if entry.access_mask & FILE_READ_DATA:
                permissions |= _PERM_FILE_READ
            if entry.access_mask & (FILE_WRITE_DATA | FILE_APPEND_DATA):
                permissions |= _PERM_FILE_WRITE
            path = windows_path(os.fsdecode(record.name_of(entry)))
            found.append(FileInfo(entry.open_id & _MAX_U32, permissions, path, user_name(entry.uid) or str(entry.uid)))
    return found


def _client(record: SessionGlobal) -> str:
    return record.channels[0].remote_name if record.channels else ""


def _same_host(asked: str, client: str) -> bool:
    return asked.lstrip("\\").lower() == client.lower()


def _seconds_since(ns: int) -> int:
    return max(0, (time.time_ns() - ns) // _NANOSECONDS)

"""The servers on the databases of one lock directory, and whether they understand each other: smbXsrv_version_global.

Several servers can share a lock directory: an upgrade starts the new one beside the old (`smbd --take-over`). They must
store every record alike and understand each other's messages, for each reads what the other writes. So every server
enters what it works with, and one that differs in anything from a living one is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from messaging.dbwrap.base import DbError
from messaging.records import RecordCodec, RecordError
from messaging.server_id import living_processes
from smbd.daemons.names import NAMES_CODEC
from smbd.xsrv.app_instance import APP_INSTANCE_CODEC
from smbd.xsrv.persistent import HANDLE_CODEC
from smbd.xsrv.records import CLIENT_CODEC, OPEN_CODEC, SESSION_CODEC, TCON_CODEC
from smbd.xsrv.replay_index import REPLAY_CODEC
from vfs.fsa.durable import COOKIE_CODEC
from vfs.locking.brlock import BRLOCK_CODEC
from vfs.locking.lease import LEASE_CODEC
from vfs.locking.stored import LOCKING_CODEC
from vfs.notify.change import TRIGGER_CODEC
from vfs.notify.index import BELOW_CODEC, INTEREST_CODEC, NOTIFYD_CODEC, WATCHERS_CODEC

if TYPE_CHECKING:
    from messaging.dbwrap.base import Db

#: Version of what the processes of the servers tell each other, and of the databases taken together.
#: To be raised with every change that a server without it would misunderstand; changes of records raise theirs.
PROTOCOL_VERSION: Final = 4

_CODECS: Final[tuple[RecordCodec[Any], ...]] = (
    CLIENT_CODEC,
    SESSION_CODEC,
    TCON_CODEC,
    OPEN_CODEC,
    APP_INSTANCE_CODEC,
    REPLAY_CODEC,
    COOKIE_CODEC,
    HANDLE_CODEC,
    LOCKING_CODEC,
    BRLOCK_CODEC,
    LEASE_CODEC,
    INTEREST_CODEC,
    WATCHERS_CODEC,
    BELOW_CODEC,
    NOTIFYD_CODEC,
    TRIGGER_CODEC,
    NAMES_CODEC,
)
_KEY: Final = b"smbXsrv_version_global"
#: Where the start time stands in /proc/PID/stat, counted from behind the name, which may hold anything.
_START_TIME: Final = 19
_PARENT: Final = 1
_ZOMBIE: Final = "Z"


class ServerVersion(msgspec.Struct, array_like=True, gc=False):
    """One server.

    Attributes:
        pid, start_time: of its parent; the latter in clock ticks since the machine started.
        software_version: for people.
        formats: name of a kind of records, or ``protocol``, -> version.
    """

    pid: int
    start_time: int
    software_version: str
    formats: dict[str, int]


class VersionGlobal(msgspec.Struct, array_like=True, gc=False):
    """smbXsrv_version_global: the servers on these databases."""

    servers: list[ServerVersion]


VERSION_CODEC: Final = RecordCodec(VersionGlobal, 2, "smbXsrv_version_global")


class DatabaseVersionError(DbError):
    """The databases belong to a running server of another version."""


def formats() -> dict[str, int]:
    """Return what this program works with."""
    return {"protocol": PROTOCOL_VERSION} | {codec.name: codec.version for codec in _CODECS}


def join(db: Db, lock_directory: str, software_version: str) -> list[int]:
    """Enter this process's server.

    Args:
        db: smbXsrv_version_global.
        lock_directory: of the servers.
        software_version: of this one.

    Returns:
        The parents of the other servers that are there.

    Raises:
        DatabaseVersionError: one of them works with other formats; nothing is changed.
    """
    mine = _this_program(software_version)
    with db.fetch_locked(_KEY) as record:
        found = _servers(record.value, lock_directory, _REMEDY)
        others = [one for one in found if one.pid != mine.pid and _is_there(one, found, lock_directory)]
        for other in others:
            if other.formats != mine.formats:
                raise DatabaseVersionError(_explain(lock_directory, other, mine, _REMEDY))
        record.store(VERSION_CODEC.encode(VersionGlobal([*others, mine])))
    return [other.pid for other in others if _lives(other)]


def check_readable(db: Db, lock_directory: str, software_version: str) -> None:
    """See to it that a program that only looks understands what the servers that run have stored.

    Raises:
        DatabaseVersionError: one of them works with other formats.
    """
    mine = _this_program(software_version)
    for other in _servers(db.parse(_KEY), lock_directory, _READER_REMEDY):
        if other.formats != mine.formats and _lives(other):
            raise DatabaseVersionError(_explain(lock_directory, other, mine, _READER_REMEDY))


_REMEDY: Final = "Stop that server first (smbcontrol smbd shutdown) and wait for its end, then start this one."
_READER_REMEDY: Final = "Use the tools of that server's release."


def _this_program(software_version: str) -> ServerVersion:
    return ServerVersion(os.getpid(), _start_time(os.getpid()), software_version, formats())


def _servers(record: bytes | None, lock_directory: str, remedy: str) -> list[ServerVersion]:
    try:
        return [] if record is None else VERSION_CODEC.decode(record).servers
    except RecordError as error:
        raise DatabaseVersionError(f"{lock_directory}: {error}. {remedy}") from None


def _explain(lock_directory: str, other: ServerVersion, mine: ServerVersion, remedy: str) -> str:
    names = sorted(other.formats.keys() | mine.formats.keys())
    differences = ", ".join(
        f"{name} ({other.formats.get(name, 'none')} there, {mine.formats.get(name, 'none')} here)"
        for name in names
        if other.formats.get(name) != mine.formats.get(name)
    )
    return (
        f"{lock_directory}: in use by pysmbd {other.software_version}, process {other.pid}, which does not understand "
        f"pysmbd {mine.software_version}: {differences}. {remedy}"
    )


def _is_there(server: ServerVersion, servers: list[ServerVersion], lock_directory: str) -> bool:
    """Tell whether a server lives, or has left processes behind that have yet to end."""
    if _lives(server):
        return True
    parents = {one.pid for one in servers if _lives(one)} | {os.getpid()}
    return any(_stat(process.pid)[_PARENT] not in parents for process in living_processes(lock_directory))


def _lives(server: ServerVersion) -> bool:
    return _start_time(server.pid) == server.start_time


def _start_time(pid: int) -> int:
    return _stat(pid)[_START_TIME]


def _stat(pid: int) -> list[int]:
    """Return the numbers of /proc/PID/stat behind the state; all -1 if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return [-1] * (_START_TIME + 1)
    state, *fields = text.rpartition(")")[2].split()
    return [-1, *map(int, fields)] if state != _ZOMBIE else [-1] * (_START_TIME + 1)

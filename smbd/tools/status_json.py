"""smbstatus --json: Samba's keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import smbd
from messaging.server_id import ServerId
from smbd.tools.status_collect import LockedFile, Opened, OpenFile, Protection, Session, Status, Surviving, Tcon
from smbd.tools.status_text import as_signed, group_text, lock_type, session_user
from smbd.wire import constants as smb2
from vfs import access
from vfs.constants import FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE
from vfs.file_id import FileId

_NS: Final = 1_000_000_000
_MS: Final = 1000

#: Name in the output and letter in its ``text`` of each share right.
_SHARES: Final = (
    ("READ", FILE_SHARE_READ, "R"),
    ("WRITE", FILE_SHARE_WRITE, "W"),
    ("DELETE", FILE_SHARE_DELETE, "D"),
)
#: Samba knows no WRITE_OWNER here (and aborts on it): the key is an addition.
_RIGHTS: Final = (
    ("READ_DATA", access.FILE_READ_DATA, "R"),
    ("WRITE_DATA", access.FILE_WRITE_DATA, "W"),
    ("APPEND_DATA", access.FILE_APPEND_DATA, ""),
    ("READ_EA", access.FILE_READ_EA, ""),
    ("WRITE_EA", access.FILE_WRITE_EA, ""),
    ("EXECUTE", access.FILE_EXECUTE, ""),
    ("READ_ATTRIBUTES", access.FILE_READ_ATTRIBUTES, ""),
    ("WRITE_ATTRIBUTES", access.FILE_WRITE_ATTRIBUTES, ""),
    ("DELETE_CHILD", access.FILE_DELETE_CHILD, ""),
    ("DELETE", access.DELETE, ""),
    ("READ_CONTROL", access.READ_CONTROL, ""),
    ("WRITE_DAC", access.WRITE_DAC, ""),
    ("WRITE_OWNER", access.WRITE_OWNER, ""),
    ("SYNCHRONIZE", access.SYNCHRONIZE, ""),
    ("ACCESS_SYSTEM_SECURITY", access.ACCESS_SYSTEM_SECURITY, ""),
)
_CACHING: Final = (
    ("READ", smb2.SMB2_LEASE_READ_CACHING, "R"),
    ("WRITE", smb2.SMB2_LEASE_WRITE_CACHING, "W"),
    ("HANDLE", smb2.SMB2_LEASE_HANDLE_CACHING, "H"),
)
_READ_WRITE_CACHING: Final = smb2.SMB2_LEASE_READ_CACHING | smb2.SMB2_LEASE_WRITE_CACHING
#: What the holder of an oplock may cache, in the terms of leases.
_OPLOCK_CACHING: Final = {
    smb2.SMB2_OPLOCK_LEVEL_II: smb2.SMB2_LEASE_READ_CACHING,
    smb2.SMB2_OPLOCK_LEVEL_EXCLUSIVE: _READ_WRITE_CACHING,
    smb2.SMB2_OPLOCK_LEVEL_BATCH: _READ_WRITE_CACHING,
}
_OPLOCK_NAMES: Final = {
    smb2.SMB2_OPLOCK_LEVEL_II: "LEVEL_II",
    smb2.SMB2_OPLOCK_LEVEL_EXCLUSIVE: "EXCLUSIVE",
    smb2.SMB2_OPLOCK_LEVEL_BATCH: "BATCH",
    smb2.SMB2_OPLOCK_LEVEL_LEASE: "LEASE",
}


def header(smb_conf: str, now: datetime) -> dict[str, Any]:
    """Return the keys that every output begins with."""
    stamp = now.astimezone().strftime("%Y-%m-%dT%H:%M:%S.%f%z")
    return {"timestamp": stamp, "version": smbd.__version__, "smb_conf": smb_conf}


def sessions(status: Status) -> dict[str, Any]:
    """Return the object ``sessions``."""
    return {str(one.session_id): _session(one) for one in status.sessions}


def tcons(status: Status) -> dict[str, Any]:
    """Return the object ``tcons``."""
    return {str(one.tcon_id): _tcon(one) for one in status.tcons}


def open_files(status: Status) -> dict[str, Any]:
    """Return the object ``open_files``, by path: a file open by two names stands there twice."""
    found: dict[str, Any] = {}
    for file in status.files:
        for opened in file.opens:
            name, entry = opened.name, opened.entry
            path = file.path(name)
            if path not in found:
                found[path] = _file(file, name)
            found[path]["opens"][f"{entry.server_id.pid}/{entry.open_id}"] = _open(opened)
    return found


def byte_range_locks(status: Status) -> dict[str, Any]:
    """Return the object ``byte_range_locks``, by path."""
    return {f"{file.share_path}/{file.name}": _locked(file) for file in status.locked}


def _locked(file: LockedFile) -> dict[str, Any]:
    return {
        "fileid": _file_id(file.file_id),
        "file_name": file.name,
        "share_path": file.share_path,
        "server_id": server_id(file.locks[0].server_id),
        "locks": [
            {
                "server_id": server_id(lock.server_id),
                "type": lock_type(lock),
                "flavour": "Windows",
                "start": as_signed(lock.start),
                "size": as_signed(lock.length),
            }
            for lock in file.locks
        ],
    }


def _session(one: Session) -> dict[str, Any]:
    return {
        "session_id": str(one.session_id),
        "server_id": server_id(one.server_id),
        "uid": one.uid,
        "gid": one.gid,
        "username": session_user(one),
        "groupname": group_text(one.gid) if one.gid >= 0 else "",
        "remote_machine": one.remote_machine,
        "hostname": one.remote_address,
        "session_dialect": one.dialect,
        "encryption": _protection(one.encryption),
        "signing": _protection(one.signing),
    }


def _tcon(one: Tcon) -> dict[str, Any]:
    return {
        "service": one.service,
        "server_id": server_id(one.server_id),
        "tcon_id": str(one.tcon_id),
        "session_id": str(one.session_id),
        "machine": one.machine,
        "connected_at": _time(one.connected_at),
        "encryption": _protection(one.encryption),
        "signing": _protection(one.signing),
    }


def _file(file: OpenFile, name: str) -> dict[str, Any]:
    return {
        "service_path": file.share_path,
        "filename": name,
        "fileid": _file_id(file.file_id),
        "num_pending_deletes": file.pending_deletes,
        "opens": {},
    }


def _file_id(one: FileId) -> dict[str, int]:
    return {"devid": one.dev, "inode": one.ino, "extid": one.extid}


def _open(opened: Opened) -> dict[str, Any]:
    entry = opened.entry
    level = entry.oplock_level
    oplock: dict[str, Any] = {}
    if level in _OPLOCK_NAMES and level != smb2.SMB2_OPLOCK_LEVEL_LEASE:
        # A batch oplock is an exclusive one and more.
        held = {level, smb2.SMB2_OPLOCK_LEVEL_EXCLUSIVE} if level == smb2.SMB2_OPLOCK_LEVEL_BATCH else {level}
        order = ("EXCLUSIVE", "BATCH", "LEVEL_II", "LEASE")
        names = {_OPLOCK_NAMES[one] for one in held}
        oplock = {name: name in names for name in order} | {"text": _OPLOCK_NAMES[level]}
    return {
        "server_id": server_id(entry.server_id),
        "uid": entry.uid,
        "share_file_id": str(entry.open_id),
        "sharemode": _mask(entry.share_access, _SHARES),
        "access_mask": _mask(entry.access_mask, _RIGHTS),
        "caching": _caching(opened.lease_state or _OPLOCK_CACHING.get(level, 0)),
        "oplock": oplock,
        "lease": {"lease_key": entry.lease_key.hex(), **_caching(opened.lease_state)} if entry.lease_key else {},
        "opened_at": _time(entry.opened_at),
        "handle": _handle(opened.surviving),
    }


def _handle(surviving: Surviving | None) -> dict[str, Any]:
    """Return how an open outlives its connection, times in seconds; Samba does not show that."""
    if surviving is None:
        return {"type": "none", "disconnected": False, "timeout": 0, "time_left": None}
    left = surviving.left_msec
    return {
        "type": surviving.kind,
        "disconnected": left is not None,
        "timeout": surviving.timeout_msec / _MS,
        "time_left": None if left is None else left / _MS,
    }


def _mask(value: int, bits: tuple[tuple[str, int, str], ...]) -> dict[str, Any]:
    flags = {name: bool(value & bit) for name, bit, _ in bits}
    text = "".join(letter for _, bit, letter in bits if value & bit)
    return {"hex": f"0x{value:08x}", **flags, "text": text}


def _caching(value: int) -> Mapping[str, Any]:
    flags = {name: bool(value & bit) for name, bit, _ in _CACHING}
    text = "".join(letter for _, bit, letter in _CACHING if value & bit)
    return {**flags, "hex": f"0x{value:08x}", "text": text}


def server_id(one: ServerId) -> dict[str, str]:
    """Return a server id as Samba prints it in JSON: numbers as strings."""
    return {
        "pid": str(one.pid),
        "task_id": str(one.task_id),
        "vnn": str(one.vnn),
        "unique_id": str(one.unique_id),
    }


def _protection(one: Protection) -> dict[str, str]:
    return {"cipher": one.cipher, "degree": one.degree}


def _time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, _NS)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000).astimezone()
    return moment.isoformat(timespec="microseconds")

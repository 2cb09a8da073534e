"""smbstatus: Samba's tables."""

from __future__ import annotations

import grp
import pwd
import time
from collections.abc import Iterator
from typing import Final

import smbd
from smbd.tools.status_collect import Opened, OpenFile, Session, Status, Tcon
from smbd.wire import constants as smb2
from vfs.access import FILE_READ_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_SHARE_READ, FILE_SHARE_WRITE
from vfs.locking.brlock import ByteRangeLock
from vfs.locking.entry import ShareModeEntry

_SESSION_LINE: Final = "{:<7} {:<12} {:<12} {:<41} {:<17} {:<20} {:<21}"
_SESSION_RULE: Final = "-" * 136
_TCON_LINE: Final = "{:<12} {:<7} {:<13} {:<32} {:<12} {:<12}"
_TCON_RULE: Final = "-" * 93
_LOCK_HEAD: Final = (
    "Pid          User(ID)   DenyMode   Access      R/W        Oplock           SharePath   Name   Time"
)
_LOCK_LINE: Final = "{:<11}  {:<9}  {:<10} {:<10}  {:<9}  {:<14}   {}   {}   {}"
_LOCK_RULE: Final = "-" * 98
_BYTE_LOCK_HEAD: Final = "Pid        dev:inode       R/W  start     size      SharePath               Name"
_BYTE_LOCK_LINE: Final = "{:<10} {:<15} {:<4} {:<9} {:<9} {:<24} {:<24}"
_BYTE_LOCK_RULE: Final = "-" * 80
_HANDLE_HEAD: Final = "Pid          Kind        Client        Timeout  Left      SharePath   Name"
_HANDLE_LINE: Final = "{:<12} {:<11} {:<13} {:<8} {:<9} {}   {}"
_HANDLE_RULE: Final = "-" * 98
_NS: Final = 1_000_000_000
_MS: Final = 1000

_CACHING_LETTERS: Final = (
    (smb2.SMB2_LEASE_READ_CACHING, "R"),
    (smb2.SMB2_LEASE_WRITE_CACHING, "W"),
    (smb2.SMB2_LEASE_HANDLE_CACHING, "H"),
)
_OPLOCKS: Final = {
    smb2.SMB2_OPLOCK_LEVEL_NONE: "NONE",
    smb2.SMB2_OPLOCK_LEVEL_II: "LEVEL_II",
    smb2.SMB2_OPLOCK_LEVEL_EXCLUSIVE: "EXCLUSIVE",
    smb2.SMB2_OPLOCK_LEVEL_BATCH: "BATCH",
}


def user_text(uid: int, *, numeric: bool = False) -> str:
    """Return the name of a uid, or the number."""
    if not numeric and uid >= 0:
        try:
            return pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            pass
    return str(uid)


def group_text(gid: int, *, numeric: bool = False) -> str:
    """Return the name of a gid, or the number."""
    if not numeric and gid >= 0:
        try:
            return grp.getgrgid(gid).gr_name
        except (KeyError, OverflowError):
            pass
    return str(gid)


def session_user(session: Session, *, numeric: bool = False) -> str:
    """Return who a session belongs to: the unix user it acts as, or that it is not logged on yet."""
    if session.uid < 0:
        return session.user_name
    return user_text(session.uid, numeric=numeric)


def sessions_table(status: Status, *, numeric: bool = False) -> Iterator[str]:
    """Yield the lines of the list of processes."""
    yield ""
    yield f"pysmbd version {smbd.__version__}"
    yield _SESSION_LINE.format(
        "PID", "Username", "Group", "Machine", "Protocol Version", "Encryption", "Signing"
    )
    yield _SESSION_RULE
    for session in status.sessions:
        yield _SESSION_LINE.format(
            str(session.server_id),
            session_user(session, numeric=numeric),
            group_text(session.gid, numeric=numeric) if session.gid >= 0 else "",
            f"{session.remote_machine} ({session.remote_address})",
            session.dialect,
            str(session.encryption),
            str(session.signing),
        )


def tcons_table(status: Status) -> Iterator[str]:
    """Yield the lines of the list of shares."""
    yield ""
    yield _TCON_LINE.format("Service", "pid", "Machine", "Connected at", "Encryption", "Signing")
    yield _TCON_RULE
    for tcon in status.tcons:
        yield _tcon_line(tcon)
    yield ""


def _tcon_line(tcon: Tcon) -> str:
    when = time.strftime("%a %b %e %X %Y %Z", time.localtime(tcon.connected_at / _NS))
    return _TCON_LINE.format(
        tcon.service, str(tcon.server_id), tcon.machine, when, str(tcon.encryption), str(tcon.signing)
    )


def locks_table(status: Status, *, resolve_uids: bool = False) -> Iterator[str]:
    """Yield the lines of the list of open files."""
    if not status.files:
        yield "No locked files"
        return
    yield ""
    yield "Locked files:"
    yield _LOCK_HEAD
    yield _LOCK_RULE
    for file in status.files:
        for opened in file.opens:
            yield _lock_line(file, opened, resolve_uids=resolve_uids)
    yield ""


def _lock_line(file: OpenFile, opened: Opened, *, resolve_uids: bool) -> str:
    entry = opened.entry
    return _LOCK_LINE.format(
        str(entry.server_id),
        user_text(entry.uid, numeric=not resolve_uids),
        deny_mode(entry.share_access),
        f"0x{entry.access_mask:x}",
        _read_write(entry.access_mask),
        oplock_text(entry, opened.lease_state),
        file.share_path,
        opened.name,
        time.ctime(entry.opened_at / _NS),
    )


def handles_table(status: Status) -> Iterator[str]:
    """Yield the lines of the list of handles that outlive their connections; none without any."""
    lines = [_handle_line(file, opened) for file in status.files for opened in file.opens if opened.surviving]
    if lines:
        yield from ("Durable handles:", _HANDLE_HEAD, _HANDLE_RULE, *lines, "")


def _handle_line(file: OpenFile, opened: Opened) -> str:
    surviving = opened.surviving
    if surviving is None:
        return ""
    left = surviving.left_msec
    return _HANDLE_LINE.format(
        str(opened.entry.server_id),
        surviving.kind,
        "connected" if left is None else "disconnected",
        f"{surviving.timeout_msec / _MS:.0f} s",
        "" if left is None else f"{left / _MS:.1f} s",
        file.share_path,
        opened.name,
    )


def byte_locks_table(status: Status) -> Iterator[str]:
    """Yield the lines of the list of byte-range locks; none without locks."""
    if not status.locked:
        return
    yield "Byte range locks:"
    yield _BYTE_LOCK_HEAD
    yield _BYTE_LOCK_RULE
    for file in status.locked:
        number = ":".join(str(part) for part in file.file_id)
        for lock in file.locks:
            yield _BYTE_LOCK_LINE.format(
                str(lock.server_id),
                number,
                lock_type(lock),
                as_signed(lock.start),
                as_signed(lock.length),
                file.share_path,
                file.name,
            )


def lock_type(lock: ByteRangeLock) -> str:
    """Return the letter of a lock's type: a lock for reading is a shared one."""
    return "W" if lock.exclusive else "R"


def as_signed(value: int) -> int:
    """Return a 64-bit number as Samba prints offsets: signed."""
    return value - (1 << 64) if value >> 63 else value


def deny_mode(share_access: int) -> str:
    """Return what others may not do while the file is open so."""
    shared = share_access & (FILE_SHARE_READ | FILE_SHARE_WRITE)
    if shared == FILE_SHARE_READ | FILE_SHARE_WRITE:
        return "DENY_NONE"
    if shared == FILE_SHARE_READ:
        return "DENY_WRITE"
    return "DENY_READ" if shared == FILE_SHARE_WRITE else "DENY_ALL"


def _read_write(access: int) -> str:
    both = access & (FILE_READ_DATA | FILE_WRITE_DATA)
    if both == FILE_READ_DATA | FILE_WRITE_DATA:
        return "RDWR"
    return "WRONLY" if both == FILE_WRITE_DATA else "RDONLY"


def oplock_text(entry: ShareModeEntry, lease_state: int) -> str:
    """Return the name of the caching right of an open; of a lease, what it allows: ``LEASE(RWH)``."""
    if entry.oplock_level == smb2.SMB2_OPLOCK_LEVEL_LEASE:
        return f"LEASE({caching_letters(lease_state)})"
    return _OPLOCKS.get(entry.oplock_level, f"0x{entry.oplock_level:02x}")


def caching_letters(state: int) -> str:
    """Return the letters of lease states in Samba's order."""
    return "".join(letter for bit, letter in _CACHING_LETTERS if state & bit)

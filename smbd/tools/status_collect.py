"""smbstatus: what the databases of a server say, gathered without taking a lock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from messaging.server_id import ServerId, server_id_exists
from smbd.wire import constants as smb2
from smbd.xsrv.databases import Databases, open_databases
from smbd.xsrv.records import SessionGlobal, TconGlobal
from smbd.xsrv.scavenging import due_at
from vfs.file_id import FileId
from vfs.locking.brlock import ByteRangeLock
from vfs.locking.entry import ShareModeEntry, ShareModeRecord

NONE: Final = "none"
PARTIAL: Final = "partial"
FULL: Final = "full"
DURABLE: Final = "durable"
RESILIENT: Final = "resilient"
PERSISTENT: Final = "persistent"
_NS_PER_MS: Final = 1_000_000

_CIPHERS: Final = {
    smb2.SMB2_ENCRYPTION_AES128_CCM: "AES-128-CCM",
    smb2.SMB2_ENCRYPTION_AES128_GCM: "AES-128-GCM",
    smb2.SMB2_ENCRYPTION_AES256_CCM: "AES-256-CCM",
    smb2.SMB2_ENCRYPTION_AES256_GCM: "AES-256-GCM",
}
_SIGNINGS: Final = {
    smb2.SMB2_SIGNING_HMAC_SHA256: "HMAC-SHA256",
    smb2.SMB2_SIGNING_AES_CMAC: "AES-128-CMAC",
    smb2.SMB2_SIGNING_AES_GMAC: "AES-128-GMAC",
}
_DIALECTS: Final = {
    smb2.SMB2_DIALECT_202: "SMB2_02",
    smb2.SMB2_DIALECT_210: "SMB2_10",
    smb2.SMB2_DIALECT_300: "SMB3_00",
    smb2.SMB2_DIALECT_302: "SMB3_02",
    smb2.SMB2_DIALECT_311: "SMB3_11",
}


@dataclass(frozen=True, slots=True)
class Protection:
    """Signing or encryption of a session or tree connect.

    Attributes:
        cipher: the algorithm, ``-`` if there is none in use.
        degree: `NONE`, `PARTIAL` or `FULL`.
    """

    cipher: str = "-"
    degree: str = NONE

    def __str__(self) -> str:
        return f"partial({self.cipher})" if self.degree == PARTIAL else self.cipher


@dataclass(frozen=True, slots=True)
class Session:
    """One line of the list of processes."""

    session_id: int
    server_id: ServerId
    uid: int
    gid: int
    user_name: str
    remote_machine: str
    remote_address: str
    dialect: str
    encryption: Protection
    signing: Protection


@dataclass(frozen=True, slots=True)
class Tcon:
    """One line of the list of shares."""

    tcon_id: int
    session_id: int
    server_id: ServerId
    service: str
    machine: str
    connected_at: int
    encryption: Protection
    signing: Protection


class Surviving(NamedTuple):
    """How an open outlives its connection.

    Attributes:
        kind: `DURABLE`, `RESILIENT` or `PERSISTENT`.
        timeout_msec: how long it waits for its client.
        left_msec: what is left of that; None while the client is there.
    """

    kind: str
    timeout_msec: int
    left_msec: int | None


class Opened(NamedTuple):
    """One open.

    Attributes:
        name: path beneath the share.
        entry: its share-mode entry.
        lease_state: what its lease allows, 0 without one.
        surviving: how it outlives its connection, None if it does not.
    """

    name: str
    entry: ShareModeEntry
    lease_state: int
    surviving: Surviving | None = None


@dataclass(frozen=True, slots=True)
class OpenFile:
    """All opens of one file."""

    file_id: FileId
    share_path: str
    pending_deletes: int
    opens: list[Opened]

    def path(self, name: str) -> str:
        """Return the whole path of `name`."""
        return f"{self.share_path}/{name}"


@dataclass(frozen=True, slots=True)
class LockedFile:
    """All byte-range locks on one file; `share_path` and `name` are empty if nobody is known to have it open."""

    file_id: FileId
    share_path: str
    name: str
    locks: list[ByteRangeLock]


@dataclass(slots=True)
class Status:
    """Everything that smbstatus shows."""

    sessions: list[Session] = field(default_factory=list)
    tcons: list[Tcon] = field(default_factory=list)
    files: list[OpenFile] = field(default_factory=list)
    locked: list[LockedFile] = field(default_factory=list)

    def of_user(self, wanted: Callable[[Session], bool]) -> Status:
        """Return the sessions that `wanted` chooses, and what their processes have connected and opened."""
        sessions = [session for session in self.sessions if wanted(session)]
        owners = {session.server_id for session in sessions}
        files = []
        for file in self.files:
            opens = [opened for opened in file.opens if opened.entry.server_id in owners]
            if opens:
                files.append(OpenFile(file.file_id, file.share_path, file.pending_deletes, opens))
        locked = []
        for one in self.locked:
            locks = [lock for lock in one.locks if lock.server_id in owners]
            if locks:
                locked.append(LockedFile(one.file_id, one.share_path, one.name, locks))
        return Status(sessions, [tcon for tcon in self.tcons if tcon.server_id in owners], files, locked)


class StatusUnavailableError(Exception):
    """The databases are there, but not for this user."""


def collect(lock_directory: str, *, fast: bool = False) -> Status:
    """Read the state of the server whose databases lie in `lock_directory`.

    Args:
        lock_directory: its `lock directory`.
        fast: do not check whether the owners of the records are alive.

    Returns:
        An empty status if no server has run there yet.

    Raises:
        StatusUnavailableError: the databases may not be read by this user.
        DbError: they cannot be read.
    """
    version = Path(lock_directory, "smbXsrv_version_global.tdb")
    if not os.access(lock_directory, os.X_OK) and Path(lock_directory).exists():
        raise StatusUnavailableError(f"{lock_directory} may not be entered by this user")
    if not version.exists():
        return Status()
    if not os.access(version, os.R_OK | os.W_OK):
        raise StatusUnavailableError(f"{version} may be read by root, or by the user of the server, only")
    databases = open_databases(lock_directory, read_only=True)
    known: dict[ServerId, bool] = {}

    def alive(server_id: ServerId) -> bool:
        if fast or server_id.is_disconnected():
            return True
        if server_id not in known:
            known[server_id] = server_id_exists(lock_directory, server_id)
        return known[server_id]

    records = {number: record for number, record in databases.sessions.items() if record.channels}
    status = Status()
    for record in records.values():
        if alive(record.channels[0].server_id):
            status.sessions.append(_session(record))
    for _, tcon in databases.tcons.items():  # noqa: PERF102 - a table, not a dict
        if alive(tcon.server_id):
            status.tcons.append(_tcon(tcon, records.get(tcon.session_global_id)))
    surviving = _surviving(databases)
    for file_id, modes in databases.share_modes.traverse():
        opens = [
            Opened(
                _name(modes, entry),
                entry,
                _lease_state(databases, entry),
                surviving.get((entry.server_id, entry.open_id)),
            )
            for entry in modes.entries
            if alive(entry.server_id)
        ]
        if opens:
            status.files.append(OpenFile(file_id, modes.share_path, len(modes.delete_tokens), opens))
    for file_id, all_locks in databases.byte_locks.traverse():
        locks = [lock for lock in all_locks if alive(lock.server_id)]
        if locks:
            status.locked.append(_locked_file(file_id, databases.share_modes.read(file_id), locks))
    status.sessions.sort(key=lambda session: (session.server_id, session.session_id))
    status.tcons.sort(key=lambda tcon: (tcon.server_id, tcon.tcon_id))
    return status


def _surviving(databases: Databases) -> dict[tuple[ServerId, int], Surviving]:
    """Return the opens that outlive their connections, by what their share-mode entries call them."""
    now = time.time_ns()
    found: dict[tuple[ServerId, int], Surviving] = {}
    for number, opened in databases.opens.items():
        kind = PERSISTENT if opened.persistent else RESILIENT if opened.resilient else DURABLE if opened.durable else ""
        if not kind:
            continue
        away = opened.server_id.is_disconnected()
        left = max(0, (due_at(opened) - now) // _NS_PER_MS) if away else None
        key = (opened.server_id, number if away else opened.open_volatile_id)
        found[key] = Surviving(kind, opened.durable_timeout_msec, left)
    return found


def _lease_state(databases: Databases, entry: ShareModeEntry) -> int:
    lease = databases.share_modes.find_lease(entry.client_guid, entry.lease_key) if entry.lease_key else None
    return lease.state if lease is not None else 0


def _session(record: SessionGlobal) -> Session:
    channel = record.channels[0]
    dialect = channel.connection_dialect
    return Session(
        session_id=record.session_wire_id,
        server_id=channel.server_id,
        uid=record.uid,
        gid=record.gid,
        user_name=record.user_name if record.valid else "(auth in progress)",
        remote_machine=channel.remote_name,
        remote_address=channel.remote_address,
        dialect=_DIALECTS.get(dialect, f"Unknown ({dialect:04x})"),
        encryption=_encryption(record.encryption, record),
        signing=_signing(record.signing, record),
    )


def _tcon(record: TconGlobal, session: SessionGlobal | None) -> Tcon:
    return Tcon(
        tcon_id=record.tcon_global_id,
        session_id=record.session_global_id,
        server_id=record.server_id,
        service=record.share_name,
        machine=session.channels[0].remote_name if session is not None else "",
        connected_at=record.creation_time,
        encryption=_encryption(record.encryption, session),
        signing=_signing(record.signing, session),
    )


def _encryption(degree: str, session: SessionGlobal | None) -> Protection:
    if not degree or session is None:
        return Protection()
    number = session.channels[0].encryption_cipher
    return Protection(_CIPHERS.get(number, f"Unknown ({number:04x})"), degree)


def _signing(degree: str, session: SessionGlobal | None) -> Protection:
    if not degree or session is None:
        return Protection()
    number = session.channels[0].signing_algorithm
    return Protection(_SIGNINGS.get(number, f"Unknown ({number:04x})"), degree)


def _locked_file(file_id: FileId, record: ShareModeRecord | None, locks: list[ByteRangeLock]) -> LockedFile:
    if record is None:
        return LockedFile(file_id, "", "", locks)
    return LockedFile(file_id, record.share_path, _relative(record, record.path), locks)


def _name(record: ShareModeRecord, entry: ShareModeEntry) -> str:
    return _relative(record, record.name_of(entry))


def _relative(record: ShareModeRecord, path: bytes) -> str:
    root = os.fsencode(record.share_path).rstrip(b"/") + b"/"
    relative = path[len(root) :] if path.startswith(root) else b"."
    return relative.decode("utf-8", "backslashreplace")

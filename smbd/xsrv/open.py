"""The protocol half of an open file: smbXsrv_open ([MS-SMB2] 3.3.1.10).

What it means on disk is the other half: a `vfs.fsa` FileObject, or a named pipe. Neither knows the other.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from smbd.xsrv.records import OpenGlobal
from vfs.fsa.close import close_file
from vfs.ntstatus import NTStatusError

if TYPE_CHECKING:
    from smbd.rpc.pipe import Pipe
    from smbd.smb2.pending import Pending
    from smbd.xsrv.session import Session
    from smbd.xsrv.tcon import Tcon
    from vfs.fsa.directory import DirectoryScan
    from vfs.fsa.file_object import FileObject

_log = logging.getLogger(__name__)


class Open:
    """One open of a file, a directory or a pipe.

    Attributes:
        volatile_id: key in the session's table; also the number that share modes know it by.
        persistent_id: id of the global record.
        file: the file system's half, None for a pipe.
        pipe: the pipe, None for a file.
        scan: directory enumeration in progress.
        pending: requests that wait on this open; they end when it is closed.
        lock_sequence: LockSequenceArray, index -> SequenceNumber of the entries that are valid.
    """

    __slots__ = (
        "file",
        "granted_access",
        "lock_sequence",
        "pending",
        "persistent_id",
        "pipe",
        "scan",
        "session",
        "tcon",
        "volatile_id",
    )

    def __init__(self, session: Session, tcon: Tcon, volatile_id: int, persistent_id: int) -> None:
        self.session = session
        self.tcon = tcon
        self.volatile_id = volatile_id
        self.persistent_id = persistent_id
        self.granted_access = 0
        self.file: FileObject | None = None
        self.pipe: Pipe | None = None
        self.scan: DirectoryScan | None = None
        self.pending: set[Pending] = set()
        self.lock_sequence: dict[int, int] = {}

    def close(self) -> None:
        """Close the file or pipe and take the open out of every table ([MS-SMB2] 3.3.4.17).

        Requests that wait on it end with the status that they have chosen. Errors of closing are logged: nobody
        can be told.
        """
        if self.session.opens.pop(self.volatile_id, None) is None:
            return
        for pending in list(self.pending):
            pending.cancel(pending.request.status_on_close)
        try:
            if self.file is not None:
                close_file(self.file)
        except NTStatusError as error:
            _log.warning("close of %s: %s", self.file.name if self.file is not None else "", error)
        finally:
            if self.pipe is not None:
                self.pipe.close()
            self.session.client.ctx.databases.opens.remove(self.persistent_id)


def new_open(session: Session, tcon: Tcon, volatile_id: int) -> Open:
    """Make an open with a record of its own in smbXsrv_open_global; it is in no table yet.

    Raises:
        DbError: the record cannot be stored.
    """
    client = session.client
    global_id, _ = client.ctx.databases.opens.allocate(
        lambda new_id: OpenGlobal(
            new_id,
            volatile_id,
            client.ctx.server_id,
            session.global_id,
            tcon.global_id,
            time.time_ns(),
            session.user_sid,
            client.client_guid,
        )
    )
    return Open(session, tcon, volatile_id, global_id)

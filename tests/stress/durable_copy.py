"""A client that copies a file over a connection that does not last: durable handles v2, and reconnecting."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Final

from smbd.wire.constants import (
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_LEASE_HANDLE_CACHING,
    SMB2_LEASE_READ_CACHING,
    SMB2_LEASE_WRITE_CACHING,
    SMB2_OPLOCK_LEVEL_LEASE,
)
from smbd.wire.create_context_durable import DurableHandleReconnectV2, DurableHandleRequestV2
from smbd.wire.create_context_lease import LeaseContextV2
from smbd.wire.read_write import ReadResponse
from tests.smbxcli import Connection, File, Offer, Pending, Session, SmbxError, StatusError, Tree
from vfs.access import FILE_READ_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_NON_DIRECTORY_FILE, FILE_OPEN, FILE_OVERWRITE_IF
from vfs.ntstatus import (
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_NETWORK_NAME_DELETED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
    STATUS_USER_SESSION_DELETED,
)

_PIECE: Final = 256 * 1024
_WINDOW: Final = 8
_LEASE: Final = SMB2_LEASE_READ_CACHING | SMB2_LEASE_HANDLE_CACHING | SMB2_LEASE_WRITE_CACHING
_TIMEOUT_MS: Final = 60_000
_REPLY_LIMIT_S: Final = 20
#: The connection broke in a way that the server noticed earlier than we, or the handle is not free yet: once more.
_PASSING: Final = frozenset({
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_NETWORK_NAME_DELETED,
    STATUS_SHARING_VIOLATION,
    STATUS_USER_SESSION_DELETED,
})  # fmt: skip


class DurableFile:
    """One file that stays open while connections come and go.

    Attributes:
        reconnected: how often the handle was fetched back.
        reopened: how often it was gone, and the file was opened anew.
    """

    def __init__(self, name: str, access: int, disposition: int) -> None:
        self._name = name
        self._access = access
        self._disposition = disposition
        self._lease_key = os.urandom(16)
        self._guid = b""
        self._file: File | None = None
        self.reconnected = 0
        self.reopened = 0

    @property
    def file(self) -> File:
        """The open of the present connection."""
        assert self._file is not None
        return self._file

    def attach(self, tree: Tree) -> File:
        """Reconnect on a new connection; open if there is nothing to reconnect to.

        Raises:
            StatusError: the server refuses both.
        """
        if self._file is not None:
            reconnect = DurableHandleReconnectV2(self._file.persistent, self._file.volatile, self._guid)
            try:
                self._file = self._create(tree, SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2, reconnect.pack())
            except StatusError as error:
                if error.status != STATUS_OBJECT_NAME_NOT_FOUND:
                    raise
                self._file = None
                self.reopened += 1
            else:
                self.reconnected += 1
                return self._file
        self._guid = os.urandom(16)
        request = DurableHandleRequestV2(_TIMEOUT_MS, 0, self._guid)
        self._file = self._create(tree, SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2, request.pack())
        # What it held when it was lost is there: it must not be emptied again.
        self._disposition = FILE_OPEN
        assert SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2 in self._file.response.contexts
        return self._file

    def _create(self, tree: Tree, tag: bytes, context: bytes) -> File:
        lease = LeaseContextV2(self._lease_key, _LEASE).pack()
        return tree.create(
            self._name,
            access=self._access,
            disposition=self._disposition,
            options=FILE_NON_DIRECTORY_FILE,
            oplock=SMB2_OPLOCK_LEVEL_LEASE,
            contexts={SMB2_CREATE_REQUEST_LEASE: lease, tag: context},
        )


class DurableCopy:
    """Copies one file of a share to another, through the client.

    Args:
        port: of the server, or of what lies before it.
        user: account.
        password: its password.
        source: an existing file.
        target: what it is copied to.
        size: bytes of the source.

    Attributes:
        connections: how many it took.
        source: handle of the source.
        target: handle of the target.
        repeated: pieces that had to be done again.
    """

    def __init__(self, port: int, user: str, password: str, source: str, target: str, size: int) -> None:
        self._port = port
        self._user, self._password = user, password
        self._offer = Offer(client_guid=os.urandom(16))
        self._session_id = 0
        self._todo = deque(range(0, size, _PIECE))
        self._size = size
        self.source = DurableFile(source, FILE_READ_DATA, FILE_OPEN)
        self.target = DurableFile(target, FILE_WRITE_DATA, FILE_OVERWRITE_IF)
        self.connections = 0
        self.repeated = 0

    def run(self, patience: float) -> None:
        """Copy all of it.

        Raises:
            SmbxError, OSError: nothing was copied for `patience` seconds; the last failure.
        """
        moved = time.monotonic()
        left = len(self._todo)
        while True:
            try:
                self._connect_and_copy()
            except (SmbxError, OSError) as error:
                if isinstance(error, StatusError) and error.status not in _PASSING:
                    raise
                if len(self._todo) < left:
                    left, moved = len(self._todo), time.monotonic()
                elif time.monotonic() > moved + patience:
                    raise
                time.sleep(0.02)
            else:
                return

    def _connect_and_copy(self) -> None:
        with Connection.open("127.0.0.1", self._port, self._offer, timeout=_REPLY_LIMIT_S) as connection:
            self.connections += 1
            session = Session(connection)
            session.authenticate(self._user, self._password, previous_session_id=self._session_id)
            self._session_id = session.session_id
            tree = session.tree_connect("tmp")
            connection.window.wanted = 256
            self.source.attach(tree)
            self.target.attach(tree)
            self._copy()
            self.source.file.close()
            self.target.file.close()
            session.logoff()

    def _copy(self) -> None:
        """Read and write, several pieces at a time; a piece is done when its WRITE is answered."""
        moving: deque[tuple[int, Pending, bool]] = deque()
        done: set[int] = set()
        try:
            while moving or self._todo:
                while self._todo and len(moving) < _WINDOW:
                    offset = self._todo[0]
                    length = min(_PIECE, self._size - offset)
                    moving.append((offset, self.source.file.send_read(length, offset), False))
                    self._todo.popleft()  # only now: a request that could not be sent is still to be done
                offset, pending, written = moving[0]
                response = pending.recv()
                if written:
                    response.check()
                    done.add(offset)
                else:
                    data = bytes(response.body(ReadResponse).data)
                    moving.append((offset, self.target.file.send_write(data, offset), True))
                moving.popleft()
        except (SmbxError, OSError):
            again = sorted({offset for offset, _, _ in moving} - done)
            self.repeated += len(again)
            self._todo.extendleft(reversed(again))
            raise

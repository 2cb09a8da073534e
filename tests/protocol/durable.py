"""What the tests of durable handles share: asking for one, going away, and coming back for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from smbd.wire.constants import (
    SMB2_CREATE_DURABLE_HANDLE_REQUEST,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_OPLOCK_LEVEL_BATCH,
    SMB2_OPLOCK_LEVEL_LEASE,
)
from smbd.wire.create_context_durable import (
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
)
from tests.protocol.leases import lease_contexts
from tests.servers import Server
from tests.smbxcli import File, Tree
from vfs.constants import FILE_OPEN_IF

_PATIENCE_S = 10.0
_PAUSE_S = 0.02


def request(guid: bytes = b"", timeout: int = 0, flags: int = 0) -> dict[bytes, bytes]:
    """The context that asks for a handle; with a guid, of version 2."""
    if guid:
        return {SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2: DurableHandleRequestV2(timeout, flags, guid).pack()}
    return {SMB2_CREATE_DURABLE_HANDLE_REQUEST: DurableHandleRequest().pack()}


def open_durable(
    tree: Tree, name: str, *, guid: bytes = b"", timeout: int = 0, key: bytes = b"", state: int = 0, **how: object
) -> File:
    """Open with a durable handle, by a lease if there is a key, else by a batch oplock."""
    contexts = request(guid, timeout) | (lease_contexts(key, state) if key else {})
    oplock = SMB2_OPLOCK_LEVEL_LEASE if key else SMB2_OPLOCK_LEVEL_BATCH
    how.setdefault("disposition", FILE_OPEN_IF)
    return tree.create(name, oplock=oplock, contexts=contexts, **how)  # type: ignore[arg-type]


def is_durable(file: File) -> bool:
    """Whether the server has granted it."""
    asked = {SMB2_CREATE_DURABLE_HANDLE_REQUEST, SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2}
    return bool(asked & set(file.response.contexts))


def reopen(
    tree: Tree,
    name: str,
    lost: File,
    *,
    guid: bytes = b"",
    key: bytes = b"",
    state: int = 0,
    oplock: int = SMB2_OPLOCK_LEVEL_BATCH,
    flags: int = 0,
) -> File:
    """Take up a handle again.

    Raises:
        StatusError: the server refuses.
    """
    if guid:
        context = DurableHandleReconnectV2(lost.persistent, lost.volatile, guid, flags)
    else:
        context = DurableHandleReconnect(lost.persistent, lost.volatile)
    contexts = {context.tag: context.pack()} | (lease_contexts(key, state) if key else {})
    oplock = SMB2_OPLOCK_LEVEL_LEASE if key else oplock
    return tree.create(name, oplock=oplock, contexts=contexts)


def lose_connection(server: Server, tree: Tree) -> None:
    """Drop the only connection of a client, and wait until its process is gone."""
    before = set(server.worker_pids())
    tree.session.connection.close(reset=True)
    eventually(lambda: before - set(server.worker_pids()))


def eventually(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(_PAUSE_S)


def new_guid() -> bytes:
    """A random GUID, or lease key."""
    return os.urandom(16)

"""What the tests of persistent handles share: asking for one, and taking it up again."""

from __future__ import annotations

from smbd.wire.constants import (
    SMB2_CREATE_APP_INSTANCE_ID,
    SMB2_CREATE_APP_INSTANCE_VERSION,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_DHANDLE_FLAG_PERSISTENT,
    SMB2_OPLOCK_LEVEL_LEASE,
    SMB2_OPLOCK_LEVEL_NONE,
)
from smbd.wire.create_context_durable import DurableHandleResponseV2
from smbd.wire.create_contexts import AppInstanceId, AppInstanceVersion
from tests.protocol.durable import reopen, request
from tests.protocol.leases import lease_contexts
from tests.smbxcli import File, Tree
from vfs.constants import FILE_OPEN_IF

SHARE = "ca"


def open_persistent(
    tree: Tree,
    name: str,
    guid: bytes,
    *,
    timeout: int = 0,
    key: bytes = b"",
    state: int = 0,
    oplock: int = SMB2_OPLOCK_LEVEL_NONE,
    instance: dict[bytes, bytes] | None = None,
    **how: object,
) -> File:
    """Open with a persistent handle, with a lease if there is a key, as an application instance if there is one."""
    contexts = request(guid, timeout, SMB2_DHANDLE_FLAG_PERSISTENT) | (lease_contexts(key, state) if key else {})
    contexts |= instance or {}
    how.setdefault("disposition", FILE_OPEN_IF)
    return tree.create(name, oplock=SMB2_OPLOCK_LEVEL_LEASE if key else oplock, contexts=contexts, **how)  # type: ignore[arg-type]


def instance_contexts(instance_id: bytes, version: tuple[int, int] | None = None) -> dict[bytes, bytes]:
    """Name the application instance that opens a file."""
    contexts = {SMB2_CREATE_APP_INSTANCE_ID: AppInstanceId(instance_id).pack()}
    if version is not None:
        contexts[SMB2_CREATE_APP_INSTANCE_VERSION] = AppInstanceVersion(*version).pack()
    return contexts


def response_of(file: File) -> DurableHandleResponseV2 | None:
    """What the server says of the handle."""
    found = file.response.contexts.get(SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2)
    return None if found is None else DurableHandleResponseV2.unpack(found)


def is_persistent(file: File) -> bool:
    """Whether the server has granted it."""
    found = response_of(file)
    return found is not None and bool(found.flags & SMB2_DHANDLE_FLAG_PERSISTENT)


def take_up(tree: Tree, name: str, lost: File, guid: bytes, *, key: bytes = b"", state: int = 0) -> File:
    """Take up a persistent handle again.

    Raises:
        StatusError: the server refuses.
    """
    return reopen(
        tree,
        name,
        lost,
        guid=guid,
        key=key,
        state=state,
        oplock=SMB2_OPLOCK_LEVEL_NONE,
        flags=SMB2_DHANDLE_FLAG_PERSISTENT,
    )

"""What has to be on disk before a client is told of it: persistent handles, their locks, leases and names.

[MS-SMB2] leaves it to the server how a persistent handle survives; here the reply waits for the disk, together with
all others of the same moment (`smbd.xsrv.persistent`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfs.ntstatus import from_oserror

if TYPE_CHECKING:
    from smbd.context import ServerContext
    from smbd.smb2.request import Result
    from smbd.xsrv.open import Open


async def keep(opened: Open) -> None:
    """Wait until a new persistent handle is on disk; it is closed if that fails, or if nobody waits any more.

    Raises:
        NTStatusError: the disk fails, or the request was given up.
    """
    try:
        await settle(opened.session.client.ctx)
    except BaseException:
        opened.close()
        raise


async def settle(ctx: ServerContext) -> None:
    """Wait until all that was changed so far of persistent handles is on disk.

    Raises:
        NTStatusError: the disk fails, or the request was given up.
    """
    persistent = ctx.databases.persistent
    if persistent is None:
        return
    try:
        await persistent.barrier()
    except OSError as error:
        raise from_oserror(error, "persistent handles") from None


async def after_disk(ctx: ServerContext, result: Result) -> Result:
    """Return `result` when all that was changed so far of persistent handles is on disk."""
    await settle(ctx)
    return result


def is_unsettled(ctx: ServerContext) -> bool:
    """Tell whether something was changed of persistent handles that is not on its way to the disk yet."""
    persistent = ctx.databases.persistent
    return persistent is not None and bool(persistent.dirty)

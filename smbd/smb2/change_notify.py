"""CHANGE_NOTIFY ([MS-SMB2] 3.3.5.19)."""

from __future__ import annotations

from smbd.smb2.credits import check_charge
from smbd.smb2.request import Reply, Request
from smbd.wire.change_notify import ChangeNotifyRequest, ChangeNotifyResponse
from smbd.wire.constants import SMB2_WATCH_TREE
from smbd.wire.fscc.notify import pack_notify
from vfs.fsa import change_notify
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_NOTIFY_CLEANUP,
    STATUS_NOTIFY_ENUM_DIR,
    NTStatusError,
)

_ENUMERATE: ChangeNotifyResponse = ChangeNotifyResponse()


async def handle(request: Request) -> Reply:
    """Answer with the changes in a directory, as soon as there are any.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER for a file or a buffer that is too large, STATUS_ACCESS_DENIED,
            STATUS_NOT_IMPLEMENTED, STATUS_DELETE_PENDING, STATUS_NOTIFY_CLEANUP when the open is closed.
    """
    message = ChangeNotifyRequest.unpack(request.pdu)
    check_charge(request, message.output_buffer_length)
    if message.output_buffer_length > request.connection.max_transact:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too large")
    opened = request.open(message.file_id_persistent, message.file_id_volatile)
    if opened.file is None:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "a pipe")
    watch = change_notify.watch(
        opened.file,
        message.completion_filter,
        message.output_buffer_length,
        recursive=bool(message.flags & SMB2_WATCH_TREE),
    )
    request.waits_on = opened
    request.status_on_close = STATUS_NOTIFY_CLEANUP
    changes = await watch.collect(message.output_buffer_length)
    if changes is None:
        return Reply(_ENUMERATE.pack(), STATUS_NOTIFY_ENUM_DIR)
    return Reply(ChangeNotifyResponse(pack_notify(changes)).pack())

"""WRITE ([MS-SMB2] 3.3.5.13): from the receive buffer into the file, without a copy."""

from __future__ import annotations

from typing import Final

from messaging.waiter import Waiter
from smbd.smb2.credits import BYTES_PER_CREDIT, check_charge
from smbd.smb2.overlapped import OVERLAP_MIN, can_overlap, look_ahead
from smbd.smb2.request import AsyncResult, Request, Result
from smbd.wire.constants import (
    SMB2_CHANNEL_NONE,
    SMB2_WRITEFLAG_WRITE_THROUGH,
    SMB2_WRITEFLAG_WRITE_UNBUFFERED,
)
from smbd.wire.read_write import WriteRequest, pack_write_response
from vfs.constants import FILE_WRITE_THROUGH
from vfs.fsa import write
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import STATUS_INVALID_PARAMETER, NTStatusError, from_oserror

_unpack: Final = WriteRequest.unpack
_MAX_OFFSET: Final = (1 << 63) - 1
_THROUGH: Final = SMB2_WRITEFLAG_WRITE_THROUGH | SMB2_WRITEFLAG_WRITE_UNBUFFERED


def handle(request: Request) -> Result | AsyncResult | Waiter[bytes]:
    """Write; with WRITE_THROUGH, of the request or of the open, answer only when the data are on stable storage.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER beyond MaxWriteSize, and what `vfs.fsa.write` raises.
    """
    message = _unpack(request.pdu)
    data = message.data
    length = len(data)
    if length > BYTES_PER_CREDIT:
        check_charge(request, length)
    if length > request.connection.max_write or message.channel != SMB2_CHANNEL_NONE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "too large, or over RDMA")
    if message.offset > _MAX_OFFSET:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "offset out of range: its special values are not for the wire")
    opened = request.open(message.file_id_persistent, message.file_id_volatile)
    if opened.pipe is not None:
        opened.pipe.write(bytes(data))
        return pack_write_response(length)
    file = opened.file
    if file is None:
        raise NTStatusError(STATUS_INVALID_PARAMETER)
    through = message.flags & _THROUGH or file.create_options & FILE_WRITE_THROUGH or file.volume.options.sync_always
    if length >= OVERLAP_MIN and not through and can_overlap(request):
        rest = write.write_apart(file, message.offset, memoryview(data))
        if rest is not None:
            return request.connection.ctx.overlapped.start(request, opened, rest, pack_write_response(length))
    count = write.write(file, message.offset, memoryview(data))
    if length >= OVERLAP_MIN:
        look_ahead(request)
    if through:
        return _sync(request, file, count)
    return pack_write_response(count)


async def _sync(request: Request, file: FileObject, count: int) -> bytes:
    try:
        if file.stream is None:
            await request.connection.loop.run_in_thread(file.volume.backend.fdatasync, file.fd)
        else:
            # In an extended attribute, which is no data of the file, or in a file of its own.
            file.stream.sync()
            await request.connection.loop.run_in_thread(file.volume.backend.fsync, file.fd)
    except OSError as error:
        raise from_oserror(error, "fdatasync") from error
    return pack_write_response(count)

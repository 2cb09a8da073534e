"""READ ([MS-SMB2] 3.3.5.12): from the page cache straight to where it is sent from.

Three ways lead there. A large read that is neither signed nor encrypted goes by `sendfile`; any other goes in
place into the output buffer; and what the page cache does not hold is fetched by a thread, so that a slow disk
does not stop the other requests.
"""

from __future__ import annotations

from typing import Final

from smbd.rpc.pipe import Pipe
from smbd.smb2 import respond
from smbd.smb2.credits import BYTES_PER_CREDIT, check_charge
from smbd.smb2.request import AsyncResult, FileRange, Reply, Request, Result
from smbd.wire.constants import SMB2_CHANNEL_NONE, SMB2_HEADER_SIZE
from smbd.wire.read_write import READ_DATA_OFFSET, ReadRequest, ReadResponse, pack_read_response_into
from smbd.xsrv.open import Open
from vfs.fsa import read
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import (
    STATUS_END_OF_FILE,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    STATUS_PIPE_EMPTY,
    NTStatusError,
)

_unpack: Final = ReadRequest.unpack
#: Below this a copy through the output buffer, which lies in the processor's cache, is cheaper than sendfile's calls.
_SENDFILE_MIN: Final = 256 * 1024


def handle(request: Request) -> Result | AsyncResult:
    """Read from a file or a pipe.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER beyond MaxReadSize, STATUS_END_OF_FILE, STATUS_ACCESS_DENIED, ...
    """
    message = _unpack(request.pdu)
    length = message.length
    if length > BYTES_PER_CREDIT:
        check_charge(request, length)
    if length > request.connection.max_read or message.channel != SMB2_CHANNEL_NONE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "too large, or over RDMA")
    opened = request.open(message.file_id_persistent, message.file_id_volatile)
    if opened.pipe is not None:
        return _read_pipe(request, opened, opened.pipe, length)
    file = opened.file
    if file is None:
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST)
    if length >= _SENDFILE_MIN and respond.can_send_file(request):
        count = read.readable(file, message.offset, length)
        if count >= max(_SENDFILE_MIN, message.minimum_count) and read.is_cached(file, message.offset, count):
            head = bytearray(READ_DATA_OFFSET)
            pack_read_response_into(head, 0, count)
            return FileRange(bytes(head[SMB2_HEADER_SIZE:]), file.fd, message.offset, count)
    frame = respond.reserve(request, READ_DATA_OFFSET + length)
    in_place = frame is not None
    if frame is None:
        frame = memoryview(bytearray(READ_DATA_OFFSET + length))
    read_count = read.read_cached(file, message.offset, frame[READ_DATA_OFFSET : READ_DATA_OFFSET + length])
    if read_count is None:
        return _read_in_thread(request, message, file)
    if read_count < message.minimum_count or not read_count:
        _check_count(message, read_count)
    total = pack_read_response_into(frame, 0, read_count)
    return total - SMB2_HEADER_SIZE if in_place else frame[SMB2_HEADER_SIZE:total]


async def _read_pipe(request: Request, opened: Open, pipe: Pipe, length: int) -> Reply:
    """Read what a service answered; a client may ask before it has sent its question."""
    request.waits_on = opened
    while True:
        try:
            data, status = pipe.read(length)
        except NTStatusError as error:
            if error.status != STATUS_PIPE_EMPTY:
                raise
            await pipe.readable()
        else:
            return Reply(ReadResponse(data).pack(), status)


async def _read_in_thread(request: Request, message: ReadRequest, file: FileObject) -> memoryview:
    """Wait for the disk in a thread; the output buffer belongs to others meanwhile."""
    frame = memoryview(bytearray(READ_DATA_OFFSET + message.length))
    count = await request.connection.loop.run_in_thread(
        read.read_granted, file, message.offset, frame[READ_DATA_OFFSET:]
    )
    _check_count(message, count)
    return frame[SMB2_HEADER_SIZE : pack_read_response_into(frame, 0, count)]


def _check_count(message: ReadRequest, count: int) -> None:
    if count < message.minimum_count or (not count and message.length):
        raise NTStatusError(STATUS_END_OF_FILE)

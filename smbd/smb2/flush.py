"""FLUSH ([MS-SMB2] 3.3.5.11)."""

from __future__ import annotations

from typing import Final

from smbd.smb2.request import AsyncResult, Request, Result
from smbd.wire.flush import FlushRequest, FlushResponse
from vfs.fsa import flush
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import from_oserror

_RESPONSE: Final = FlushResponse().pack()


def handle(request: Request) -> Result | AsyncResult:
    """Put what was written on stable storage; the disk is waited for in a thread."""
    message = FlushRequest.unpack(request.pdu)
    opened = request.open(message.file_id_persistent, message.file_id_volatile)
    if opened.file is None or not flush.check_flush(opened.file):
        return _RESPONSE
    return _sync(request, opened.file)


async def _sync(request: Request, file: FileObject) -> bytes:
    try:
        await request.connection.loop.run_in_thread(file.volume.backend.fsync, file.fd)
    except OSError as error:
        raise from_oserror(error, "fsync") from error
    return _RESPONSE

"""Server-side copy ([MS-SMB2] 3.3.5.15.5, 3.3.5.15.6)."""

from __future__ import annotations

import struct
from typing import Final

from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.wire.constants import (
    FSCTL_SRV_COPYCHUNK,
    SRV_COPYCHUNK_MAX_CHUNK_SIZE,
    SRV_COPYCHUNK_MAX_CHUNKS,
    SRV_COPYCHUNK_MAX_TOTAL_SIZE,
)
from smbd.wire.fsctl import CopyChunkRequest, CopyChunkResponse, ResumeKeyResponse
from vfs.access import FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from vfs.fsa import fsctl
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS,
    NTStatusError,
)

#: A resume key names an open of the same session: persistent and volatile id.
_RESUME_KEY: Final = struct.Struct("<QQ8x")
_LIMITS: Final = CopyChunkResponse(
    SRV_COPYCHUNK_MAX_CHUNKS, SRV_COPYCHUNK_MAX_CHUNK_SIZE, SRV_COPYCHUNK_MAX_TOTAL_SIZE
).pack()


def request_resume_key(_file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Return the key by which a copy names this open as its source."""
    opened = call.open()
    output = ResumeKeyResponse(_RESUME_KEY.pack(opened.persistent_id, opened.volatile_id)).pack()
    if call.message.max_output_response < len(output):
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too small")
    return IoctlOutput(output)


def copychunk(target: FileObject, call: IoctlCall) -> IoctlOutput:
    """Copy ranges from the open that the key names into this one.

    What is beyond the limits is refused with the limits in the answer; a failure is answered with what was done
    until then.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND for an unknown key, STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER.
    """
    message = call.message
    if message.max_output_response < CopyChunkResponse.layout.size:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too small")
    order = CopyChunkRequest.unpack(message.input_data)
    source = _source(call, order.source_key)
    if not target.granted_access & (FILE_WRITE_DATA | FILE_APPEND_DATA):
        raise NTStatusError(STATUS_ACCESS_DENIED, "target not opened for writing")
    if message.ctl_code == FSCTL_SRV_COPYCHUNK and not target.granted_access & FILE_READ_DATA:
        raise NTStatusError(STATUS_ACCESS_DENIED, "target not opened for reading")
    if not source.granted_access & (FILE_READ_DATA | FILE_EXECUTE):
        raise NTStatusError(STATUS_ACCESS_DENIED, "source not opened for reading")
    total = sum(chunk.length for chunk in order.chunks)
    if (
        len(order.chunks) > SRV_COPYCHUNK_MAX_CHUNKS
        or total > SRV_COPYCHUNK_MAX_TOTAL_SIZE
        or any(not 0 < chunk.length <= SRV_COPYCHUNK_MAX_CHUNK_SIZE for chunk in order.chunks)
    ):
        return IoctlOutput(_LIMITS, STATUS_INVALID_PARAMETER)
    written = chunks = 0
    status = STATUS_SUCCESS
    for chunk in order.chunks:
        try:
            written += fsctl.copy_chunk(source, target, chunk.source_offset, chunk.target_offset, chunk.length)
        except NTStatusError as error:
            if error.status == STATUS_INVALID_PARAMETER:  # which promises the limits
                return IoctlOutput(_LIMITS, STATUS_INVALID_PARAMETER)
            status = error.status
            break
        chunks += 1
    return IoctlOutput(CopyChunkResponse(chunks, 0, written).pack(), status)


def _source(call: IoctlCall, key: bytes) -> FileObject:
    session = call.request.session
    persistent_id, volatile_id = _RESUME_KEY.unpack(key)
    opened = session.opens.get(volatile_id) if session is not None else None
    if opened is None or opened.persistent_id != persistent_id or opened.file is None:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "unknown resume key")
    return opened.file

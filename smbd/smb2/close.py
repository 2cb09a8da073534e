"""CLOSE ([MS-SMB2] 3.3.5.10)."""

from __future__ import annotations

import logging
from typing import Final

from smbd.smb2.request import Request
from smbd.wire.close import CloseResponse, unpack_request
from smbd.wire.constants import SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB
from vfs.fsa import query_info
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import NTStatusError

_log = logging.getLogger(__name__)

_PLAIN: Final = CloseResponse().pack()


def handle(request: Request) -> bytes:
    """Close an open; with POSTQUERY_ATTRIB tell what the file looks like then.

    Raises:
        NTStatusError: something failed, such as the deletion of the file; the open is gone all the same.
    """
    _, flags, persistent_id, volatile_id = unpack_request(request.pdu)
    opened = request.open(persistent_id, volatile_id)
    body = _PLAIN
    if flags & SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB and opened.file is not None:
        body = _last_look(opened.file) or body
    status = opened.close()
    if status:
        raise NTStatusError(status, "the close failed")
    return body


def _last_look(file: FileObject) -> bytes | None:
    """Return the response with the status of the file; None if it cannot be had: it closes all the same."""
    try:
        stat = query_info.stat(file)
    except NTStatusError as error:
        _log.info("status of %s at its close: %s", file.name, error)
        return None
    return CloseResponse(
        SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB,
        stat.creation_time,
        stat.last_access_time,
        stat.last_write_time,
        stat.change_time,
        stat.allocation_size,
        stat.end_of_file,
        stat.file_attributes,
    ).pack()

"""QUERY_INFO ([MS-SMB2] 3.3.5.20): which class is answered by what, and how much of it fits."""

from __future__ import annotations

from smbd.smb2 import posix_extensions, query_file_info, query_fs_info, quota
from smbd.smb2.credits import BYTES_PER_CREDIT, check_charge
from smbd.smb2.query_file_info import CLASSES
from smbd.smb2.request import Reply, Request, Result
from smbd.wire.buffer import Buffer
from smbd.wire.constants import (
    SMB2_0_INFO_FILE,
    SMB2_0_INFO_FILESYSTEM,
    SMB2_0_INFO_QUOTA,
    SMB2_0_INFO_SECURITY,
    SMB2_DIALECT_311,
)
from smbd.wire.output_buffer import output_head, pack_output_buffer
from smbd.wire.query_info import unpack_query_info
from vfs.constants import FileNormalizedNameInformation, FilePosixInformation
from vfs.fsa import security
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL,
    STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_INFO_CLASS,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    NTStatusError,
)


def handle(request: Request) -> Result:
    """Answer a query.

    Raises:
        NTStatusError: STATUS_INVALID_INFO_CLASS, STATUS_INFO_LENGTH_MISMATCH if the fixed part does not fit,
            STATUS_BUFFER_TOO_SMALL for a security descriptor that does not fit, STATUS_ACCESS_DENIED, ...
    """
    persistent, volatile, kind, info_class, wanted, additional, _, given = unpack_query_info(request.pdu)
    payload = max(wanted, len(given)) if given else wanted
    if payload > BYTES_PER_CREDIT:
        check_charge(request, payload)
    if payload > request.connection.max_transact:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too large")
    opened = request.open(persistent, volatile)
    file = opened.file
    if file is None:
        if opened.pipe is not None and kind == SMB2_0_INFO_FILE:
            return _fit(*query_file_info.of_pipe(opened.pipe, info_class), wanted)
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, "not a file")
    if kind == SMB2_0_INFO_FILE:
        found = CLASSES.get(info_class)
        if found is None:
            return _fit(*_by_share(request, file, info_class), wanted)
        make, minimum, access = found
        if access and not file.granted_access & access:
            raise NTStatusError(STATUS_ACCESS_DENIED)
        data = make(file, wanted, given)
        if minimum <= wanted >= len(data):
            return output_head(len(data)) + data
        return _fit(data, minimum, wanted)
    if kind == SMB2_0_INFO_FILESYSTEM:
        if info_class == FilePosixInformation and file.volume.options.posix:
            return _fit(*posix_extensions.of_volume(file), wanted)
        return _fit(*query_fs_info.of_volume(file, info_class), wanted)
    if kind == SMB2_0_INFO_SECURITY:
        return _security(file, additional, wanted)
    if kind == SMB2_0_INFO_QUOTA:
        return pack_output_buffer(quota.query(file, given, wanted))
    raise NTStatusError(STATUS_INVALID_PARAMETER, f"info type {kind}")


def _by_share(request: Request, file: FileObject, info_class: int) -> query_file_info.Information:
    """Return an information about a file that there is on some shares or connections only.

    Raises:
        NTStatusError: STATUS_INVALID_INFO_CLASS, STATUS_NOT_SUPPORTED, and what the object store raises.
    """
    if info_class == FileNormalizedNameInformation:
        if request.connection.dialect < SMB2_DIALECT_311:
            raise NTStatusError(STATUS_NOT_SUPPORTED, "normalized names are for SMB 3.1.1")
        return query_file_info.normalized_name(file)
    if info_class == FilePosixInformation and file.volume.options.posix:
        return posix_extensions.of_file(file)
    raise NTStatusError(STATUS_INVALID_INFO_CLASS, f"file information class {info_class}")


def _fit(data: Buffer, minimum: int, wanted: int) -> Result:
    """Cut the information to the client's buffer; at least its fixed part has to fit ([MS-FSCC] 2.4)."""
    if wanted < minimum:
        raise NTStatusError(STATUS_INFO_LENGTH_MISMATCH, f"{minimum} bytes at least")
    if len(data) > wanted:
        return Reply(pack_output_buffer(data[:wanted]), STATUS_BUFFER_OVERFLOW)
    return pack_output_buffer(data)


def _security(file: FileObject, security_information: int, wanted: int) -> Result:
    """[MS-SMB2] 3.3.5.20.3: a descriptor comes whole or not at all; its size tells what buffer it takes."""
    descriptor = security.query_security(file, security_information)
    if len(descriptor) > wanted:
        needed = len(descriptor).to_bytes(4, "little")
        raise NTStatusError(STATUS_BUFFER_TOO_SMALL, f"{len(descriptor)} bytes", needed)
    return pack_output_buffer(descriptor)

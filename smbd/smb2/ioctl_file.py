"""Control codes of files ([MS-FSCC] 2.3), and what answers the codes that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from smbd.smb2 import ioctl_copychunk, ioctl_extents, ioctl_reparse
from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.wire.constants import (
    FSCTL_CREATE_OR_GET_OBJECT_ID,
    FSCTL_DELETE_REPARSE_POINT,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX,
    FSCTL_FILE_LEVEL_TRIM,
    FSCTL_GET_COMPRESSION,
    FSCTL_GET_NTFS_VOLUME_DATA,
    FSCTL_GET_OBJECT_ID,
    FSCTL_GET_REPARSE_POINT,
    FSCTL_QUERY_ALLOCATED_RANGES,
    FSCTL_QUERY_FILE_REGIONS,
    FSCTL_SET_COMPRESSION,
    FSCTL_SET_REPARSE_POINT,
    FSCTL_SET_SPARSE,
    FSCTL_SET_ZERO_DATA,
    FSCTL_SRV_COPYCHUNK,
    FSCTL_SRV_COPYCHUNK_WRITE,
    FSCTL_SRV_ENUMERATE_SNAPSHOTS,
    FSCTL_SRV_REQUEST_RESUME_KEY,
)
from smbd.wire.errors import WireError
from smbd.wire.fsctl import SnapshotArray
from smbd.wire.fsctl_file import (
    AllocatedRange,
    CompressionState,
    FileLevelTrim,
    FileLevelTrimOutput,
    ObjectId,
    SetSparse,
    SetZeroData,
    pack_allocated_ranges,
)
from vfs.fsa import fsctl, query_fs, snapshots
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS,
    NTStatusError,
    from_oserror,
)

Handler: TypeAlias = Callable[[FileObject, IoctlCall], IoctlOutput]

_SNAPSHOT_ARRAY_MINIMUM: Final = 16
_VOLUME_ID_LENGTH: Final = 16


def control(call: IoctlCall) -> IoctlOutput:
    """Answer a control code of the object that is open.

    Raises:
        NTStatusError: STATUS_INVALID_DEVICE_REQUEST if the object does not know the code.
    """
    code = call.message.ctl_code
    file = call.open().file
    handler = _HANDLERS.get(code)
    if handler is None or file is None:
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, f"control code {code:#x}")
    try:
        return handler(file, call)
    except WireError as error:
        raise NTStatusError(STATUS_INVALID_PARAMETER, str(error)) from error


def _set_sparse(file: FileObject, call: IoctlCall) -> IoctlOutput:
    fsctl.set_sparse(file, sparse=SetSparse.unpack(call.message.input_data).set_sparse)
    return IoctlOutput()


def _set_zero_data(file: FileObject, call: IoctlCall) -> IoctlOutput:
    area = SetZeroData.unpack(call.message.input_data)
    fsctl.set_zero_data(file, area.file_offset, area.beyond_final_zero)
    return IoctlOutput()


def _query_allocated_ranges(file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Tell where there are data; as many ranges as the buffer takes."""
    area = AllocatedRange.unpack(call.message.input_data)
    found = fsctl.query_allocated_ranges(file, area.file_offset, area.length)
    fits = call.message.max_output_response // AllocatedRange.layout.size
    if found and not fits:
        raise NTStatusError(STATUS_BUFFER_TOO_SMALL)
    status = STATUS_BUFFER_OVERFLOW if len(found) > fits else STATUS_SUCCESS
    return IoctlOutput(pack_allocated_ranges([AllocatedRange(*one) for one in found[:fits]]), status)


def _trim(file: FileObject, call: IoctlCall) -> IoctlOutput:
    ranges = FileLevelTrim.unpack(call.message.input_data).ranges
    return IoctlOutput(FileLevelTrimOutput(fsctl.trim(file, ranges)).pack())


def _get_compression(file: FileObject, call: IoctlCall) -> IoctlOutput:
    if call.message.max_output_response < CompressionState.layout.size:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too small")
    return IoctlOutput(CompressionState(fsctl.get_compression(file)).pack())


def _set_compression(file: FileObject, call: IoctlCall) -> IoctlOutput:
    fsctl.set_compression(file, CompressionState.unpack(call.message.input_data).compression_state)
    return IoctlOutput()


def _object_id(file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Return an id made of volume and file number, stable as long as the file lives."""
    if call.message.max_output_response < ObjectId.layout.size:
        raise NTStatusError(STATUS_BUFFER_TOO_SMALL)
    volume_id = query_fs.object_id(file).object_id
    object_id = file.file_id.key()[:_VOLUME_ID_LENGTH]
    return IoctlOutput(ObjectId(object_id, volume_id, object_id, bytes(_VOLUME_ID_LENGTH)).pack())


def _enumerate_snapshots(file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Name the snapshots; only count them if the names do not fit ([MS-SMB2] 3.3.5.15.1)."""
    if call.message.max_output_response < _SNAPSHOT_ARRAY_MINIMUM:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too small")
    try:
        labels = [snapshots.label(moment) for moment in file.volume.backend.snapshots()]
    except OSError as error:
        raise from_oserror(error, "snapshots") from None
    whole = SnapshotArray(len(labels), labels).pack()
    if len(whole) <= call.message.max_output_response:
        return IoctlOutput(whole)
    size = SnapshotArray.unpack(whole).array_size
    return IoctlOutput(SnapshotArray(len(labels), [], size).pack())


_HANDLERS: Final[dict[int, Handler]] = {
    FSCTL_SET_SPARSE: _set_sparse,
    FSCTL_SET_ZERO_DATA: _set_zero_data,
    FSCTL_QUERY_ALLOCATED_RANGES: _query_allocated_ranges,
    FSCTL_FILE_LEVEL_TRIM: _trim,
    FSCTL_GET_COMPRESSION: _get_compression,
    FSCTL_SET_COMPRESSION: _set_compression,
    FSCTL_GET_REPARSE_POINT: ioctl_reparse.get_reparse_point,
    FSCTL_SET_REPARSE_POINT: ioctl_reparse.set_reparse_point,
    FSCTL_DELETE_REPARSE_POINT: ioctl_reparse.delete_reparse_point,
    FSCTL_GET_OBJECT_ID: _object_id,
    FSCTL_CREATE_OR_GET_OBJECT_ID: _object_id,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE: ioctl_extents.duplicate_extents,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX: ioctl_extents.duplicate_extents_ex,
    FSCTL_QUERY_FILE_REGIONS: ioctl_extents.query_file_regions,
    FSCTL_GET_NTFS_VOLUME_DATA: ioctl_extents.get_ntfs_volume_data,
    FSCTL_SRV_ENUMERATE_SNAPSHOTS: _enumerate_snapshots,
    FSCTL_SRV_REQUEST_RESUME_KEY: ioctl_copychunk.request_resume_key,
    FSCTL_SRV_COPYCHUNK: ioctl_copychunk.copychunk,
    FSCTL_SRV_COPYCHUNK_WRITE: ioctl_copychunk.copychunk,
}

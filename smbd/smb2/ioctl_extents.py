"""Control codes about blocks and volumes ([MS-FSCC] 2.3): shared extents, file regions, volume data.

Those that need what no POSIX file system has (integrity streams, offload tokens, zeroing at deallocation) are not here:
[MS-FSA] 2.1.5.10 has an object store without them answer STATUS_INVALID_DEVICE_REQUEST, as for any unknown code.
"""

from __future__ import annotations

from typing import Final

from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.wire.fsctl_file import (
    DuplicateExtents,
    DuplicateExtentsEx,
    FileRegion,
    FileRegionInput,
    FileRegionOutput,
    NtfsVolumeData,
)
from vfs.fsa import extents, query_fs
from vfs.fsa.allocation import MAX_FILE_SIZE
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_HANDLE,
    STATUS_INVALID_PARAMETER,
    NTStatusError,
)

_NTFS: Final = "NTFS"
_FILE_RECORD_SIZE: Final = 1024
_EMPTY_REGIONS: Final = FileRegionOutput([], 0).pack()
_ONE_REGION: Final = FileRegionOutput([FileRegion(0, 0, 0)], 1).pack()


def duplicate_extents(target: FileObject, call: IoctlCall) -> IoctlOutput:
    """Share blocks ([MS-SMB2] 3.3.5.15.17)."""
    order = DuplicateExtents.unpack(call.message.input_data)
    source = _source(call, order.source_persistent, order.source_volatile)
    extents.duplicate(source, target, order.source_file_offset, order.target_file_offset, order.byte_count)
    return IoctlOutput()


def duplicate_extents_ex(target: FileObject, call: IoctlCall) -> IoctlOutput:
    """Share blocks ([MS-SMB2] 3.3.5.15.18); the kernel does it for the whole range or not at all anyway."""
    order = DuplicateExtentsEx.unpack(call.message.input_data)
    if order.structure_size != DuplicateExtentsEx.layout.size:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "StructureSize")
    source = _source(call, order.source_persistent, order.source_volatile)
    extents.duplicate(source, target, order.source_file_offset, order.target_file_offset, order.byte_count)
    return IoctlOutput()


def _source(call: IoctlCall, persistent_id: int, volatile_id: int) -> FileObject:
    session = call.request.session
    opened = session.opens.get(volatile_id) if session is not None else None
    if opened is None or opened.persistent_id != persistent_id or opened.file is None:
        raise NTStatusError(STATUS_INVALID_HANDLE, "no such source")
    return opened.file


def query_file_regions(file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Tell which ranges are valid; without input that is about the whole file."""
    data = call.message.input_data
    room = call.message.max_output_response
    if room < len(_EMPTY_REGIONS) or 0 < len(data) < FileRegionInput.layout.size:
        raise NTStatusError(STATUS_BUFFER_TOO_SMALL)
    wanted = FileRegionInput(0, MAX_FILE_SIZE, extents.FILE_REGION_USAGE_VALID_CACHED_DATA)
    if len(data):
        wanted = FileRegionInput.unpack(data)
    found = [
        FileRegion(*one)
        for one in extents.query_regions(file, wanted.file_offset, wanted.length, wanted.desired_usage)
    ]
    if found and room < len(_ONE_REGION):
        return IoctlOutput(FileRegionOutput([], len(found)).pack(), STATUS_BUFFER_OVERFLOW)
    return IoctlOutput(FileRegionOutput(found, len(found)).pack())


def get_ntfs_volume_data(file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Tell sizes of the volume, where it says to be NTFS; there is no master file table, so its fields are zero."""
    if file.volume.options.fstype.upper() != _NTFS:
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, "not NTFS")
    if call.message.max_output_response < NtfsVolumeData.layout.size:
        raise NTStatusError(STATUS_BUFFER_TOO_SMALL)
    size = query_fs.size(file)
    cluster = size.sectors_per_unit * size.bytes_per_sector
    answer = NtfsVolumeData(
        query_fs.serial_number(file),
        size.total_units * size.sectors_per_unit,
        size.total_units,
        size.actual_available_units,
        0,
        size.bytes_per_sector,
        cluster,
        _FILE_RECORD_SIZE,
        0,
        0,
        0,
        0,
        0,
        0,
    )
    return IoctlOutput(answer.pack())

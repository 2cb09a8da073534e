"""File system information classes ([MS-FSCC] 2.5) from what the object store says of its volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from smbd.smb2.query_file_info import Information, whole
from smbd.wire.fscc import fs_info
from vfs import constants
from vfs.fsa import query_fs, quota
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import STATUS_INVALID_INFO_CLASS, NTStatusError

_VOLUME_FIXED: Final = 24
_ATTRIBUTE_FIXED: Final = 16


def _volume(file: FileObject) -> Information:
    volume = query_fs.volume(file)
    return fs_info.FileFsVolumeInformation(
        volume.creation_time, volume.serial_number, volume.label, volume.supports_objects
    ).pack(), _VOLUME_FIXED


def _size(file: FileObject) -> Information:
    size = query_fs.size(file)
    return whole(
        fs_info.FileFsSizeInformation(
            size.total_units, size.caller_available_units, size.sectors_per_unit, size.bytes_per_sector
        )
    )


def _full_size(file: FileObject) -> Information:
    size = query_fs.size(file)
    return whole(
        fs_info.FileFsFullSizeInformation(
            size.total_units,
            size.caller_available_units,
            size.actual_available_units,
            size.sectors_per_unit,
            size.bytes_per_sector,
        )
    )


def _device(file: FileObject) -> Information:
    device = query_fs.device(file)
    return whole(fs_info.FileFsDeviceInformation(device.device_type, device.characteristics))


def _attribute(file: FileObject) -> Information:
    found = query_fs.attributes(file)
    return fs_info.FileFsAttributeInformation(
        found.attributes, found.maximum_component_length, found.file_system_name
    ).pack(), _ATTRIBUTE_FIXED


def _sector_size(file: FileObject) -> Information:
    found = query_fs.sector_size(file)
    return whole(
        fs_info.FileFsSectorSizeInformation(
            found.logical_bytes_per_sector,
            found.physical_bytes_per_sector_for_atomicity,
            found.physical_bytes_per_sector_for_performance,
            found.effective_physical_bytes_per_sector,
            found.flags,
            found.byte_offset_for_sector_alignment,
            found.byte_offset_for_partition_alignment,
        )
    )


def _object_id(file: FileObject) -> Information:
    found = query_fs.object_id(file)
    return whole(fs_info.FileFsObjectIdInformation(found.object_id, found.extended_info))


def _control(file: FileObject) -> Information:
    """Quotas are tracked and enforced if the file system keeps any; by default there is no limit."""
    flags = constants.FILE_VC_QUOTA_TRACK | constants.FILE_VC_QUOTA_ENFORCE if quota.are_kept(file) else 0
    return whole(
        fs_info.FileFsControlInformation(
            default_quota_threshold=quota.NO_LIMIT, default_quota_limit=quota.NO_LIMIT, file_system_control_flags=flags
        )
    )


_CLASSES: Final[dict[int, Callable[[FileObject], Information]]] = {
    constants.FileFsVolumeInformation: _volume,
    constants.FileFsSizeInformation: _size,
    constants.FileFsDeviceInformation: _device,
    constants.FileFsAttributeInformation: _attribute,
    constants.FileFsControlInformation: _control,
    constants.FileFsFullSizeInformation: _full_size,
    constants.FileFsObjectIdInformation: _object_id,
    constants.FileFsSectorSizeInformation: _sector_size,
}


def of_volume(file: FileObject, info_class: int) -> Information:
    """Return an information about the volume that `file` is on.

    Raises:
        NTStatusError: STATUS_INVALID_INFO_CLASS, and what the object store raises.
    """
    make = _CLASSES.get(info_class)
    if make is None:
        raise NTStatusError(STATUS_INVALID_INFO_CLASS, f"file system information class {info_class}")
    return make(file)

"""File system information classes, [MS-FSCC] 2.5, which has a section by the name of each.

Each class knows its number as `info_class`.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Final

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.errors import WireError
from smbd.wire.fixed import Fixed
from vfs import constants

_VOLUME: Final = struct.Struct("<QII?x")  # VolumeCreationTime, VolumeSerialNumber, VolumeLabelLength,
_LABEL: Final = struct.Struct("<I")  # SupportsObjects
_ATTRIBUTE: Final = struct.Struct("<III")  # attributes, MaximumComponentNameLength, FileSystemNameLength
_DRIVER: Final = struct.Struct("<?3xI")  # DriverInPath, Reserved, DriverNameLength


def _text(data: Buffer, at: int, length: int) -> str:
    if at + length > len(data):
        raise WireError("text outside of the file system information")
    return decode_utf16(data[at : at + length])


class FileFsVolumeInformation(msgspec.Struct, gc=False):
    """When the volume was made, its serial number and label."""

    info_class: ClassVar[int] = constants.FileFsVolumeInformation
    FIXED_SIZE: ClassVar[int] = _VOLUME.size

    volume_creation_time: int
    volume_serial_number: int
    volume_label: str = ""
    supports_objects: bool = False

    def pack(self) -> bytes:
        """Return the bytes."""
        label = encode_utf16(self.volume_label)
        return (
            _VOLUME.pack(self.volume_creation_time, self.volume_serial_number, len(label), self.supports_objects)
            + label
        )

    @classmethod
    def unpack(cls, data: Buffer) -> FileFsVolumeInformation:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _VOLUME.size:
            raise WireError("FileFsVolumeInformation too short")
        created, serial, length, objects = _VOLUME.unpack_from(data)
        return cls(created, serial, _text(data, _VOLUME.size, length), objects)


class FileFsLabelInformation(msgspec.Struct, gc=False):
    """The label to give to the volume."""

    info_class: ClassVar[int] = constants.FileFsLabelInformation

    volume_label: str

    def pack(self) -> bytes:
        """Return the bytes."""
        label = encode_utf16(self.volume_label)
        return _LABEL.pack(len(label)) + label

    @classmethod
    def unpack(cls, data: Buffer) -> FileFsLabelInformation:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _LABEL.size:
            raise WireError("FileFsLabelInformation too short")
        return cls(_text(data, _LABEL.size, _LABEL.unpack_from(data)[0]))


class FileFsSizeInformation(Fixed, gc=False):
    """Sizes in allocation units."""

    layout = struct.Struct("<QQII")
    info_class: ClassVar[int] = constants.FileFsSizeInformation

    total_allocation_units: int
    available_allocation_units: int
    sectors_per_allocation_unit: int
    bytes_per_sector: int


class FileFsDeviceInformation(Fixed, gc=False):
    """FILE_DEVICE_* and characteristics."""

    layout = struct.Struct("<II")
    info_class: ClassVar[int] = constants.FileFsDeviceInformation

    device_type: int
    characteristics: int


class FileFsAttributeInformation(msgspec.Struct, gc=False):
    """What the file system can do, and its name."""

    info_class: ClassVar[int] = constants.FileFsAttributeInformation
    FIXED_SIZE: ClassVar[int] = _ATTRIBUTE.size

    file_system_attributes: int
    maximum_component_name_length: int
    file_system_name: str

    def pack(self) -> bytes:
        """Return the bytes."""
        name = encode_utf16(self.file_system_name)
        return _ATTRIBUTE.pack(self.file_system_attributes, self.maximum_component_name_length, len(name)) + name

    @classmethod
    def unpack(cls, data: Buffer) -> FileFsAttributeInformation:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _ATTRIBUTE.size:
            raise WireError("FileFsAttributeInformation too short")
        attributes, longest, length = _ATTRIBUTE.unpack_from(data)
        return cls(attributes, longest, _text(data, _ATTRIBUTE.size, length))


class FileFsControlInformation(Fixed, gc=False):
    """Content indexing and default quotas."""

    layout = struct.Struct("<qqqQQI4x")
    info_class: ClassVar[int] = constants.FileFsControlInformation

    free_space_start_filtering: int = 0
    free_space_threshold: int = 0
    free_space_stop_filtering: int = 0
    default_quota_threshold: int = 0
    default_quota_limit: int = 0
    file_system_control_flags: int = 0


class FileFsFullSizeInformation(Fixed, gc=False):
    """Sizes in allocation units, the caller's share of the free space apart."""

    layout = struct.Struct("<QQQII")
    info_class: ClassVar[int] = constants.FileFsFullSizeInformation

    total_allocation_units: int
    caller_available_allocation_units: int
    actual_available_allocation_units: int
    sectors_per_allocation_unit: int
    bytes_per_sector: int


class FileFsObjectIdInformation(Fixed, gc=False):
    """Object id of the volume and 48 bytes as its owner likes."""

    layout = struct.Struct("<16s48s")
    info_class: ClassVar[int] = constants.FileFsObjectIdInformation

    object_id: bytes
    extended_info: bytes = bytes(48)


class FileFsDriverPathInformation(msgspec.Struct, gc=False):
    """Whether a driver is in the volume's path."""

    info_class: ClassVar[int] = constants.FileFsDriverPathInformation

    driver_in_path: bool
    driver_name: str = ""

    def pack(self) -> bytes:
        """Return the bytes."""
        name = encode_utf16(self.driver_name)
        return _DRIVER.pack(self.driver_in_path, len(name)) + name

    @classmethod
    def unpack(cls, data: Buffer) -> FileFsDriverPathInformation:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _DRIVER.size:
            raise WireError("FileFsDriverPathInformation too short")
        in_path, length = _DRIVER.unpack_from(data)
        return cls(in_path, _text(data, _DRIVER.size, length))


class FileFsSectorSizeInformation(Fixed, gc=False):
    """Sector sizes and alignment."""

    layout = struct.Struct("<IIIIIII")
    info_class: ClassVar[int] = constants.FileFsSectorSizeInformation

    logical_bytes_per_sector: int
    physical_bytes_per_sector_for_atomicity: int
    physical_bytes_per_sector_for_performance: int
    file_system_effective_physical_bytes_per_sector_for_atomicity: int
    flags: int = 0
    byte_offset_for_sector_alignment: int = 0
    byte_offset_for_partition_alignment: int = 0


class FilePosixFsInformation(Fixed, gc=False):
    """File system information of the SMB3 POSIX extensions, in blocks and inodes."""

    layout = struct.Struct("<IIQQQQQQ")
    info_class: ClassVar[int] = constants.FilePosixInformation

    optimal_transfer_size: int
    block_size: int
    total_blocks: int
    blocks_available: int
    user_blocks_available: int
    total_file_nodes: int
    free_file_nodes: int
    fs_identifier: int

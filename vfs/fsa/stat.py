"""The value structs that queries return; times are FILETIME integers (100 ns since 1601)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from vfs.posix.syscalls import Stat


class FileStat(msgspec.Struct, gc=False):
    """What [MS-FSCC] 2.4 information classes say about one file, unpacked.

    Attributes:
        index_number: 64-bit file id.
        ea_size: EaSize, if it was asked for.
        packed: what somebody made of all but `ea_size`, for the next who wants the same.
    """

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    number_of_links: int
    file_attributes: int
    index_number: int
    delete_pending: bool
    directory: bool
    ea_size: int = 0
    packed: bytes = b""


class StreamInfo(msgspec.Struct, gc=False):
    """One entry of FileStreamInformation ([MS-FSCC] 2.4.49); name like ``::$DATA``."""

    name: str
    size: int
    allocation_size: int


class DirEntry(msgspec.Struct, gc=False):
    """One entry of a directory listing ([MS-FSCC] 2.4.10, 2.4.20 and their kin).

    Attributes:
        stat: status of the file, in the POSIX view of a share only, with the type that a reparse point stands for; None
            of the directory above its root.
    """

    name: str
    short_name: str
    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    end_of_file: int
    allocation_size: int
    file_attributes: int
    ea_size: int
    file_id: int
    reparse_tag: int
    stat: Stat | None


Entry: TypeAlias = tuple[str, str, int, int, int, int, int, int, int, int, int, int, Stat | None]
"""The fields of a `DirEntry`, for whoever handles very many."""


class FsSize(msgspec.Struct, gc=False):
    """FileFsSizeInformation and FileFsFullSizeInformation ([MS-FSCC] 2.5.8, 2.5.4): counts of allocation units."""

    total_units: int
    caller_available_units: int
    actual_available_units: int
    sectors_per_unit: int
    bytes_per_sector: int


class FsAttributes(msgspec.Struct, gc=False):
    """FileFsAttributeInformation ([MS-FSCC] 2.5.1)."""

    attributes: int
    maximum_component_length: int
    file_system_name: str


class FsVolume(msgspec.Struct, gc=False):
    """FileFsVolumeInformation ([MS-FSCC] 2.5.9)."""

    creation_time: int
    serial_number: int
    supports_objects: bool
    label: str


class FsDevice(msgspec.Struct, gc=False):
    """FileFsDeviceInformation ([MS-FSCC] 2.5.10)."""

    device_type: int
    characteristics: int


class FsSectorSize(msgspec.Struct, gc=False):
    """FileFsSectorSizeInformation ([MS-FSCC] 2.5.7)."""

    logical_bytes_per_sector: int
    physical_bytes_per_sector_for_atomicity: int
    physical_bytes_per_sector_for_performance: int
    effective_physical_bytes_per_sector: int
    flags: int
    byte_offset_for_sector_alignment: int
    byte_offset_for_partition_alignment: int


class FsObjectId(msgspec.Struct, gc=False):
    """FileFsObjectIdInformation ([MS-FSCC] 2.5.6)."""

    object_id: bytes
    extended_info: bytes

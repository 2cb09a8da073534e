"""FSCTLs about the data of a file, [MS-FSCC] 2.3: sparseness, ranges, cloning, offload, object ids."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer
from smbd.wire.errors import WireError
from smbd.wire.fixed import Fixed

COMPRESSION_FORMAT_NONE: Final = 0x0000
COMPRESSION_FORMAT_DEFAULT: Final = 0x0001
COMPRESSION_FORMAT_LZNT1: Final = 0x0002

CHECKSUM_TYPE_NONE: Final = 0x0000
CHECKSUM_TYPE_CRC64: Final = 0x0002
CHECKSUM_TYPE_UNCHANGED: Final = 0xFFFF

DUPLICATE_EXTENTS_DATA_EX_SOURCE_ATOMIC: Final = 0x00000001
OFFLOAD_READ_FLAG_ALL_ZERO_BEYOND_CURRENT_RANGE: Final = 0x00000001

STORAGE_OFFLOAD_TOKEN_SIZE: Final = 512

_RANGE: Final = struct.Struct("<QQ")  # FileOffset, Length
_TRIM: Final = struct.Struct("<II")  # Key, NumRanges
_REGION: Final = struct.Struct("<QQI4x")  # FileOffset, Length, Usage, Reserved
_REGIONS: Final = struct.Struct("<IIII")  # Flags, TotalRegionEntryCount, RegionEntryCount, Reserved


class SetSparse(msgspec.Struct, gc=False):
    """FILE_SET_SPARSE_BUFFER of FSCTL_SET_SPARSE; an empty input means yes."""

    set_sparse: bool = True

    def pack(self) -> bytes:
        """Return the bytes."""
        return b"\1" if self.set_sparse else b"\0"

    @classmethod
    def unpack(cls, data: Buffer) -> SetSparse:
        """Read the bytes, which cannot be wrong."""
        return cls(not len(data) or data[0] != 0)


class SetZeroData(Fixed, gc=False):
    """FILE_ZERO_DATA_INFORMATION of FSCTL_SET_ZERO_DATA: a range by its begin and its end."""

    layout = struct.Struct("<qq")

    file_offset: int
    beyond_final_zero: int


class AllocatedRange(Fixed, gc=False):
    """FILE_ALLOCATED_RANGE_BUFFER: input of FSCTL_QUERY_ALLOCATED_RANGES and element of its output."""

    layout = struct.Struct("<qq")

    file_offset: int
    length: int


def pack_allocated_ranges(ranges: Iterable[AllocatedRange]) -> bytes:
    """Return the output of FSCTL_QUERY_ALLOCATED_RANGES."""
    return b"".join([one.pack() for one in ranges])


def unpack_allocated_ranges(data: Buffer) -> list[AllocatedRange]:
    """Read the output of FSCTL_QUERY_ALLOCATED_RANGES.

    Raises:
        WireError: It is not a whole number of ranges.
    """
    if len(data) % AllocatedRange.layout.size:
        raise WireError("allocated ranges of a wrong length")
    return [AllocatedRange(*fields) for fields in AllocatedRange.layout.iter_unpack(data)]


class FileLevelTrim(msgspec.Struct, gc=False):
    """FILE_LEVEL_TRIM of FSCTL_FILE_LEVEL_TRIM: (offset, length) pairs that hold nothing of value."""

    ranges: list[tuple[int, int]]
    key: int = 0

    def pack(self) -> bytes:
        """Return the bytes."""
        return _TRIM.pack(self.key, len(self.ranges)) + b"".join([_RANGE.pack(*one) for one in self.ranges])

    @classmethod
    def unpack(cls, data: Buffer) -> FileLevelTrim:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _TRIM.size:
            raise WireError("FILE_LEVEL_TRIM too short")
        key, count = _TRIM.unpack_from(data)
        end = _TRIM.size + count * _RANGE.size
        if end > len(data):
            raise WireError("FILE_LEVEL_TRIM ranges outside of the buffer")
        return cls([(one[0], one[1]) for one in _RANGE.iter_unpack(data[_TRIM.size : end])], key)


class FileLevelTrimOutput(Fixed, gc=False):
    """FILE_LEVEL_TRIM_OUTPUT: how many ranges were dealt with."""

    layout = struct.Struct("<I")

    num_ranges_processed: int


class FileRegionInput(Fixed, gc=False):
    """FILE_REGION_INPUT of FSCTL_QUERY_FILE_REGIONS."""

    layout = struct.Struct("<qqI4x")

    file_offset: int
    length: int
    desired_usage: int


class FileRegion(msgspec.Struct, gc=False):
    """FILE_REGION_INFO."""

    file_offset: int
    length: int
    usage: int


class FileRegionOutput(msgspec.Struct, gc=False):
    """FILE_REGION_OUTPUT; `total` counts also the regions for which there was no room."""

    regions: list[FileRegion]
    total: int
    flags: int = 0

    def pack(self) -> bytes:
        """Return the bytes."""
        regions = [_REGION.pack(one.file_offset, one.length, one.usage) for one in self.regions]
        return _REGIONS.pack(self.flags, self.total, len(regions), 0) + b"".join(regions)

    @classmethod
    def unpack(cls, data: Buffer) -> FileRegionOutput:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _REGIONS.size:
            raise WireError("FILE_REGION_OUTPUT too short")
        flags, total, count, _ = _REGIONS.unpack_from(data)
        end = _REGIONS.size + count * _REGION.size
        if end > len(data):
            raise WireError("file regions outside of the buffer")
        return cls([FileRegion(*one) for one in _REGION.iter_unpack(data[_REGIONS.size : end])], total, flags)


class CompressionState(Fixed, gc=False):
    """COMPRESSION_FORMAT_* of FSCTL_GET_COMPRESSION and FSCTL_SET_COMPRESSION."""

    layout = struct.Struct("<H")

    compression_state: int


class ObjectId(Fixed, gc=False):
    """FILE_OBJECTID_BUFFER, [MS-FSCC] 2.1.3.1: of FSCTL_GET_OBJECT_ID and its relatives."""

    layout = struct.Struct("<16s16s16s16s")

    object_id: bytes
    birth_volume_id: bytes = bytes(16)
    birth_object_id: bytes = bytes(16)
    domain_id: bytes = bytes(16)


class DuplicateExtents(Fixed, gc=False):
    """SMB2_DUPLICATE_EXTENTS_DATA of FSCTL_DUPLICATE_EXTENTS_TO_FILE."""

    layout = struct.Struct("<QQQQQ")

    source_persistent: int
    source_volatile: int
    source_file_offset: int
    target_file_offset: int
    byte_count: int


class DuplicateExtentsEx(Fixed, gc=False):
    """SMB2_DUPLICATE_EXTENTS_DATA_EX of FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX."""

    layout = struct.Struct("<QQQQQQI4x")

    structure_size: int
    source_persistent: int
    source_volatile: int
    source_file_offset: int
    target_file_offset: int
    byte_count: int
    flags: int = 0


class GetIntegrityInformation(Fixed, gc=False):
    """FSCTL_GET_INTEGRITY_INFORMATION_BUFFER."""

    layout = struct.Struct("<H2xIII")

    checksum_algorithm: int
    flags: int
    checksum_chunk_size_in_bytes: int
    cluster_size_in_bytes: int


class SetIntegrityInformation(Fixed, gc=False):
    """FSCTL_SET_INTEGRITY_INFORMATION_BUFFER."""

    layout = struct.Struct("<H2xI")

    checksum_algorithm: int
    flags: int


class OffloadReadInput(Fixed, gc=False):
    """FSCTL_OFFLOAD_READ_INPUT."""

    layout = struct.Struct("<IIIIQQ")

    size: int
    flags: int
    token_time_to_live: int
    reserved: int
    file_offset: int
    copy_length: int


class OffloadReadOutput(Fixed, gc=False):
    """FSCTL_OFFLOAD_READ_OUTPUT; the token is a STORAGE_OFFLOAD_TOKEN."""

    layout = struct.Struct("<IIQ512s")

    size: int
    flags: int
    transfer_length: int
    token: bytes


class OffloadWriteInput(Fixed, gc=False):
    """FSCTL_OFFLOAD_WRITE_INPUT; the token is a STORAGE_OFFLOAD_TOKEN."""

    layout = struct.Struct("<IIQQQ512s")

    size: int
    flags: int
    file_offset: int
    copy_length: int
    transfer_offset: int
    token: bytes


class OffloadWriteOutput(Fixed, gc=False):
    """FSCTL_OFFLOAD_WRITE_OUTPUT."""

    layout = struct.Struct("<IIQ")

    size: int
    flags: int
    length_written: int


class NtfsVolumeData(Fixed, gc=False):
    """NTFS_VOLUME_DATA_BUFFER of FSCTL_GET_NTFS_VOLUME_DATA."""

    layout = struct.Struct("<QQQQQIIIIQQQQQ")

    volume_serial_number: int
    number_sectors: int
    total_clusters: int
    free_clusters: int
    total_reserved: int
    bytes_per_sector: int
    bytes_per_cluster: int
    bytes_per_file_record_segment: int
    clusters_per_file_record_segment: int
    mft_valid_data_length: int
    mft_start_lcn: int
    mft2_start_lcn: int
    mft_zone_start: int
    mft_zone_end: int

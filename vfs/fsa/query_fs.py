"""Queries about the volume: [MS-FSA] 2.1.5.13. The caller packs."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from vfs.constants import (
    FILE_CASE_PRESERVED_NAMES,
    FILE_CASE_SENSITIVE_SEARCH,
    FILE_DEVICE_DISK,
    FILE_DEVICE_IS_MOUNTED,
    FILE_NAMED_STREAMS,
    FILE_PERSISTENT_ACLS,
    FILE_READ_ONLY_VOLUME,
    FILE_SUPPORTS_REPARSE_POINTS,
    FILE_SUPPORTS_SPARSE_FILES,
    FILE_UNICODE_ON_DISK,
    FILE_VOLUME_QUOTAS,
    MAXIMUM_COMPONENT_LENGTH,
    SSINFO_FLAGS_ALIGNED_DEVICE,
    SSINFO_FLAGS_PARTITION_ALIGNED_ON_DEVICE,
)
from vfs.fsa import times
from vfs.fsa.stat import FsAttributes, FsDevice, FsObjectId, FsSectorSize, FsSize, FsVolume
from vfs.ntstatus import from_oserror

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

BYTES_PER_SECTOR: Final = 512
_EXTENDED_INFO_SIZE: Final = 48


def statvfs(fo: FileObject) -> os.statvfs_result:
    """Return what the kernel says of the file system.

    Raises:
        NTStatusError: what the system call said.
    """
    try:
        return fo.volume.backend.fstatvfs(fo.fd)
    except OSError as error:
        raise from_oserror(error, "file system status") from None


def size(fo: FileObject) -> FsSize:
    """Return total and free space ([MS-FSCC] 2.5.8, 2.5.4).

    Raises:
        NTStatusError: what the system call said.
    """
    found = statvfs(fo)
    unit = found.f_frsize or found.f_bsize
    sectors, odd = divmod(unit, BYTES_PER_SECTOR)
    if odd or not sectors:
        return FsSize(found.f_blocks, found.f_bavail, found.f_bfree, 1, unit)
    return FsSize(found.f_blocks, found.f_bavail, found.f_bfree, sectors, BYTES_PER_SECTOR)


def attributes(fo: FileObject) -> FsAttributes:
    """Return what the file system can do ([MS-FSCC] 2.5.1)."""
    options = fo.volume.options
    flags = (
        FILE_CASE_SENSITIVE_SEARCH
        | FILE_UNICODE_ON_DISK
        | FILE_PERSISTENT_ACLS
        | FILE_SUPPORTS_SPARSE_FILES
        | FILE_VOLUME_QUOTAS
    )
    if options.store_dos_attributes:
        flags |= FILE_SUPPORTS_REPARSE_POINTS
    if options.preserve_case:
        flags |= FILE_CASE_PRESERVED_NAMES
    if fo.volume.streams is not None:
        flags |= FILE_NAMED_STREAMS
    if fo.volume.read_only:
        flags |= FILE_READ_ONLY_VOLUME
    return FsAttributes(flags, MAXIMUM_COMPONENT_LENGTH, options.fstype)


def serial_number(fo: FileObject) -> int:
    """Return the volume serial number: configured, or made from the share's name."""
    configured = fo.volume.options.volume_serial
    if configured:
        return configured & 0xFFFFFFFF
    digest = hashlib.blake2b(fo.volume.share_name.lower().encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") or 1


def volume(fo: FileObject) -> FsVolume:
    """Return label, serial number and age of the volume ([MS-FSCC] 2.5.9).

    Raises:
        NTStatusError: what the system call said.
    """
    try:
        born = fo.volume.backend.stat(fo.volume.backend.root_fd).btime_ns
    except OSError as error:
        raise from_oserror(error, "volume") from None
    label = fo.volume.options.volume_label or fo.volume.share_name
    return FsVolume(times.to_filetime(born), serial_number(fo), supports_objects=False, label=label)


def device(fo: FileObject) -> FsDevice:
    """Return the kind of device ([MS-FSCC] 2.5.10): a mounted disk."""
    del fo
    return FsDevice(FILE_DEVICE_DISK, FILE_DEVICE_IS_MOUNTED)


def sector_size(fo: FileObject) -> FsSectorSize:
    """Return sector sizes ([MS-FSCC] 2.5.7).

    Raises:
        NTStatusError: what the system call said.
    """
    found = statvfs(fo)
    physical = max(found.f_frsize or found.f_bsize, BYTES_PER_SECTOR)
    return FsSectorSize(
        BYTES_PER_SECTOR,
        physical,
        physical,
        physical,
        SSINFO_FLAGS_ALIGNED_DEVICE | SSINFO_FLAGS_PARTITION_ALIGNED_ON_DEVICE,
        0,
        0,
    )


def object_id(fo: FileObject) -> FsObjectId:
    """Return the object id of the volume ([MS-FSCC] 2.5.6): made from the share's name and its device."""
    seed = f"{fo.volume.share_name.lower()}:{fo.file_id.dev}".encode()
    return FsObjectId(hashlib.blake2b(seed, digest_size=16).digest(), bytes(_EXTENDED_INFO_SIZE))

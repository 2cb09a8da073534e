"""Control codes about blocks and volumes, and times that come back as they were set."""

from __future__ import annotations

import struct

import pytest

from smbd.wire.constants import (
    FSCTL_CREATE_OR_GET_OBJECT_ID,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX,
    FSCTL_GET_INTEGRITY_INFORMATION,
    FSCTL_GET_NTFS_VOLUME_DATA,
    FSCTL_GET_OBJECT_ID,
    FSCTL_OFFLOAD_READ,
    FSCTL_QUERY_FILE_REGIONS,
)
from smbd.wire.fsctl_file import (
    DuplicateExtents,
    DuplicateExtentsEx,
    FileRegionInput,
    FileRegionOutput,
    NtfsVolumeData,
)
from tests.servers import unlike_samba
from tests.smbxcli.errors import StatusError
from tests.smbxcli.file import File
from tests.smbxcli.tree import Tree
from vfs import ntstatus as nt
from vfs.constants import FILE_OPEN_IF, FileBasicInformation

pytestmark = [pytest.mark.slow, unlike_samba]

BLOCK = 65536
_TIMES = struct.Struct("<qqqqI4x")


@pytest.fixture
def file(tree: Tree, name: str) -> File:
    opened = tree.create(name, disposition=FILE_OPEN_IF)
    opened.write(b"x" * BLOCK)
    return opened


def refused(file: File, code: int, data: bytes = b"", max_output: int = 65536) -> int:
    with pytest.raises(StatusError) as caught:
        file.ioctl(code, data, max_output)
    return caught.value.status


@pytest.mark.parametrize("code", [FSCTL_GET_INTEGRITY_INFORMATION, FSCTL_OFFLOAD_READ])
def test_what_no_posix_file_system_has(file: File, code: int) -> None:
    assert refused(file, code, bytes(32)) == nt.STATUS_INVALID_DEVICE_REQUEST


def test_duplicate_extents(tree: Tree, name: str, file: File) -> None:
    target = tree.create(f"{name}-2", disposition=FILE_OPEN_IF)
    target.write(b"y" * BLOCK)
    orders = {
        FSCTL_DUPLICATE_EXTENTS_TO_FILE: DuplicateExtents(file.persistent, file.volatile, 0, 0, BLOCK).pack(),
        FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX: DuplicateExtentsEx(
            DuplicateExtentsEx.layout.size, file.persistent, file.volatile, 0, 0, BLOCK
        ).pack(),
    }
    for code, order in orders.items():
        status = target.send_ioctl(code, order).recv().status
        if status == nt.STATUS_SUCCESS:
            assert target.read(BLOCK) == b"x" * BLOCK
        else:
            assert status == nt.STATUS_INVALID_DEVICE_REQUEST, "the file system below cannot"
        assert refused(target, code, order[:-1]) == nt.STATUS_INVALID_PARAMETER
    nobody = DuplicateExtents(file.persistent, file.volatile + 1000, 0, 0, BLOCK).pack()
    assert refused(target, FSCTL_DUPLICATE_EXTENTS_TO_FILE, nobody) == nt.STATUS_INVALID_HANDLE


def test_file_regions(file: File) -> None:
    found = FileRegionOutput.unpack(file.ioctl(FSCTL_QUERY_FILE_REGIONS))
    assert [(one.file_offset, one.length, one.usage) for one in found.regions] == [(0, BLOCK, 1)]
    part = FileRegionInput(10, 20, 2).pack()
    found = FileRegionOutput.unpack(file.ioctl(FSCTL_QUERY_FILE_REGIONS, part))
    assert [(one.file_offset, one.length, one.usage) for one in found.regions] == [(10, 20, 2)]
    assert refused(file, FSCTL_QUERY_FILE_REGIONS, part[:8]) == nt.STATUS_BUFFER_TOO_SMALL
    assert refused(file, FSCTL_QUERY_FILE_REGIONS, b"", 8) == nt.STATUS_BUFFER_TOO_SMALL
    response = file.send_ioctl(FSCTL_QUERY_FILE_REGIONS, b"", 16).recv()
    assert response.status == nt.STATUS_BUFFER_OVERFLOW


def test_object_ids_are_stable(tree: Tree, name: str, file: File) -> None:
    made = file.ioctl(FSCTL_CREATE_OR_GET_OBJECT_ID)
    assert tree.create(name, disposition=FILE_OPEN_IF).ioctl(FSCTL_GET_OBJECT_ID) == made


def test_volume_data(file: File) -> None:
    found = NtfsVolumeData.unpack(file.ioctl(FSCTL_GET_NTFS_VOLUME_DATA))
    assert found.number_sectors * found.bytes_per_sector == found.total_clusters * found.bytes_per_cluster
    assert found.free_clusters <= found.total_clusters
    assert refused(file, FSCTL_GET_NTFS_VOLUME_DATA, b"", 40) == nt.STATUS_BUFFER_TOO_SMALL


def test_all_four_times_come_back(tree: Tree, name: str, file: File) -> None:
    times = (116_444_736_000_000_000, 126_444_736_000_000_000, 216_444_736_000_000_000, 266_768_591_350_000_000)
    file.set_info(FileBasicInformation, _TIMES.pack(*times, 0))
    assert _TIMES.unpack_from(file.query_info(FileBasicInformation))[:4] == times
    file.close()
    again = tree.create(name, disposition=FILE_OPEN_IF)
    assert _TIMES.unpack_from(again.query_info(FileBasicInformation))[:4] == times

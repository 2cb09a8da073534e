"""Control codes about blocks and volumes, and times that come back as they were set."""

from __future__ import annotations

import struct

import pytest

from smbd.wire import fsctl_codes as codes
from smbd.wire.constants import (
    FSCTL_CREATE_OR_GET_OBJECT_ID,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX,
    FSCTL_GET_NTFS_VOLUME_DATA,
    FSCTL_GET_OBJECT_ID,
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


#: What a file answers to every control code, with 32 zero bytes of input.
_ANSWERS = {
    # [MS-FSA] 2.1.5.10: without the functionality STATUS_INVALID_DEVICE_REQUEST, as for what nobody knows
    codes.FSCTL_GET_INTEGRITY_INFORMATION: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SET_INTEGRITY_INFORMATION: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SET_INTEGRITY_INFORMATION_EX: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_OFFLOAD_READ: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_OFFLOAD_WRITE: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SET_ZERO_ON_DEALLOCATION: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SET_ENCRYPTION: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SET_OBJECT_ID: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SET_OBJECT_ID_EXTENDED: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_DELETE_OBJECT_ID: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SET_SHORT_NAME_BEHAVIOR: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SET_DEFECT_MANAGEMENT: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SIS_COPYFILE: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_RECALL_FILE: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_QUERY_FAT_BPB: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_QUERY_SPARING_INFO: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_QUERY_ON_DISK_VOLUME_INFO: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_GET_REFS_VOLUME_DATA: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_REFS_STREAM_SNAPSHOT_MANAGEMENT: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_READ_FILE_USN_DATA: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_WRITE_USN_CLOSE_RECORD: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_MARK_HANDLE: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_FILESYSTEM_GET_STATISTICS: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_GET_NTFS_FILE_RECORD: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_GET_RETRIEVAL_POINTERS: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_FIND_FILES_BY_SID: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_LMR_SET_LINK_TRACKING_INFORMATION: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_QUERY_SHARED_VIRTUAL_DISK_SUPPORT: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SVHDX_SYNC_TUNNEL_REQUEST: nt.STATUS_INVALID_DEVICE_REQUEST,
    codes.FSCTL_SRV_READ_HASH: nt.STATUS_INVALID_DEVICE_REQUEST,
    0x12345678: nt.STATUS_INVALID_DEVICE_REQUEST,
    # [MS-SMB2] 3.3.5.15: about no file
    codes.FSCTL_DFS_GET_REFERRALS: nt.STATUS_INVALID_PARAMETER,
    codes.FSCTL_PIPE_WAIT: nt.STATUS_INVALID_PARAMETER,
    codes.FSCTL_QUERY_NETWORK_INTERFACE_INFO: nt.STATUS_INVALID_PARAMETER,
    codes.FSCTL_VALIDATE_NEGOTIATE_INFO: nt.STATUS_INVALID_PARAMETER,
    # those that there are: zeros are an order, or none
    codes.FSCTL_GET_COMPRESSION: nt.STATUS_SUCCESS,
    codes.FSCTL_SET_COMPRESSION: nt.STATUS_SUCCESS,
    codes.FSCTL_GET_OBJECT_ID: nt.STATUS_SUCCESS,
    codes.FSCTL_CREATE_OR_GET_OBJECT_ID: nt.STATUS_SUCCESS,
    codes.FSCTL_GET_REPARSE_POINT: nt.STATUS_NOT_A_REPARSE_POINT,
    codes.FSCTL_SET_REPARSE_POINT: nt.STATUS_IO_REPARSE_DATA_INVALID,
    codes.FSCTL_DELETE_REPARSE_POINT: nt.STATUS_IO_REPARSE_DATA_INVALID,
    codes.FSCTL_SET_SPARSE: nt.STATUS_SUCCESS,
    codes.FSCTL_SET_ZERO_DATA: nt.STATUS_SUCCESS,
    codes.FSCTL_QUERY_ALLOCATED_RANGES: nt.STATUS_SUCCESS,
    codes.FSCTL_QUERY_FILE_REGIONS: nt.STATUS_INVALID_PARAMETER,
    codes.FSCTL_FILE_LEVEL_TRIM: nt.STATUS_SUCCESS,
    codes.FSCTL_DUPLICATE_EXTENTS_TO_FILE: nt.STATUS_INVALID_PARAMETER,
    codes.FSCTL_GET_NTFS_VOLUME_DATA: nt.STATUS_SUCCESS,
    codes.FSCTL_SRV_ENUMERATE_SNAPSHOTS: nt.STATUS_SUCCESS,
    codes.FSCTL_SRV_REQUEST_RESUME_KEY: nt.STATUS_SUCCESS,
    codes.FSCTL_SRV_COPYCHUNK: nt.STATUS_OBJECT_NAME_NOT_FOUND,
}


@pytest.mark.parametrize("code", _ANSWERS, ids=hex)
def test_every_control_code(file: File, code: int) -> None:
    assert nt.status_name(file.send_ioctl(code, bytes(32)).recv().status) == nt.status_name(_ANSWERS[code])


def test_only_no_compression_is_to_be_had(file: File) -> None:
    file.ioctl(codes.FSCTL_SET_COMPRESSION, (0).to_bytes(2, "little"))
    assert refused(file, codes.FSCTL_SET_COMPRESSION, (2).to_bytes(2, "little")) == nt.STATUS_NOT_SUPPORTED
    assert refused(file, codes.FSCTL_SET_COMPRESSION, (9).to_bytes(2, "little")) == nt.STATUS_INVALID_PARAMETER
    assert file.ioctl(codes.FSCTL_GET_COMPRESSION) == bytes(2)


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

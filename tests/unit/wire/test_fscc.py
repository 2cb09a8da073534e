"""Lists and other structures of [MS-FSCC] that are functions or have several forms: vectors, damage, round trips."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smbd.wire import dtyp, fsctl
from smbd.wire.errors import WireError
from smbd.wire.fscc import ea, file_info, name_info, notify, posix, quota, reparse, stream
from smbd.wire.fscc.chain import pack_chain, walk_chain
from smbd.wire.transform import CompressedPayload, is_chained, pack_pattern, unpack_pattern
from tests.unit.wire.strategies import TEXT, instances
from vfs import constants

QUICK = settings(max_examples=20, deadline=None, derandomize=True, database=None)

LISTS = [
    (ea.FullEaInformation, ea.pack_full_ea, ea.unpack_full_ea),
    (stream.StreamInformation, stream.pack_streams, stream.unpack_streams),
    (notify.NotifyInformation, notify.pack_notify, notify.unpack_notify),
    (quota.QuotaInformation, quota.pack_quotas, quota.unpack_quotas),
    (fsctl.NetworkInterface, fsctl.pack_network_interfaces, fsctl.unpack_network_interfaces),
    (fsctl.AllocatedRange, fsctl.pack_allocated_ranges, fsctl.unpack_allocated_ranges),
]


@pytest.mark.parametrize(("cls", "pack", "unpack"), LISTS, ids=lambda value: getattr(value, "__name__", ""))
@QUICK
@given(data=st.data())
def test_list_roundtrip(cls, pack, unpack, data):
    values = data.draw(st.lists(instances(cls), max_size=4))
    packed = pack(values)
    assert unpack(packed) == values
    assert unpack(memoryview(packed)) == values


@pytest.mark.parametrize(("cls", "pack", "unpack"), LISTS, ids=lambda value: getattr(value, "__name__", ""))
@QUICK
@given(data=st.data())
def test_damaged_list(cls, pack, unpack, data):
    raw = bytearray(pack(data.draw(st.lists(instances(cls), min_size=1, max_size=3))))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack(raw[: data.draw(st.integers(0, len(raw)))])
    except WireError:
        pass


@QUICK
@given(st.lists(st.tuples(TEXT, instances(posix.FilePosixInformation)), max_size=3))
def test_posix_entries(entries):
    buffer = bytearray(65536)
    encoder = posix.PosixDirectoryEncoder(buffer)
    assert all(encoder.add(name, information) for name, information in entries)
    assert posix.unpack_posix_entries(bytes(buffer[: encoder.length])) == entries


def test_posix_entry_that_does_not_fit():
    information = posix.FilePosixInformation(*range(12), bytes.fromhex("0101") + bytes(10), b"\1\0" + bytes(6))
    buffer = bytearray(b"\xff" * 220)
    encoder = posix.PosixDirectoryEncoder(buffer)
    assert encoder.add("a", information)
    first = encoder.length
    assert first == 8 + 80 + 12 + 8 + 4 + 2
    assert not encoder.add("b", information)
    assert encoder.length == first
    assert buffer[:4] == bytes(4)
    assert buffer[first:] == b"\xff" * (220 - first)


def test_posix_modes():
    assert posix.to_wire_mode(0o100644) == 0o644
    assert posix.to_wire_mode(0o041777) == 0o11777
    assert posix.to_wire_mode(0o120777) == 0o20777
    assert posix.to_wire_mode(0o140600) == 0o60600


def test_ea_vector():
    packed = ea.pack_full_ea([ea.FullEaInformation(b"AB", b"xy"), ea.FullEaInformation(b"C", b"", 0x80)])
    expected = "10000000 00 02 0200 4142 00 7879 000000 00000000 80 01 0000 43 00"
    assert packed.hex() == expected.replace(" ", "")
    assert ea.unpack_get_ea(ea.pack_get_ea([b"AB", b"C"])) == [b"AB", b"C"]
    with pytest.raises(WireError):
        ea.unpack_full_ea(bytes.fromhex("00000000 00 02 0100 4142 01 78"))
    with pytest.raises(WireError):
        ea.unpack_get_ea(bytes.fromhex("00000000 02 41"))


def test_chain_steps_must_go_forward():
    entry = b"\0" * 8
    packed = bytearray(pack_chain([entry] * 3, 8))
    assert [len(one) for one in walk_chain(packed, 8, 8)] == [8, 8, 8]
    for step in (4, 9, 24, 0xFFFFFFF8):
        packed[0:4] = step.to_bytes(4, "little")
        with pytest.raises(WireError):
            list(walk_chain(packed, 8, 8))


def test_alignment_of_lists():
    packed = stream.pack_streams([stream.StreamInformation("::$DATA", 1, 2), stream.StreamInformation(":x:$DATA")])
    assert packed[0] == 40  # 24 + 14, rounded up to 8
    packed = notify.pack_notify([notify.NotifyInformation(1, "a"), notify.NotifyInformation(2, "b")])
    assert packed.hex() == "10000000 01000000 02000000 6100 0000 00000000 02000000 02000000 6200".replace(" ", "")


def test_rename_vector():
    packed = name_info.FileRenameInformation("new", replace_if_exists=True).pack()
    assert packed.hex() == "01" + "00" * 15 + "06000000" + "6e0065007700"
    assert len(name_info.FileRenameInformation("").pack()) == 24


def test_all_information_is_its_parts():
    everything = name_info.FileAllInformation(1, 2, 3, 4, 5, 6, 7, 8, True, False, 9, 10, 11, 12, 13, 14, "\\n")
    parts = (
        file_info.FileBasicInformation(1, 2, 3, 4, 5),
        file_info.FileStandardInformation(6, 7, 8, delete_pending=True),
        file_info.FileInternalInformation(9),
        file_info.FileEaInformation(10),
        file_info.FileAccessInformation(11),
        file_info.FilePositionInformation(12),
        file_info.FileModeInformation(13),
        file_info.FileAlignmentInformation(14),
        name_info.FileNameInformation("\\n"),
    )
    assert everything.pack() == b"".join(part.pack() for part in parts)
    assert everything.layout.size == 100


@pytest.mark.parametrize(
    ("cls", "size"),
    [
        (file_info.FileBasicInformation, 40),
        (file_info.FileStandardInformation, 24),
        (file_info.FileNetworkOpenInformation, 56),
        (file_info.FileCompressionInformation, 16),
        (file_info.FileIdInformation, 24),
        (file_info.FilePipeLocalInformation, 40),
        (file_info.FileStandardLinkInformation, 12),
        (fsctl.NtfsVolumeData, 96),
        (fsctl.OffloadReadOutput, 528),
        (fsctl.OffloadWriteInput, 544),
        (fsctl.DuplicateExtents, 40),
        (fsctl.ObjectId, 64),
    ],
)
def test_sizes(cls, size):
    assert cls.layout.size == size


@pytest.mark.parametrize(
    "value",
    [
        reparse.NfsReparse(constants.NFS_SPECFILE_LNK, "target"),
        reparse.NfsReparse(constants.NFS_SPECFILE_CHR, "", 5, 1),
        reparse.NfsReparse(constants.NFS_SPECFILE_BLK, "", 8, 0),
        reparse.NfsReparse(constants.NFS_SPECFILE_FIFO),
    ],
)
def test_nfs_reparse(value):
    assert reparse.NfsReparse.unpack(value.pack()) == value


def test_reparse_buffer_of_third_parties():
    value = reparse.ReparseDataBuffer(0x00000042, b"data", b"G" * 16)
    assert reparse.ReparseDataBuffer.unpack(value.pack()) == value
    for cut in range(len(value.pack())):
        with pytest.raises(WireError):
            reparse.ReparseDataBuffer.unpack(value.pack()[:cut])
    with pytest.raises(WireError):
        reparse.ReparseDataBuffer.unpack(value.pack() + b"\0")


def test_symbolic_link_reparse_vector():
    packed = reparse.ReparseDataBuffer(
        reparse.IO_REPARSE_TAG_SYMLINK, reparse.SymbolicLinkReparse("ab", "c", 1).pack()
    ).pack()
    expected = "0c0000a0 1200 0000 0000 0400 0400 0200 01000000 61006200 6300"
    assert packed.hex() == expected.replace(" ", "")


def test_network_interface_vector():
    interface = fsctl.NetworkInterface(ipaddress.ip_address("192.0.2.1"), 2, 1, 10**9)
    packed = fsctl.pack_network_interfaces([interface, interface])
    assert len(packed) == 2 * 152
    assert packed[:32].hex() == "98000000 02000000 01000000 00000000 00ca9a3b00000000 0200 0000 c0000201".replace(
        " ", ""
    )
    unknown = bytearray(packed)
    unknown[24] = 99
    assert fsctl.unpack_network_interfaces(unknown) == [interface]


def test_copychunk_vector():
    request = fsctl.CopyChunkRequest(b"k" * 24, [fsctl.CopyChunk(1, 2, 3)])
    expected = "6b" * 24 + "01000000 00000000 0100000000000000 0200000000000000 03000000 00000000"
    assert request.pack().hex() == expected.replace(" ", "")
    assert len(fsctl.ResumeKeyResponse(b"k" * 24).pack()) == 32


def test_snapshots():
    names = ["@GMT-2012.05.10-09.00.00", "@GMT-2012.05.11-09.00.00"]
    packed = fsctl.SnapshotArray(2, names).pack()
    assert packed[:12].hex() == "020000000200000066000000"
    again = fsctl.SnapshotArray.unpack(packed)
    assert (again.number_of_snapshots, again.snapshots, again.array_size) == (2, names, 102)
    assert fsctl.SnapshotArray.unpack(fsctl.SnapshotArray(2, [], 102).pack()).array_size == 102
    with pytest.raises(WireError):
        fsctl.SnapshotArray.unpack(packed[:40])


def test_sparse_defaults_to_yes():
    assert fsctl.SetSparse.unpack(b"").set_sparse
    assert not fsctl.SetSparse.unpack(b"\0").set_sparse


def test_quota_start_sid():
    sid = bytes.fromhex("010100000000000512000000")
    query = quota.QueryQuotaInfo(return_single=True, start_sid=sid)
    assert quota.QueryQuotaInfo.unpack(query.pack()) == query
    query = quota.QueryQuotaInfo(restart_scan=True, sids=[sid, sid])
    assert quota.QueryQuotaInfo.unpack(query.pack()) == query
    packed = query.pack()
    for cut in range(len(packed)):
        with pytest.raises(WireError):
            quota.QueryQuotaInfo.unpack(packed[:cut])


def test_compression_helpers():
    assert unpack_pattern(pack_pattern(0x41, 77)) == (0x41, 77)
    with pytest.raises(WireError):
        unpack_pattern(b"")
    with pytest.raises(WireError):
        is_chained(b"")
    assert CompressedPayload(4).data == b""


def test_filetime():
    assert dtyp.filetime_from_ns(0) == dtyp.FILETIME_UNIX_EPOCH
    assert dtyp.filetime_to_ns(dtyp.FILETIME_UNIX_EPOCH + 10) == 1000
    assert dtyp.filetime_from_ns(-(10**20)) == 0


def test_guid_and_unicode_string():
    text = "5d9f7d1e-0001-0203-0405-060708090a0b"
    raw = dtyp.guid_to_bytes(text)
    assert raw.hex() == "1e7d9f5d010003020405060708090a0b"
    assert dtyp.guid_to_text(raw) == text
    with pytest.raises(WireError):
        dtyp.guid_to_text(b"short")
    head, data = dtyp.pack_unicode_string("text", 8)
    assert dtyp.unpack_unicode_string(head + data, 0) == "text"
    for cut in range(len(head + data)):
        with pytest.raises(WireError):
            dtyp.unpack_unicode_string((head + data)[:cut], 0)


@pytest.mark.parametrize("raw", ["", "0201000000000005", "0110000000000005" + "00" * 64, "0102000000000005 00000000"])
def test_no_sid(raw):
    with pytest.raises(WireError):
        dtyp.sid_length(bytes.fromhex(raw))

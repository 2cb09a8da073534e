"""Changes: times, attributes, sizes, delete, rename, link, EAs, security."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.vfs_fsa.support import USER, Share
from tests.unit.vfs_fsa.test_fsa_open import status_of
from vfs import ntstatus as nt
from vfs.access import (
    DELETE,
    FILE_APPEND_DATA,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    READ_CONTROL,
)
from vfs.constants import (
    DACL_SECURITY_INFORMATION,
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_SPARSE_FILE,
    FILE_ATTRIBUTE_TEMPORARY,
    FILE_DELETE_ON_CLOSE,
    FILE_DISPOSITION_DELETE,
    FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE,
    FILE_DISPOSITION_ON_CLOSE,
    FILE_DISPOSITION_POSIX_SEMANTICS,
    FILE_OVERWRITE,
    FILE_WRITE_THROUGH,
    OWNER_SECURITY_INFORMATION,
)
from vfs.fsa import close, ea, flush, fsctl, link, query_fs, query_info, read, rename, security, set_info, write
from vfs.fsa.params import EaEntry
from vfs.security import SecurityDescriptor, allow
from vfs.security_acl import Acl


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


TIME = 132223104001234567  # not on a microsecond


def test_times_are_exact(share: Share) -> None:
    fo = share.create("file")
    set_info.set_basic(fo, TIME, TIME + 1, TIME + 2, 0, 0)
    found = query_info.stat(fo)
    assert (found.creation_time, found.last_access_time, found.last_write_time) == (TIME, TIME + 1, TIME + 2)
    close.close_file(fo)
    found = query_info.stat(share.open("file"))
    assert (found.creation_time, found.last_access_time, found.last_write_time) == (TIME, TIME + 1, TIME + 2)


def test_a_set_write_time_survives_writes_of_its_handle(share: Share) -> None:
    fo = share.create("file")
    set_info.set_basic(fo, 0, 0, TIME, 0, 0)
    write.write(fo, 0, memoryview(b"data"))
    set_info.set_end_of_file(fo, 100)
    assert query_info.stat(fo).last_write_time == TIME
    set_info.set_basic(fo, 0, 0, -2, 0, 0)
    write.write(fo, 0, memoryview(b"data"))
    assert query_info.stat(fo).last_write_time > TIME


def test_minus_one_freezes(share: Share) -> None:
    fo = share.create("file")
    os.utime(share.root / "file", ns=(1_000_000_000, 1_000_000_000))
    set_info.set_basic(fo, 0, -1, -1, -1, 0)
    before = query_info.stat(fo).last_write_time
    write.write(fo, 0, memoryview(b"data"))
    assert query_info.stat(fo).last_write_time == before
    other = share.open("file")
    write.write(other, 0, memoryview(b"data"))
    assert query_info.stat(fo).last_write_time > before


def test_bad_basic_information(share: Share) -> None:
    fo, directory = share.create("file"), share.mkdir("dir")
    for call in (
        lambda: set_info.set_basic(fo, -3, 0, 0, 0, 0),
        lambda: set_info.set_basic(fo, 0, 0, 0, 0, FILE_ATTRIBUTE_DIRECTORY),
        lambda: set_info.set_basic(directory, 0, 0, 0, 0, FILE_ATTRIBUTE_TEMPORARY),
    ):
        assert status_of(call) == nt.STATUS_INVALID_PARAMETER
    reader = share.open("file", FILE_READ_DATA)
    assert status_of(lambda: set_info.set_basic(reader, 0, 0, 0, 0, 1)) == nt.STATUS_ACCESS_DENIED


def test_attributes(share: Share) -> None:
    fo = share.create("file")
    set_info.set_basic(fo, 0, 0, 0, 0, FILE_ATTRIBUTE_HIDDEN)
    assert query_info.stat(fo).file_attributes == FILE_ATTRIBUTE_HIDDEN
    set_info.set_basic(fo, 0, 0, 0, 0, 0)
    assert query_info.stat(fo).file_attributes == FILE_ATTRIBUTE_HIDDEN
    set_info.set_basic(fo, 0, 0, 0, 0, FILE_ATTRIBUTE_NORMAL)
    assert query_info.stat(fo).file_attributes == FILE_ATTRIBUTE_NORMAL
    write.write(fo, 0, memoryview(b"x"))
    assert query_info.stat(fo).file_attributes == FILE_ATTRIBUTE_ARCHIVE
    directory = share.mkdir("dir")
    set_info.set_basic(directory, 0, 0, 0, 0, FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_HIDDEN)
    assert query_info.stat(directory).file_attributes == FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_HIDDEN


def test_read_write(share: Share) -> None:
    fo = share.create("file")
    assert write.write(fo, 0, memoryview(b"0123456789")) == 10
    assert fo.position == 10
    assert write.write(fo, write.OFFSET_CURRENT, memoryview(b"ab")) == 2
    assert write.write(fo, write.OFFSET_END_OF_FILE, memoryview(b"c")) == 1
    buffer = bytearray(20)
    assert read.read_into(fo, 8, memoryview(buffer)) == 5
    assert buffer[:5] == b"89abc"
    assert read.readable(fo, 10, 100) == 3
    for offset in (13, 1 << 40):
        assert status_of(lambda: read.read_into(fo, offset, memoryview(buffer))) == nt.STATUS_END_OF_FILE  # noqa: B023
    assert read.read_into(fo, 100, memoryview(b"")) == 0
    assert status_of(lambda: write.write(fo, 1 << 63, memoryview(b"x"))) == nt.STATUS_INVALID_PARAMETER
    assert status_of(lambda: read.read_into(fo, (1 << 63) - 1, memoryview(buffer))) == nt.STATUS_INVALID_PARAMETER
    flush.flush(fo)


def test_data_access_is_checked(share: Share) -> None:
    share.create("file")
    directory = share.mkdir("dir")
    reader, writer = share.open("file", FILE_READ_DATA), share.open("file", FILE_WRITE_DATA)
    appender = share.open("file", FILE_APPEND_DATA)
    view = memoryview(bytearray(1))
    assert status_of(lambda: write.write(reader, 0, view)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: flush.flush(reader)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: read.read_into(writer, 0, view)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: read.read_into(directory, 0, view)) == nt.STATUS_INVALID_DEVICE_REQUEST
    assert status_of(lambda: write.write(directory, 0, view)) == nt.STATUS_INVALID_DEVICE_REQUEST
    assert write.write(appender, 0, view) == 1
    assert status_of(lambda: write.write(appender, 0, view)) == nt.STATUS_ACCESS_DENIED
    assert write.write(appender, write.OFFSET_END_OF_FILE, view) == 1
    assert status_of(lambda: set_info.set_end_of_file(appender, 0)) == nt.STATUS_ACCESS_DENIED


def test_more_than_the_disk_has_is_not_even_tried(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    fo = share.create("file")
    backend = fo.volume.backend
    monkeypatch.setattr(backend, "fallocate", lambda *_args, **_kwargs: pytest.fail("would have filled the disk"))
    space = backend.fstatvfs(fo.fd)
    too_much = (space.f_bavail + 1) * space.f_frsize
    assert status_of(lambda: set_info.set_allocation(fo, too_much)) == nt.STATUS_DISK_FULL


def test_sizes(share: Share) -> None:
    fo = share.create("file")
    set_info.set_end_of_file(fo, 5000)
    set_info.set_allocation(fo, 100_000)
    assert query_info.stat(fo).end_of_file == 5000
    set_info.set_allocation(fo, 1000)
    assert query_info.stat(fo).end_of_file == 1000
    assert status_of(lambda: set_info.set_end_of_file(fo, -1)) == nt.STATUS_INVALID_PARAMETER
    assert status_of(lambda: set_info.set_valid_data_length(fo, 10)) == nt.STATUS_PRIVILEGE_NOT_HELD
    set_info.set_position(fo, 77)
    set_info.set_mode(fo, FILE_WRITE_THROUGH)
    assert (fo.position, fo.mode) == (77, FILE_WRITE_THROUGH)
    assert status_of(lambda: set_info.set_mode(fo, 1)) == nt.STATUS_INVALID_PARAMETER
    assert status_of(lambda: set_info.set_position(fo, -1)) == nt.STATUS_INVALID_PARAMETER


def test_last_close_deletes(share: Share) -> None:
    one, two = share.create("file"), share.open("file")
    set_info.set_disposition(one, delete_file=True)
    assert query_info.stat(two).delete_pending
    assert query_info.stat(two).number_of_links == 0
    close.close_file(one)
    assert (share.root / "file").exists()
    close.close_file(two)
    assert not (share.root / "file").exists()
    assert status_of(lambda: close.close_file(two)) == nt.STATUS_FILE_CLOSED


def test_delete_on_close_begins_at_the_close(share: Share) -> None:
    one = share.create("file", options=FILE_DELETE_ON_CLOSE)
    two = share.open("file")
    close.close_file(one)
    assert status_of(lambda: share.open("file")) == nt.STATUS_DELETE_PENDING
    close.close_file(two)
    assert not (share.root / "file").exists()


def test_delete_spares_another_file_of_that_name(share: Share) -> None:
    fo = share.create("file", options=FILE_DELETE_ON_CLOSE)
    (share.root / "other").write_bytes(b"innocent")
    (share.root / "other").rename(share.root / "file")
    close.close_file(fo)
    assert (share.root / "file").read_bytes() == b"innocent"


def test_disposition_rules(share: Share) -> None:
    directory = share.mkdir("dir")
    share.create("dir\\file")
    assert status_of(lambda: set_info.set_disposition(directory, delete_file=True)) == nt.STATUS_DIRECTORY_NOT_EMPTY
    reader = share.create("readonly", file_attributes=FILE_ATTRIBUTE_READONLY)
    assert status_of(lambda: set_info.set_disposition(reader, delete_file=True)) == nt.STATUS_CANNOT_DELETE
    flags = FILE_DISPOSITION_DELETE | FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE
    set_info.set_disposition_ex(reader, flags)
    close.close_file(reader)
    assert not (share.root / "readonly").exists()
    root = share.open("")
    assert status_of(lambda: set_info.set_disposition(root, delete_file=True)) == nt.STATUS_ACCESS_DENIED
    weak = share.open("dir\\file", FILE_READ_DATA)
    assert status_of(lambda: set_info.set_disposition(weak, delete_file=True)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: set_info.set_disposition_ex(directory, 0x100)) == nt.STATUS_INVALID_PARAMETER


def test_posix_delete_takes_the_name_at_once(share: Share) -> None:
    one, two = share.create("file"), share.open("file")
    set_info.set_disposition_ex(one, FILE_DISPOSITION_DELETE | FILE_DISPOSITION_POSIX_SEMANTICS)
    close.close_file(one)
    assert not (share.root / "file").exists()
    share.create("file")
    close.close_file(two)
    assert (share.root / "file").exists()


def test_on_close_flag_can_be_withdrawn(share: Share) -> None:
    fo = share.create("file")
    set_info.set_disposition_ex(fo, FILE_DISPOSITION_DELETE | FILE_DISPOSITION_ON_CLOSE)
    set_info.set_disposition_ex(fo, FILE_DISPOSITION_ON_CLOSE)
    close.close_file(fo)
    assert (share.root / "file").exists()


def test_vetoed_leftovers_go_with_the_directory(make_share: Callable[..., Share]) -> None:
    share = make_share(veto_files=[".secret*"], delete_veto_files=True)
    fo = share.mkdir("dir")
    (share.root / "dir" / ".secret").touch()
    (share.root / "dir" / ".secrets").mkdir()
    (share.root / "dir" / ".secrets" / "x").touch()
    set_info.set_disposition(fo, delete_file=True)
    close.close_file(fo)
    assert list(share.root.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "target", "replace", "status"),
    [
        ("file", "new", False, None),
        ("file", "FILE", False, None),
        ("file", "file", False, None),
        ("file", "dir\\new", False, None),
        ("file", "DIR\\New", False, None),
        ("file", "other", True, None),
        ("file", "OTHER", True, None),
        ("file", "other", False, nt.STATUS_OBJECT_NAME_COLLISION),
        ("file", "OTHER", False, nt.STATUS_OBJECT_NAME_COLLISION),
        ("file", "readonly", True, nt.STATUS_ACCESS_DENIED),
        ("file", "open", True, nt.STATUS_ACCESS_DENIED),
        ("file", "dir", True, nt.STATUS_ACCESS_DENIED),
        ("file", "dir", False, nt.STATUS_OBJECT_NAME_COLLISION),
        ("file", "none\\new", False, nt.STATUS_OBJECT_PATH_NOT_FOUND),
        ("file", "other\\new", False, nt.STATUS_OBJECT_PATH_NOT_FOUND),
        ("file", "ne*w", False, nt.STATUS_OBJECT_NAME_INVALID),
        ("file", "..\\new", False, nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("file", "new:stream", False, nt.STATUS_NOT_SUPPORTED),
        ("dir", "new", False, None),
        ("dir", "Dir", False, None),
        ("dir", "dir\\sub", False, nt.STATUS_ACCESS_DENIED),
        ("dir", "file", True, nt.STATUS_ACCESS_DENIED),
        ("dir", "empty", True, nt.STATUS_ACCESS_DENIED),
        ("busy", "new", False, nt.STATUS_ACCESS_DENIED),
    ],
)
def test_rename(share: Share, source: str, target: str, replace: bool, status: int | None) -> None:
    for name in ("dir", "empty", "busy"):
        (share.root / name).mkdir()
    for name in ("file", "other", "open", "busy/child"):
        (share.root / name).write_text(name)
    close.close_file(share.create("readonly", file_attributes=FILE_ATTRIBUTE_READONLY))
    share.open("open", FILE_READ_DATA)
    share.open("busy\\child", FILE_READ_DATA)
    fo = share.open(source, DELETE)
    before = names(share.root)
    if status is not None:
        assert status_of(lambda: rename.rename(fo, target, replace)) == status
        assert names(share.root) == before
        assert fo.name == source
        return
    rename.rename(fo, target, replace)
    head, slash, last = target.rpartition("\\")
    expected = head.lower() + slash + last
    assert fo.name == expected
    assert last in names(share.root / head.lower())
    if expected != source:
        assert source not in names(share.root)
    if source == "file":
        assert (share.root / expected.replace("\\", "/")).read_text() == "file"
    set_info.set_disposition(fo, delete_file=True)
    close.close_file(fo)
    assert last not in names(share.root / head.lower())


def test_rename_needs_delete_and_is_seen_by_others(share: Share) -> None:
    one = share.create("a", DELETE)
    two = share.open("a", DELETE)
    reader = share.open("a", FILE_READ_DATA)
    assert status_of(lambda: rename.rename(reader, "b", False)) == nt.STATUS_ACCESS_DENIED
    rename.rename(one, "b", False)
    rename.rename(two, "c", False)
    assert names(share.root) == ["c"]
    set_info.set_disposition(one, delete_file=True)
    for fo in (one, two, reader):
        close.close_file(fo)
    assert names(share.root) == []


def test_link(share: Share) -> None:
    fo = share.create("file")
    write.write(fo, 0, memoryview(b"x"))
    link.link(fo, "second", False)
    assert query_info.stat(fo).number_of_links == 2
    assert status_of(lambda: link.link(fo, "SECOND", False)) == nt.STATUS_OBJECT_NAME_COLLISION
    link.link(fo, "second", True)
    (share.root / "third").write_bytes(b"old")
    link.link(fo, "third", True)
    assert (share.root / "third").read_bytes() == b"x"
    assert status_of(lambda: link.link(share.mkdir("dir"), "fourth", False)) == nt.STATUS_FILE_IS_A_DIRECTORY
    two = share.open("second")
    set_info.set_disposition(two, delete_file=True)
    share.open("third", FILE_READ_ATTRIBUTES)
    close.close_file(two)
    assert names(share.root) == ["dir", "file", "third"]


def test_eas(share: Share) -> None:
    fo = share.create("file")
    assert query_info.ea_size(fo) == 0
    ea.set_eas(fo, [EaEntry(b"Name", b"value"), EaEntry(b"TWO", b"2")])
    assert query_info.ea_size(fo) == 4 + (5 + 4 + 5) + (5 + 3 + 1)
    ea.set_eas(fo, [EaEntry(b"NAME", b"new"), EaEntry(b"two", b"")])
    assert [(entry.name, entry.value) for entry in ea.query(fo)] == [(b"Name", b"new")]
    assert [entry.value for entry in ea.query(fo, [b"name", b"none"])] == [b"new", b""]
    for name in (b"", b"a*b", b"DOSATTRIB", b"x" * 255):
        assert status_of(lambda: ea.set_eas(fo, [EaEntry(name, b"1")])) == nt.STATUS_INVALID_EA_NAME  # noqa: B023


def test_security_is_the_mode(share: Share) -> None:
    fo = share.create("file")
    found = SecurityDescriptor.unpack(
        security.query_security(fo, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION)
    )
    assert found.owner is not None
    assert found.group is None
    dacl = Acl((allow(found.owner, FILE_READ_DATA),))
    security.set_security(fo, DACL_SECURITY_INFORMATION, SecurityDescriptor(dacl=dacl, control=0x8004).pack())
    assert (share.root / "file").stat().st_mode & 0o777 == 0o400
    assert status_of(lambda: security.set_security(fo, 4, b"nonsense")) == nt.STATUS_INVALID_SECURITY_DESCR
    weak = share.open("file", FILE_READ_ATTRIBUTES)
    assert status_of(lambda: security.query_security(weak, 4)) == nt.STATUS_ACCESS_DENIED
    strong = share.open("file", READ_CONTROL)
    assert status_of(lambda: security.set_security(strong, 4, b"")) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: security.query_security(strong, 8)) == nt.STATUS_ACCESS_DENIED


def test_stored_security(make_share: Callable[..., Share]) -> None:
    share = make_share(acl_xattr=True, acl_xattr_name="user.NTACL")
    dacl = Acl((allow(USER, FILE_READ_DATA | FILE_WRITE_DATA | READ_CONTROL),))
    descriptor = SecurityDescriptor(owner=USER, dacl=dacl, control=0x8004).pack()
    fo = share.create("file", security_descriptor=descriptor)
    found = SecurityDescriptor.unpack(security.query_security(fo, DACL_SECURITY_INFORMATION))
    assert found.dacl == dacl
    (share.root / "file").chmod(0o777)  # behind the server's back: the stored one is void
    found = SecurityDescriptor.unpack(security.query_security(fo, DACL_SECURITY_INFORMATION))
    assert found.dacl != dacl


def test_inheritance(make_share: Callable[..., Share]) -> None:
    share = make_share(acl_xattr=True, acl_xattr_name="user.NTACL")
    inheritable = Acl((allow(USER, 0x001F01FF, 3),))
    share.mkdir("dir", security_descriptor=SecurityDescriptor(owner=USER, dacl=inheritable, control=0x8004).pack())
    fo = share.create("dir\\file")
    found = SecurityDescriptor.unpack(security.query_security(fo, DACL_SECURITY_INFORMATION))
    assert found.dacl is not None
    assert [(ace.sid, ace.mask, ace.flags) for ace in found.dacl.aces] == [(USER, 0x001F01FF, 0)]


def test_sparse_and_zero(share: Share) -> None:
    fo = share.create("file")
    fsctl.set_sparse(fo, sparse=True)
    assert query_info.stat(fo).file_attributes & FILE_ATTRIBUTE_SPARSE_FILE
    write.write(fo, 0, memoryview(b"x" * 300_000))
    set_info.set_end_of_file(fo, 1 << 20)
    fsctl.set_zero_data(fo, 65536, 131072)
    buffer = bytearray(10)
    read.read_into(fo, 65536, memoryview(buffer))
    assert buffer == bytes(10)
    ranges = fsctl.query_allocated_ranges(fo, 0, 1 << 20)
    assert ranges[0][0] == 0
    assert len(fsctl.query_allocated_ranges(fo, 0, 1 << 20, 1)) == 1
    set_info.set_basic(fo, 0, 0, 0, 0, FILE_ATTRIBUTE_HIDDEN)
    assert query_info.stat(fo).file_attributes & FILE_ATTRIBUTE_SPARSE_FILE
    fsctl.set_sparse(fo, sparse=False)
    assert fsctl.query_allocated_ranges(fo, 10, 100) == [(10, 100)]
    assert fsctl.trim(fo, [(0, 100)]) == 1
    assert fsctl.get_compression(fo) == 0
    fsctl.set_compression(fo, 0)
    assert status_of(lambda: fsctl.set_compression(fo, 1)) == nt.STATUS_NOT_SUPPORTED


def test_copy_chunk(share: Share) -> None:
    source, target = share.create("source"), share.create("target")
    write.write(source, 0, memoryview(b"0123456789"))
    assert fsctl.copy_chunk(source, target, 2, 5, 4) == 4
    assert (share.root / "target").read_bytes() == bytes(5) + b"2345"
    assert status_of(lambda: fsctl.copy_chunk(source, target, 8, 0, 4)) == nt.STATUS_INVALID_VIEW_SIZE


def test_read_only_share_refuses_changes(share: Share) -> None:
    fo = share.create("file")
    share.volume.read_only = True
    assert status_of(lambda: rename.rename(fo, "x", False)) == nt.STATUS_MEDIA_WRITE_PROTECTED
    assert status_of(lambda: link.link(fo, "x", False)) == nt.STATUS_MEDIA_WRITE_PROTECTED
    assert status_of(lambda: security.set_security(fo, 4, b"")) == nt.STATUS_MEDIA_WRITE_PROTECTED
    assert status_of(lambda: set_info.set_disposition(fo, delete_file=True)) == nt.STATUS_ACCESS_DENIED


def test_names_and_volume(share: Share) -> None:
    fo = share.create("A long name.text")
    assert query_info.normalized_name(fo) == "A long name.text"
    assert query_info.alternate_name(fo).endswith(".TEX")
    assert query_info.alternate_name(share.create("short.txt")) == "SHORT.TXT"
    assert status_of(lambda: query_info.alternate_name(share.open(""))) == nt.STATUS_OBJECT_NAME_NOT_FOUND
    assert [one.name for one in query_info.streams(fo)] == ["::$DATA"]
    assert query_info.streams(share.mkdir("d")) == []
    size = query_fs.size(fo)
    assert 0 < size.caller_available_units <= size.actual_available_units <= size.total_units
    assert query_fs.attributes(fo).maximum_component_length == 255
    assert query_fs.volume(fo).label == "share"
    assert query_fs.sector_size(fo).logical_bytes_per_sector == 512
    assert len(query_fs.object_id(fo).object_id) == 16
    assert query_fs.device(fo).device_type == 7


def test_a_closed_open_is_refused(share: Share) -> None:
    fo = share.create("file")
    close.close_file(fo)
    assert status_of(lambda: query_info.stat(fo)) == nt.STATUS_FILE_CLOSED


def test_overwriting_keeps_the_creation_time(share: Share) -> None:
    fo = share.create("file")
    set_info.set_basic(fo, TIME, 0, 0, 0, 0)
    close.close_file(fo)
    assert query_info.stat(share.open("file", disposition=FILE_OVERWRITE)).creation_time == TIME

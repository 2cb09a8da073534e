"""Opening: dispositions, options, attributes, names."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs import ntstatus as nt
from vfs.access import (
    DELETE,
    FILE_ALL_ACCESS,
    FILE_APPEND_DATA,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    GENERIC_READ,
    MAXIMUM_ALLOWED,
)
from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_SYSTEM,
    FILE_CREATE,
    FILE_CREATED,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NON_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_BY_FILE_ID,
    FILE_OPEN_IF,
    FILE_OPENED,
    FILE_OVERWRITE,
    FILE_OVERWRITE_IF,
    FILE_OVERWRITTEN,
    FILE_SHARE_READ,
    FILE_SUPERSEDE,
    FILE_SUPERSEDED,
)
from vfs.fsa import allocation, close, ea, query_info, set_info, write
from vfs.fsa.params import EaEntry
from vfs.ntstatus import NTStatusError


def status_of(call: Callable[[], object]) -> int:
    with pytest.raises(NTStatusError) as caught:
        call()
    return caught.value.status


@pytest.mark.parametrize(
    ("disposition", "existing", "missing"),
    [
        (FILE_SUPERSEDE, FILE_SUPERSEDED, FILE_CREATED),
        (FILE_OPEN, FILE_OPENED, nt.STATUS_OBJECT_NAME_NOT_FOUND),
        (FILE_CREATE, nt.STATUS_OBJECT_NAME_COLLISION, FILE_CREATED),
        (FILE_OPEN_IF, FILE_OPENED, FILE_CREATED),
        (FILE_OVERWRITE, FILE_OVERWRITTEN, nt.STATUS_OBJECT_NAME_NOT_FOUND),
        (FILE_OVERWRITE_IF, FILE_OVERWRITTEN, FILE_CREATED),
    ],
)
def test_dispositions(share: Share, disposition: int, existing: int, missing: int) -> None:
    (share.root / "there").write_bytes(b"old")
    for name, expected in (("there", existing), ("THERE", existing), ("new", missing)):
        if expected > FILE_OVERWRITTEN:
            assert status_of(lambda: share.open(name, disposition=disposition)) == expected  # noqa: B023
        else:
            fo = share.open(name, disposition=disposition)
            assert fo.create_action == expected
            assert fo.name == name.lower()
            keeps = expected == FILE_OPENED
            assert query_info.stat(fo).end_of_file == (3 if keeps else 0)
            close.close_file(fo)
            (share.root / "there").write_bytes(b"old")


@pytest.mark.parametrize(
    ("path", "options", "disposition", "status"),
    [
        ("dir", FILE_NON_DIRECTORY_FILE, FILE_OPEN, nt.STATUS_FILE_IS_A_DIRECTORY),
        ("file", FILE_DIRECTORY_FILE, FILE_OPEN, nt.STATUS_NOT_A_DIRECTORY),
        ("FILE", FILE_DIRECTORY_FILE, FILE_OPEN, nt.STATUS_NOT_A_DIRECTORY),
        ("FILE", FILE_DIRECTORY_FILE, FILE_OPEN_IF, nt.STATUS_NOT_A_DIRECTORY),
        ("file\\", 0, FILE_OPEN, nt.STATUS_NOT_A_DIRECTORY),
        ("file\\child", 0, FILE_OPEN, nt.STATUS_OBJECT_PATH_NOT_FOUND),
        ("file\\child", 0, FILE_CREATE, nt.STATUS_OBJECT_PATH_NOT_FOUND),
        ("nodir\\child", 0, FILE_OPEN, nt.STATUS_OBJECT_PATH_NOT_FOUND),
        ("nodir\\child", 0, FILE_CREATE, nt.STATUS_OBJECT_PATH_NOT_FOUND),
        ("none", FILE_DIRECTORY_FILE, FILE_OPEN, nt.STATUS_OBJECT_NAME_NOT_FOUND),
        ("dir", FILE_DIRECTORY_FILE, FILE_CREATE, nt.STATUS_OBJECT_NAME_COLLISION),
        ("file", FILE_DIRECTORY_FILE, FILE_OPEN_IF, nt.STATUS_NOT_A_DIRECTORY),
        ("dir", FILE_DIRECTORY_FILE, FILE_OVERWRITE, nt.STATUS_INVALID_PARAMETER),
        ("dir", 0, FILE_OVERWRITE_IF, nt.STATUS_INVALID_PARAMETER),
        ("dir", FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE, FILE_OPEN, nt.STATUS_INVALID_PARAMETER),
        ("file", 0, 6, nt.STATUS_INVALID_PARAMETER),
        ("file", 0x01000000, FILE_OPEN, nt.STATUS_INVALID_PARAMETER),
        ("file", FILE_OPEN_BY_FILE_ID, FILE_OPEN, nt.STATUS_NOT_SUPPORTED),
        ("file:stream", 0, FILE_OPEN, nt.STATUS_OBJECT_NAME_INVALID),
        ("file::$DATA", 0, FILE_OPEN, nt.STATUS_OBJECT_NAME_INVALID),
        ("a*b", 0, FILE_OPEN, nt.STATUS_OBJECT_NAME_INVALID),
        ("..\\root", 0, FILE_OPEN, nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("", FILE_DELETE_ON_CLOSE, FILE_OPEN, nt.STATUS_ACCESS_DENIED),
    ],
)
def test_refusals(share: Share, path: str, options: int, disposition: int, status: int) -> None:
    (share.root / "file").touch()
    (share.root / "dir").mkdir()
    assert status_of(lambda: share.open(path, disposition=disposition, options=options)) == status
    assert share.db.records == {}


@pytest.mark.parametrize(
    "path", ["FILE", "dir\\", "dir::$INDEX_ALLOCATION", "dir:$I30:$INDEX_ALLOCATION", ""]
)
def test_spellings(share: Share, path: str) -> None:
    (share.root / "file").touch()
    (share.root / "dir").mkdir()
    fo = share.open(path, FILE_READ_ATTRIBUTES)
    assert fo.is_directory == (not path.upper().startswith("FILE"))


@pytest.mark.parametrize("access", [0, 0x04000000, 0x00200000])
def test_access_mask_is_checked(share: Share, access: int) -> None:
    (share.root / "file").touch()
    assert status_of(lambda: share.open("file", access)) == nt.STATUS_ACCESS_DENIED


def test_delete_on_close_needs_delete(share: Share) -> None:
    (share.root / "file").touch()
    assert (
        status_of(lambda: share.open("file", GENERIC_READ, options=FILE_DELETE_ON_CLOSE)) == nt.STATUS_ACCESS_DENIED
    )
    fo = share.open("file", DELETE, options=FILE_DELETE_ON_CLOSE)
    close.close_file(fo)
    assert not (share.root / "file").exists()


def test_read_only_file(share: Share) -> None:
    fo = share.create("file", file_attributes=FILE_ATTRIBUTE_READONLY)
    assert fo.file_attributes == FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_ARCHIVE
    write.write(fo, 0, memoryview(b"the creator may write"))
    close.close_file(fo)
    assert status_of(lambda: share.open("file", FILE_WRITE_DATA)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: share.open("file", FILE_READ_DATA, FILE_OVERWRITE)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: share.open("file", DELETE, options=FILE_DELETE_ON_CLOSE)) == nt.STATUS_CANNOT_DELETE
    fo = share.open("file", MAXIMUM_ALLOWED)
    assert not fo.granted_access & (FILE_WRITE_DATA | FILE_APPEND_DATA)
    assert fo.granted_access & DELETE
    assert (
        status_of(
            lambda: share.create("x", file_attributes=FILE_ATTRIBUTE_READONLY, options=FILE_DELETE_ON_CLOSE)
        )
        == nt.STATUS_CANNOT_DELETE
    )


@pytest.mark.parametrize("attribute", [FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_SYSTEM])
@pytest.mark.parametrize("disposition", [FILE_SUPERSEDE, FILE_OVERWRITE, FILE_OVERWRITE_IF])
def test_overwriting_may_not_drop_attributes(share: Share, attribute: int, disposition: int) -> None:
    close.close_file(share.create("file", file_attributes=attribute))
    assert status_of(lambda: share.open("file", disposition=disposition)) == nt.STATUS_ACCESS_DENIED
    fo = share.open("file", disposition=disposition, file_attributes=attribute)
    assert fo.file_attributes == attribute | FILE_ATTRIBUTE_ARCHIVE


def test_dot_files_are_hidden_but_can_be_overwritten(share: Share) -> None:
    close.close_file(share.create(".profile"))
    fo = share.open(".profile", disposition=FILE_OVERWRITE_IF)
    assert fo.file_attributes & FILE_ATTRIBUTE_HIDDEN


def test_overwrite_replaces_eas(share: Share) -> None:
    from vfs.fsa import ea

    close.close_file(share.create("file", extended_attributes=[EaEntry(b"ONE", b"1")]))
    fo = share.open("file", disposition=FILE_OVERWRITE, extended_attributes=[EaEntry(b"TWO", b"2")])
    assert [(entry.name, entry.value) for entry in ea.query(fo)] == [(b"TWO", b"2")]


def test_masks_and_attributes_of_new_files(make_share: Callable[..., Share]) -> None:
    share = make_share(create_mask=0o640, force_create_mode=0o004, directory_mask=0o750, force_directory_mode=0o2000)
    share.create("file")
    share.mkdir("dir")
    assert (share.root / "file").stat().st_mode & 0o7777 == 0o644
    assert (share.root / "dir").stat().st_mode & 0o7777 == 0o2750
    fo = share.open("dir", FILE_READ_ATTRIBUTES)
    assert fo.file_attributes == FILE_ATTRIBUTE_DIRECTORY


def test_attributes_without_xattrs(make_share: Callable[..., Share]) -> None:
    share = make_share(store_dos_attributes=False, map_readonly=True)
    fo = share.create("file", file_attributes=FILE_ATTRIBUTE_READONLY)
    assert fo.file_attributes == FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_READONLY
    assert (share.root / "file").stat().st_mode & 0o7777 == 0o544
    assert os.listxattr(share.root / "file") == []
    (share.root / "plain").touch(0o644)
    assert share.open("plain").file_attributes == FILE_ATTRIBUTE_NORMAL


def test_maximum_allowed_on_own_file(share: Share) -> None:
    fo = share.create("file", MAXIMUM_ALLOWED)
    assert fo.granted_access == FILE_ALL_ACCESS
    again = share.open("file", MAXIMUM_ALLOWED)
    assert again.granted_access & (FILE_READ_DATA | FILE_WRITE_DATA | DELETE)
    assert again.maximal_access() & DELETE


def test_read_only_share(make_share: Callable[..., Share]) -> None:
    share = make_share()
    (share.root / "file").write_bytes(b"data")
    share.volume.read_only = True
    assert status_of(lambda: share.open("file", FILE_WRITE_DATA)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: share.open("file", DELETE)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: share.open("file", FILE_READ_DATA, FILE_OVERWRITE)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: share.create("new")) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: share.mkdir("new")) == nt.STATUS_ACCESS_DENIED
    fo = share.open("file", MAXIMUM_ALLOWED)
    assert fo.granted_access & FILE_READ_DATA
    assert not fo.granted_access & (FILE_WRITE_DATA | DELETE)


def test_case_sensitive_share(make_share: Callable[..., Share]) -> None:
    share = make_share(case_sensitive=True)
    share.create("file")
    assert status_of(lambda: share.open("FILE")) == nt.STATUS_OBJECT_NAME_NOT_FOUND
    assert share.create("FILE").create_action == FILE_CREATED


def test_veto_files_do_not_exist(make_share: Callable[..., Share]) -> None:
    share = make_share(veto_files=["*.exe", "private"])
    (share.root / "a.exe").touch()
    (share.root / "private").mkdir()
    (share.root / "private" / "x").touch()
    assert status_of(lambda: share.open("a.exe")) == nt.STATUS_OBJECT_NAME_NOT_FOUND
    assert status_of(lambda: share.create("b.EXE")) == nt.STATUS_OBJECT_NAME_NOT_FOUND
    assert status_of(lambda: share.open("private\\x")) == nt.STATUS_OBJECT_PATH_NOT_FOUND


def test_short_names_open_files_windows_cannot_spell(share: Share) -> None:
    from vfs.fsa.mangle import mangle

    (share.root / "what?").write_bytes(b"1")
    assert share.open(mangle("what?")).path == b"what?"


def test_failed_create_leaves_nothing(share: Share) -> None:
    bad = [EaEntry(b"bad*name", b"1")]
    assert status_of(lambda: share.create("file", extended_attributes=bad)) == nt.STATUS_INVALID_EA_NAME
    assert status_of(lambda: share.mkdir("dir", extended_attributes=bad)) == nt.STATUS_INVALID_EA_NAME
    assert list(share.root.iterdir()) == []
    assert share.db.records == {}


def test_failed_overwrite_is_withdrawn(share: Share) -> None:
    (share.root / "file").touch()
    bad = [EaEntry(b"bad*name", b"1")]
    assert (
        status_of(lambda: share.open("file", disposition=FILE_OVERWRITE, extended_attributes=bad))
        == nt.STATUS_INVALID_EA_NAME
    )
    assert share.db.records == {}


def test_allocation_size_reserves(share: Share) -> None:
    fo = share.create("file", allocation_size=1 << 20)
    found = query_info.opened_stat(fo)
    assert found.allocation_size >= 1 << 20 or found.allocation_size == 0  # some file systems cannot
    assert found.end_of_file == 0


def test_the_block_of_the_attributes_is_no_space_of_the_data(share: Share) -> None:
    fo = share.create("file")
    ea.set_eas(fo, [EaEntry(b"long", b"x" * 1000)])
    assert query_info.stat(fo).allocation_size == 0
    set_info.set_allocation(fo, 1 << 20)
    assert query_info.stat(fo).allocation_size == 1 << 20
    assert query_info.streams(fo)[0].allocation_size == 1 << 20


@pytest.mark.parametrize(
    ("size", "blocks", "reported"),
    [
        (0, 0, 0),
        (0, 8, 0),  # attributes alone
        (0, 16, 4096),  # attributes, and space reserved
        (7, 16, 4096),
        (4096, 16, 4096),
        (4097, 16, 8192),  # no block of attributes
        (1 << 20, 8, 4096),  # sparse
    ],
)
def test_listings_take_space_beyond_the_end_for_the_descriptor(
    make_share: Callable[..., Share], size: int, blocks: int, reported: int
) -> None:
    share = make_share(acl_xattr=True)
    status = share.create("file").stat
    status.size, status.blocks = size, blocks
    share.volume.attribute_block = 4096
    assert allocation.of_data(share.volume, status.size, status.blocks) == reported


def test_allocation_sizes_are_rounded_up(make_share: Callable[..., Share]) -> None:
    share = make_share(allocation_roundup_size=1 << 20)
    status = share.create("file").stat
    status.blocks = 8
    assert allocation.of_data(share.volume, status.size, status.blocks) == 1 << 20


def test_no_descriptor_leaks(share: Share) -> None:
    (share.root / "file").touch()
    (share.root / "dir").mkdir()
    holder = share.open("file", share=0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path, options, disposition in (
        ("file", 0, FILE_OPEN),
        ("FILE", 0, FILE_OVERWRITE),
        ("none", 0, FILE_OPEN),
        ("dir\\x\\y", 0, FILE_OPEN),
        ("dir", FILE_NON_DIRECTORY_FILE, FILE_OPEN),
        ("file", FILE_DIRECTORY_FILE, FILE_OPEN),
    ):
        with pytest.raises(NTStatusError):
            share.open(path, options=options, disposition=disposition)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    close.close_file(holder)


def test_sharing_violation_and_stale_owner(share: Share) -> None:
    (share.root / "file").touch()
    first = share.open("file", FILE_READ_DATA, share=FILE_SHARE_READ, pid=7)
    assert status_of(lambda: share.open("file", FILE_WRITE_DATA)) == nt.STATUS_SHARING_VIOLATION
    share.open("file", FILE_READ_ATTRIBUTES)
    share.dead.add(7)
    share.open("file", FILE_WRITE_DATA)
    close.close_file(first)


def test_delete_pending_refuses_opens(share: Share) -> None:
    from vfs.fsa import set_info

    fo = share.create("file")
    set_info.set_disposition(fo, delete_file=True)
    assert status_of(lambda: share.open("file", FILE_READ_ATTRIBUTES)) == nt.STATUS_DELETE_PENDING
    assert status_of(lambda: share.create("file")) == nt.STATUS_OBJECT_NAME_COLLISION
    set_info.set_disposition(fo, delete_file=False)
    share.open("file", FILE_READ_ATTRIBUTES)


def test_opens_that_fail_leave_nothing_to_collect(share: Share) -> None:
    share.mkdir("Dir")
    (share.root / "Dir" / "file").touch()
    failing = (r"Dir\missing", r"missing\f", r"DIR\missing", r"Dir\file\f", "Dir")
    for _ in range(2):  # the first time fills caches
        gc.collect()
        gc.disable()
        try:
            for name in failing:
                try:
                    share.open(name, FILE_READ_DATA, options=FILE_NON_DIRECTORY_FILE)
                except NTStatusError:
                    pass
                else:
                    pytest.fail(name)
            garbage = gc.collect()
        finally:
            gc.enable()
    assert garbage == 0

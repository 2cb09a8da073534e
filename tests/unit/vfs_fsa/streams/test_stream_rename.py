"""Renaming named streams ([MS-FSA] 2.1.5.15.11)."""

from __future__ import annotations

from tests.unit.vfs_fsa.streams.support import get, names_of, put, refused
from tests.unit.vfs_fsa.support import Share
from vfs import ntstatus as nt
from vfs.access import FILE_ALL_ACCESS
from vfs.constants import FILE_OPEN_IF, FILE_SHARE_DELETE
from vfs.fsa import (
    close,
    link,
    query_info,
    rename,
    set_info,
)


def test_rename(share: Share) -> None:
    fo = share.create("file:s")
    put(fo, b"1")
    rename.rename(fo, ":new:$DATA", replace=False)
    assert fo.name == "file:new"
    assert names_of(fo) == ["::$DATA", ":new:$DATA"]
    assert get(fo) == b"1"
    share.open("file:new")
    with refused(nt.STATUS_OBJECT_NAME_NOT_FOUND):
        share.open("file:s")


def test_rename_changes_case(share: Share) -> None:
    fo = share.create("file:s")
    rename.rename(fo, ":S", replace=False)
    rename.rename(fo, ":S", replace=False)
    assert names_of(fo) == ["::$DATA", ":S:$DATA"]


def test_rename_keeps_the_share_modes(share: Share) -> None:
    fo = share.create("file:s", share=FILE_SHARE_DELETE)
    rename.rename(fo, ":new", replace=False)
    with refused(nt.STATUS_SHARING_VIOLATION):
        share.open("file:new")
    close.close_file(fo)
    share.open("file:new")


def test_rename_replaces_only_what_is_empty_and_closed(share: Share) -> None:
    fo = share.create("file:s")
    target = share.create("file:t")
    for replace, status in ((False, nt.STATUS_OBJECT_NAME_COLLISION), (True, nt.STATUS_INVALID_PARAMETER)):
        with refused(status):
            rename.rename(fo, ":T", replace=replace)
    put(target, b"full")
    close.close_file(target)
    with refused(nt.STATUS_INVALID_PARAMETER):
        rename.rename(fo, ":t", replace=True)
    set_info.set_end_of_file(share.open("file:t"), 0)
    close.close_file(share.opens[-1])
    rename.rename(fo, ":t", replace=True)
    assert names_of(fo) == ["::$DATA", ":t:$DATA"]


def test_rename_to_the_file_itself(share: Share) -> None:
    fo = share.create("file:s")
    put(fo, b"contents")
    rename.rename(fo, "::$DATA", replace=True)
    assert fo.stream is None
    assert get(fo) == b"contents"
    assert (share.root / "file").read_bytes() == b"contents"
    assert names_of(fo) == ["::$DATA"]
    put(fo, b"more", 8)
    other = share.create("file:s")
    with refused(nt.STATUS_INVALID_PARAMETER):
        rename.rename(other, "::$DATA", replace=True)


def test_refused_renames(share: Share) -> None:
    fo = share.create("file:s")
    with refused(nt.STATUS_SHARING_VIOLATION):
        rename.rename(fo, "file:t", replace=True)
    with refused(nt.STATUS_OBJECT_NAME_INVALID):
        rename.rename(fo, ":a:$FOO", replace=True)
    base = share.open("file")
    with refused(nt.STATUS_NOT_SUPPORTED):
        rename.rename(base, ":t", replace=True)
    with refused(nt.STATUS_ACCESS_DENIED):
        rename.rename(base, "moved", replace=False)
    with refused(nt.STATUS_INVALID_PARAMETER):
        link.link(fo, "linked", replace=False)
    share.open("file:s")
    with refused(nt.STATUS_SHARING_VIOLATION):
        rename.rename(fo, ":t", replace=False)
    share.mkdir("dir")
    directory_stream = share.create("dir:s")
    with refused(nt.STATUS_INVALID_PARAMETER):
        rename.rename(directory_stream, "::$DATA", replace=True)


def test_a_stream_that_is_to_go_is_still_to_go_by_its_new_name(share: Share) -> None:
    for new_name in (":other", ":S"):
        fo = share.open("file:s", FILE_ALL_ACCESS, FILE_OPEN_IF)
        set_info.set_disposition(fo, True)
        rename.rename(fo, new_name, replace=False)
        assert query_info.stat(fo).delete_pending
        close.close_file(fo)
        assert [one.name for one in query_info.streams(share.open("file"))] == ["::$DATA"]

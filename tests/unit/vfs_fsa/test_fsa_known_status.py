"""What a query says of a file that is known is what it says after looking, whatever was done to the file meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.vfs_fsa.support import Share
from tests.unit.vfs_fsa.test_fsa_times import tick
from vfs.constants import FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_SYSTEM
from vfs.fsa import attributes, ea, known, query_info, rename, set_info
from vfs.fsa.file_object import FileObject
from vfs.fsa.params import EaEntry
from vfs.fsa.stat import FileStat
from vfs.posix import dosattrib

_LATER_NS = 3600 * 1_000_000_000
_CHANGES: list[tuple[str, Callable[[Path, FileObject], object]]] = [
    ("nothing", lambda _path, _other: None),
    ("xattr", lambda path, _other: os.setxattr(path, dosattrib.XATTR_NAME, dosattrib.pack(FILE_ATTRIBUTE_SYSTEM, 99))),
    ("no xattr", lambda path, _other: os.removexattr(path, dosattrib.XATTR_NAME)),
    ("EA", lambda path, _other: os.setxattr(path, "user.beside", b"value")),
    ("mode", lambda path, _other: path.chmod(0o500)),
    ("write", lambda path, _other: path.write_bytes(b"data")),
    ("size", lambda path, _other: os.truncate(path, 1 << 20)),
    ("link", lambda path, _other: path.with_name("link").hardlink_to(path)),
    ("access time", lambda path, _other: os.utime(path, ns=(1, path.stat().st_mtime_ns))),
    ("attributes", lambda _path, other: set_info.set_basic(other, 0, 0, 0, 0, FILE_ATTRIBUTE_READONLY)),
    ("creation time", lambda _path, other: set_info.set_basic(other, 5, 0, 0, 0, 0)),
    ("change time", lambda _path, other: set_info.set_basic(other, 0, 0, 0, 132_000_000_000_000_000, 0)),
    ("an EA of SMB", lambda _path, other: ea.set_eas(other, [EaEntry(b"N", b"v")])),
    ("hidden by its name", lambda _path, other: rename.rename(other, ".hidden", replace=False)),
]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opens take place long after the files were changed."""
    now = time.time_ns
    monkeypatch.setattr(attributes.time, "time_ns", lambda: now() + _LATER_NS)


@pytest.mark.parametrize("stored", [True, False], ids=["xattr", "mode bits"])
@pytest.mark.parametrize(("name", "change"), _CHANGES, ids=[name for name, _ in _CHANGES])
@pytest.mark.usefixtures("later")
def test_what_is_known_is_what_is_there(
    make_share: Callable[..., Share], name: str, change: Callable[[Path, FileObject], object], stored: bool
) -> None:
    share = make_share(store_dos_attributes=stored, map_hidden=True)
    if name == "no xattr" and not stored:
        pytest.skip("there is none")
    other = share.create("file", file_attributes=FILE_ATTRIBUTE_ARCHIVE)
    fo = share.open("file")

    def said() -> FileStat:
        return query_info.stat(fo, with_ea_size=True)

    def looked_up() -> FileStat:
        share.volume.known.clear()
        return said()

    assert looked_up() == said()
    assert [one.stat.ctime_ns for one in share.volume.known.values()] == [os.fstat(fo.fd).st_ctime_ns]
    tick()
    change(share.root / "file", other)
    fo.path = other.path
    assert said() == said() == looked_up()
    if name == "hidden by its name":
        assert fo.file_attributes & FILE_ATTRIBUTE_HIDDEN


@pytest.mark.usefixtures("later")
def test_eas_are_not_counted_again(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []
    listxattr = os.listxattr
    monkeypatch.setattr(os, "listxattr", lambda fd: listed.append(fd) or listxattr(fd))
    share.create("file")
    fo = share.open("file")
    query_info.stat(fo, with_ea_size=True)
    query_info.stat(share.open("file"), with_ea_size=True)
    assert listed == [fo.fd]
    tick()
    os.utime(share.root / "file")
    query_info.stat(fo, with_ea_size=True)
    assert listed == [fo.fd, fo.fd]


@pytest.mark.usefixtures("later")
def test_files_that_others_may_change_are_not_known(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(known, "is_local", lambda fd: bool(asked.append(fd)))
    share.create("file")
    for _ in range(3):
        query_info.stat(share.open("file"))
    assert share.volume.known == {}
    assert len(asked) == 1


def test_what_was_changed_just_now_is_looked_at_again(share: Share) -> None:
    """The next change may have the same ctime."""
    share.create("file")
    query_info.stat(share.open("file"), with_ea_size=True)
    assert share.volume.known == {}

"""The audit log: which operations, in which form."""

from __future__ import annotations

import pytest

from vfs.access import FILE_READ_DATA
from vfs.constants import FILE_CREATE
from vfs.fsa import read, rename, write
from vfs.modules.base import ModuleError


@pytest.fixture
def lines(caplog):
    caplog.set_level("DEBUG", "smbd.audit.full_audit")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "smbd.audit.full_audit"]


def test_what_succeeds(stacked, lines):
    share = stacked(
        "full_audit",
        expand=lambda text: text.replace("%u", "anna").replace("%S", "share"),
        full_audit__prefix="%u|%S",
        full_audit__success="connect openat pwrite pread renameat close",
    )
    assert not share.volume.backend.direct
    file = share.open("file", disposition=FILE_CREATE)
    write.write(file, 0, memoryview(b"data"))
    read.read_into(file, 0, memoryview(bytearray(4)))
    rename.rename(file, "new", False)
    share.close_all()
    root = share.root
    seen = lines()
    assert seen[0] == "anna|share|connect|ok|share"
    assert [line for line in seen if "openat|ok|r|" not in line and "|connect|" not in line] == [
        f"anna|share|openat|ok|w|{root}/file",
        f"anna|share|pwrite|ok|{root}/file",
        f"anna|share|pread|ok|{root}/file",
        f"anna|share|renameat|ok|{root}/file|{root}/new",
        f"anna|share|close|ok|{root}/new",
    ]


def test_what_fails(stacked, lines):
    share = stacked("full_audit", full_audit__prefix="x", full_audit__failure="all !openat")
    with pytest.raises(FileNotFoundError):
        share.volume.backend.unlink(b"no\nfile")
    with pytest.raises(FileNotFoundError):
        share.volume.backend.open(b"missing", 0)
    assert lines() == [f"x|unlinkat|fail (No such file or directory)|{share.root}/no\\x0afile"]
    assert share.volume.backend.direct


def test_nothing_is_logged_unless_asked_for(stacked, lines):
    share = stacked("full_audit")
    (share.root / "file").write_bytes(b"data")
    read.read_into(share.open("file", FILE_READ_DATA), 0, memoryview(bytearray(4)))
    assert lines() == []


def test_unknown_operations_are_refused(stacked):
    with pytest.raises(ModuleError, match="no operation opne"):
        stacked("full_audit", full_audit__success="opne")


@pytest.mark.parametrize(("success", "stamps"), [("fgetxattr", False), ("flistxattr", False), ("pread", True)])
def test_attributes_are_read_each_time_if_that_is_told(stacked, success, stamps):
    assert stacked("full_audit", full_audit__success=success).volume.backend.stamps_attributes is stamps

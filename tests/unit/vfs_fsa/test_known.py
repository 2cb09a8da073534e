"""What is known of files that were opened before: nothing is read twice, and no change goes unnoticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.vfs_fsa.support import ORDINARY, Share
from tests.unit.vfs_fsa.test_fsa_access import ALICE, BOB, needs_root
from tests.unit.vfs_fsa.test_fsa_open import status_of
from vfs import ntstatus as nt
from vfs.access import (
    DELETE,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    MAXIMUM_ALLOWED,
    WRITE_DAC,
)
from vfs.constants import (
    DACL_SECURITY_INFORMATION,
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_SYSTEM,
)
from vfs.fsa import attributes, close, known, security, set_info
from vfs.fsa.file_object import FileObject
from vfs.posix import credentials, dosattrib
from vfs.posix.name_cache import is_settled
from vfs.security import SecurityDescriptor, allow
from vfs.security_acl import Acl

_SECOND = 1_000_000_000


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The extended attributes that were read; time passes at once."""
    monkeypatch.setattr(attributes.time, "time_ns", lambda: (1 << 62))
    return []


@pytest.fixture
def counted(make_share: Callable[..., Share], reads: list[str]) -> Share:
    share = make_share(acl_xattr=True)
    original = share.volume.backend.fgetxattr

    def fgetxattr(fd: int, name: str) -> bytes | None:
        reads.append(name)
        return original(fd, name)

    share.volume.backend.fgetxattr = fgetxattr  # type: ignore[method-assign]
    return share


def reopen(share: Share, access: int = ORDINARY, **more: object) -> FileObject:
    fo = share.open("f", access, **more)  # type: ignore[arg-type]
    close.close_file(fo)
    return fo


def change(path: Path, how: Callable[[Path], None]) -> None:
    """Make a change that the clock of the file system can tell from the one before."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        how(path)


def test_a_file_that_did_not_change_is_not_read_again(counted: Share, reads: list[str]) -> None:
    (counted.root / "f").touch()
    first = reopen(counted, FILE_READ_DATA)
    del reads[:]
    again = reopen(counted, FILE_READ_DATA)
    assert reads == []
    assert (again.file_attributes, again.creation_time) == (first.file_attributes, first.creation_time)
    assert again.granted_access == first.granted_access


def test_rights_that_nobody_asked_for_before_are_checked(counted: Share, reads: list[str]) -> None:
    (counted.root / "f").touch()
    reopen(counted, FILE_READ_DATA)
    del reads[:]
    assert reopen(counted, FILE_READ_DATA | FILE_WRITE_DATA).granted_access == FILE_READ_DATA | FILE_WRITE_DATA
    assert "security.NTACL" in reads or counted.token.is_all_powerful
    assert reopen(counted, DELETE).granted_access == DELETE


def test_attributes_alone_are_everybodys_and_no_descriptor_is_read_for_them(counted: Share, reads: list[str]) -> None:
    (counted.root / "f").touch()
    assert reopen(counted, FILE_READ_ATTRIBUTES).granted_access == FILE_READ_ATTRIBUTES
    assert reads == [dosattrib.XATTR_NAME]
    assert reopen(counted, FILE_READ_DATA).granted_access == FILE_READ_DATA
    assert "security.NTACL" in reads or counted.token.is_all_powerful


def test_what_was_granted_is_refused_once_the_share_is_read_only(counted: Share) -> None:
    (counted.root / "f").touch()
    reopen(counted, FILE_WRITE_DATA)
    counted.volume.read_only = True
    with pytest.raises(nt.NTStatusError) as refused:
        reopen(counted, FILE_WRITE_DATA)
    assert refused.value.status == nt.STATUS_ACCESS_DENIED


def test_changed_attributes_are_seen(counted: Share) -> None:
    (counted.root / "f").touch()
    reopen(counted)
    for wanted in (FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_SYSTEM):
        blob = dosattrib.pack(wanted, 1)
        change(counted.root / "f", lambda path, blob=blob: os.setxattr(path, dosattrib.XATTR_NAME, blob))
        assert reopen(counted, FILE_READ_DATA).file_attributes == wanted


def test_attributes_that_the_open_itself_changed_are_seen(counted: Share) -> None:
    (counted.root / "f").touch()
    reopen(counted)
    fo = counted.open("f", DELETE | FILE_WRITE_ATTRIBUTES)
    set_info.set_basic(fo, 0, 0, 0, 0, FILE_ATTRIBUTE_READONLY)
    assert status_of(lambda: set_info.set_disposition(fo, delete_file=True)) == nt.STATUS_CANNOT_DELETE
    close.close_file(fo)


def test_attributes_that_the_mode_means_are_seen(make_share: Callable[..., Share], reads: list[str]) -> None:
    assert reads == []
    share = make_share(store_dos_attributes=False, map_archive=True)
    (share.root / "f").touch()
    reopen(share)
    change(share.root / "f", lambda path: path.chmod(0o744))
    assert reopen(share, FILE_READ_DATA).file_attributes & FILE_ATTRIBUTE_ARCHIVE


def test_another_name_of_the_file_has_attributes_of_its_own(counted: Share) -> None:
    (counted.root / "f").touch()
    (counted.root / ".f").hardlink_to(counted.root / "f")
    assert not reopen(counted).file_attributes & FILE_ATTRIBUTE_HIDDEN
    fo = counted.open(".f", FILE_READ_DATA)
    assert fo.file_attributes & FILE_ATTRIBUTE_HIDDEN


@needs_root
def test_a_descriptor_that_another_process_changed_is_seen(
    counted: Share, make_share: Callable[..., Share]
) -> None:
    other = make_share(acl_xattr=True)
    path = counted.root / "f"
    path.touch()
    path.chmod(0o666)
    os.chown(path, ALICE.uid, ALICE.gid)
    assert reopen(counted, FILE_READ_DATA | FILE_WRITE_DATA, token=BOB)
    descriptor = SecurityDescriptor(
        ALICE.user_sid, ALICE.user_sid, Acl((allow(BOB.user_sid, FILE_READ_DATA),))
    ).pack()

    def restrict(_path: Path) -> None:
        fo = other.open("f", WRITE_DAC, token=ALICE)
        security.set_security(fo, DACL_SECURITY_INFORMATION, descriptor)
        close.close_file(fo)

    change(path, restrict)
    with pytest.raises(nt.NTStatusError) as refused:
        reopen(counted, FILE_READ_DATA | FILE_WRITE_DATA, token=BOB)
    assert refused.value.status == nt.STATUS_ACCESS_DENIED
    assert reopen(counted, FILE_READ_DATA, token=BOB)


@needs_root
def test_what_one_may_another_may_not(counted: Share) -> None:
    counted.root.chmod(0o777)
    path = counted.root / "f"
    path.touch()
    path.chmod(0o600)
    os.chown(path, ALICE.uid, ALICE.gid)
    assert reopen(counted, FILE_READ_DATA, token=ALICE)
    mine = reopen(counted, MAXIMUM_ALLOWED, token=ALICE).granted_access
    credentials.impersonate(BOB.unix)
    try:
        assert not reopen(counted, MAXIMUM_ALLOWED, token=BOB).granted_access & FILE_READ_DATA
        with pytest.raises(nt.NTStatusError):
            reopen(counted, FILE_READ_DATA, token=BOB)
    finally:
        credentials.become_root()
    assert reopen(counted, MAXIMUM_ALLOWED, token=ALICE).granted_access == mine


def test_what_was_read_too_close_to_a_change_is_not_kept(make_share: Callable[..., Share]) -> None:
    share = make_share()
    share.create("f")
    reopen(share)
    assert share.volume.known == {}
    assert not is_settled(_SECOND + 1, _SECOND + 2)
    assert is_settled(_SECOND + 1, 2 * _SECOND)
    assert not is_settled(_SECOND, 2 * _SECOND), "a file system that keeps whole seconds"


def test_there_is_an_end_to_what_is_known(counted: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MAX_FILES", 3)
    for number in range(5):
        (counted.root / f"{number}").touch()
        close.close_file(counted.open(f"{number}", FILE_READ_DATA))
    assert [one.path for one in counted.volume.known.values()] == [b"2", b"3", b"4"]

"""Shared extents and file regions."""

from __future__ import annotations

import errno
import fcntl

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs import ntstatus as nt
from vfs.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from vfs.fsa import extents, fsctl, write
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import NTStatusError

BLOCK = 4096


def pair(share: Share, size: int = 2 * BLOCK) -> tuple[FileObject, FileObject]:
    source, target = share.create("source"), share.create("target")
    write.write(source, 0, memoryview(b"s" * size))
    write.write(target, 0, memoryview(b"t" * size))
    return source, target


def status_of(*args) -> int:
    with pytest.raises(NTStatusError) as caught:
        extents.duplicate(*args)
    return caught.value.status


@pytest.fixture
def clones(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """What the kernel is asked to clone; the file system below may not be able to."""
    asked: list[tuple[int, int, int]] = []

    def ioctl(_fd: int, request: int, order: bytes) -> int:
        assert request == 0x4020940D
        asked.append(extents._CLONE_RANGE.unpack(order)[1:])
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    return asked


def test_a_range_is_cloned(share: Share, clones) -> None:
    source, target = pair(share)
    extents.duplicate(source, target, BLOCK, 0, BLOCK)
    extents.duplicate(source, target, 0, 0, 0)
    assert clones == [(BLOCK, BLOCK, 0)]


def test_the_last_block_ends_with_the_file(share: Share, clones) -> None:
    source, target = pair(share, BLOCK + 10)
    extents.duplicate(source, target, BLOCK, BLOCK, BLOCK)
    assert clones == [(BLOCK, 10, BLOCK)]


def test_refusals(share: Share, clones) -> None:
    source, target = pair(share)
    assert status_of(source, target, 2 * BLOCK, 0, BLOCK) == nt.STATUS_NOT_SUPPORTED
    assert status_of(source, target, 0, 2 * BLOCK, BLOCK) == nt.STATUS_NOT_SUPPORTED
    assert status_of(source, source, 0, 10, BLOCK) == nt.STATUS_NOT_SUPPORTED
    assert status_of(source, target, 1 << 63, 0, BLOCK) == nt.STATUS_INVALID_PARAMETER
    assert status_of(source, share.mkdir("d"), 0, 0, BLOCK) == nt.STATUS_INVALID_PARAMETER
    assert status_of(source, share.open("target", FILE_GENERIC_READ), 0, 0, 1) == nt.STATUS_ACCESS_DENIED
    assert status_of(share.open("source", FILE_GENERIC_WRITE), target, 0, 0, 1) == nt.STATUS_ACCESS_DENIED
    fsctl.set_sparse(source, sparse=True)
    assert status_of(source, target, 0, 0, BLOCK) == nt.STATUS_NOT_SUPPORTED
    assert clones == []


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.EOPNOTSUPP, nt.STATUS_INVALID_DEVICE_REQUEST),
        (errno.EXDEV, nt.STATUS_INVALID_PARAMETER),
        (errno.EINVAL, nt.STATUS_INVALID_PARAMETER),
        (errno.ENOSPC, nt.STATUS_DISK_FULL),
    ],
)
def test_what_the_kernel_says(share: Share, monkeypatch: pytest.MonkeyPatch, number: int, status: int) -> None:
    def ioctl(*_args: object) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    source, target = pair(share)
    assert status_of(source, target, 0, 0, BLOCK) == status


def test_regions(share: Share) -> None:
    source, _ = pair(share)
    assert extents.query_regions(source, 10, 1 << 40, 1) == [(10, 2 * BLOCK - 10, 1)]
    assert extents.query_regions(source, 2 * BLOCK, 1, 2) == []
    for offset, length, usage in ((0, 1, 0), (0, 1, 4), (-1, 1, 1), (0, -1, 1), (1, (1 << 63) - 1, 1)):
        with pytest.raises(NTStatusError) as caught:
            extents.query_regions(source, offset, length, usage)
        assert caught.value.status == nt.STATUS_INVALID_PARAMETER

"""What the tests of named streams do all the time."""

from __future__ import annotations

import pytest

from vfs.fsa import (
    query_info,
    read,
    write,
)
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import NTStatusError

XATTR = "user.DosStream.s:$DATA"


def put(fo: FileObject, data: bytes, offset: int = 0) -> None:
    assert write.write(fo, offset, memoryview(data)) == len(data)


def get(fo: FileObject, length: int = 100_000, offset: int = 0) -> bytes:
    buffer = memoryview(bytearray(length))
    return bytes(buffer[: read.read_into(fo, offset, buffer)])


def names_of(fo: FileObject) -> list[str]:
    return sorted(one.name for one in query_info.streams(fo))


def refused(status: int) -> pytest.RaisesExc[NTStatusError]:
    return pytest.raises(NTStatusError, check=lambda error: error.status == status)

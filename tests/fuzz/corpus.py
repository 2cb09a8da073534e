"""Valid requests of every command, to be damaged."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import NamedTuple

from smbd.wire.buffer import Buffer
from smbd.wire.change_notify import ChangeNotifyRequest
from smbd.wire.close import CloseRequest
from smbd.wire.constants import (
    FSCTL_PIPE_TRANSCEIVE,
    FSCTL_QUERY_NETWORK_INTERFACE_INFO,
    FSCTL_SRV_COPYCHUNK,
    FSCTL_SRV_ENUMERATE_SNAPSHOTS,
    FSCTL_SRV_REQUEST_RESUME_KEY,
    SMB2_0_INFO_FILE,
    SMB2_0_INFO_FILESYSTEM,
    SMB2_0_INFO_QUOTA,
    SMB2_0_INFO_SECURITY,
    SMB2_CHANGE_NOTIFY,
    SMB2_CLOSE,
    SMB2_CREATE,
    SMB2_ECHO,
    SMB2_FLUSH,
    SMB2_IOCTL,
    SMB2_LOCK,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_UNLOCK,
    SMB2_OPLOCK_BREAK,
    SMB2_QUERY_DIRECTORY,
    SMB2_QUERY_INFO,
    SMB2_READ,
    SMB2_SET_INFO,
    SMB2_TREE_CONNECT,
    SMB2_WRITE,
)
from smbd.wire.create import CreateRequest
from smbd.wire.echo import EchoRequest
from smbd.wire.flush import FlushRequest
from smbd.wire.ioctl import IoctlRequest
from smbd.wire.lock import LockElement, LockRequest
from smbd.wire.oplock_break import OplockBreakAcknowledgment
from smbd.wire.query_directory import QueryDirectoryRequest
from smbd.wire.query_info import QueryInfoRequest
from smbd.wire.read_write import ReadRequest, WriteRequest
from smbd.wire.set_info import SetInfoRequest
from smbd.wire.tree import TreeConnectRequest
from tests.smbxcli.message import Packable
from vfs.constants import (
    FileAllocationInformation,
    FileBasicInformation,
    FileDispositionInformation,
    FileEndOfFileInformation,
    FileFullEaInformation,
    FileLinkInformation,
    FileModeInformation,
    FilePositionInformation,
    FileRenameInformation,
)

FileId = tuple[int, int]

_ACCESSES = (0x001F01FF, 0x00120089, 0x02000000, 0x10000000, 0x00000080, 0x00010000)
_NAMES = ("", "a", "b.txt", "dir", "dir\\inner", "dir\\*", "no\\such\\dir", "\u00e4\u2713", "a:stream", "A" * 255)
_FSCTLS = (
    FSCTL_SRV_REQUEST_RESUME_KEY,
    FSCTL_SRV_COPYCHUNK,
    FSCTL_SRV_ENUMERATE_SNAPSHOTS,
    FSCTL_QUERY_NETWORK_INTERFACE_INFO,
    FSCTL_PIPE_TRANSCEIVE,
    0x000900C0,  # FSCTL_CREATE_OR_GET_OBJECT_ID
    0x000900C4,  # FSCTL_SET_SPARSE
    0x000980C8,  # FSCTL_SET_ZERO_DATA
    0x000940CF,  # FSCTL_QUERY_ALLOCATED_RANGES
)
_CONTEXTS = {
    b"MxAc": b"",
    b"QFid": b"",
    b"AlSi": struct.pack("<Q", 4096),
    b"RqLs": bytes(range(16)) + struct.pack("<IIQ", 7, 0, 0),
    b"DHnQ": bytes(16),
    b"DH2Q": bytes(16) + bytes(range(16)),
    b"ExtA": struct.pack("<IBBH", 0, 0, 4, 5) + b"NAME\0value",
    b"TWrp": struct.pack("<Q", 132_000_000_000_000_000),
    b"AAPL": struct.pack("<II QQ", 1, 0, 7, 0),
}
_SECURITY_DESCRIPTOR = bytes.fromhex("0100048014000000000000000000000024000000010100000000000100000000") + bytes(32)


class Plain(NamedTuple):
    """A valid request."""

    command: int
    body: bytes


def _create(source: random.Random, _file: FileId) -> Packable:
    contexts: dict[bytes, Buffer] = {}
    for tag in source.sample(sorted(_CONTEXTS), source.choice((0, 0, 1, 3))):
        contexts[tag] = _CONTEXTS[tag]
    return CreateRequest(
        source.choice(_NAMES),
        desired_access=source.choice(_ACCESSES),
        file_attributes=source.choice((0, 0x80, 0x10, 0x02)),
        share_access=7,
        create_disposition=source.randrange(6),
        create_options=source.choice((0, 0x40, 0x01, 0x1000, 0x20)),
        requested_oplock_level=source.choice((0, 0, 1, 8, 9, 0xFF)),
        contexts=contexts,
    )


def _query_info(source: random.Random, file: FileId) -> Packable:
    kind = source.choice((SMB2_0_INFO_FILE, SMB2_0_INFO_FILE, SMB2_0_INFO_FILESYSTEM, SMB2_0_INFO_SECURITY,
                          SMB2_0_INFO_QUOTA))
    return QueryInfoRequest(
        *file, kind, source.randrange(80), output_buffer_length=source.choice((0, 8, 100, 1024, 65536)),
        additional_information=source.choice((0, 1, 4, 7, 0xF)),
    )  # fmt: skip


def _set_info(source: random.Random, file: FileId) -> Packable:
    name = "renamed".encode("utf-16-le")
    info_class, data = source.choice((
        (FileBasicInformation, bytes(32) + struct.pack("<II", 0x20, 0)),
        (FileEndOfFileInformation, struct.pack("<Q", 100)),
        (FileAllocationInformation, struct.pack("<Q", 4096)),
        (FileDispositionInformation, b"\0"),
        (FilePositionInformation, struct.pack("<Q", 10)),
        (FileModeInformation, struct.pack("<I", 0)),
        (FileRenameInformation, struct.pack("<B7xQI", 1, 0, len(name)) + name),
        (FileLinkInformation, struct.pack("<B7xQI", 1, 0, len(name)) + name),
        (FileFullEaInformation, _CONTEXTS[b"ExtA"]),
    ))  # fmt: skip
    if source.random() < 0.15:
        return SetInfoRequest(*file, SMB2_0_INFO_SECURITY, 0, _SECURITY_DESCRIPTOR, 4)
    return SetInfoRequest(*file, SMB2_0_INFO_FILE, info_class, data)


def _lock(source: random.Random, file: FileId) -> Packable:
    flags = source.choice((SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY, SMB2_LOCKFLAG_UNLOCK))
    return LockRequest(*file, [LockElement(10 * index, 5, flags) for index in range(source.randrange(1, 4))])


_MAKERS: dict[int, Callable[[random.Random, FileId], Packable]] = {
    SMB2_TREE_CONNECT: lambda source, _file: TreeConnectRequest(
        source.choice((r"\\server\tmp", r"\\server\IPC$", r"\\server\none"))
    ),
    SMB2_CREATE: _create,
    SMB2_CLOSE: lambda source, file: CloseRequest(*file, flags=source.randrange(2)),
    SMB2_FLUSH: lambda _source, file: FlushRequest(*file),
    SMB2_READ: lambda source, file: ReadRequest(*file, source.choice((0, 1, 100, 65536)), source.randrange(200)),
    SMB2_WRITE: lambda source, file: WriteRequest(*file, source.randbytes(20), source.randrange(200)),
    SMB2_LOCK: _lock,
    SMB2_IOCTL: lambda source, file: IoctlRequest(source.choice(_FSCTLS), *file, source.randbytes(32), 1024),
    SMB2_ECHO: lambda _source, _file: EchoRequest(),
    SMB2_QUERY_DIRECTORY: lambda source, file: QueryDirectoryRequest(
        *file, source.choice((1, 2, 3, 12, 37, 38, 60)), source.choice(("*", "a*", "")), 4096, source.randrange(4)
    ),
    SMB2_CHANGE_NOTIFY: lambda source, file: ChangeNotifyRequest(*file, 0xFFF, 1024, source.randrange(2)),
    SMB2_QUERY_INFO: _query_info,
    SMB2_SET_INFO: _set_info,
    SMB2_OPLOCK_BREAK: lambda _source, file: OplockBreakAcknowledgment(*file, 0),
}
# What opens, lists and changes files has the most behind it.
_WEIGHTED = (*_MAKERS, SMB2_CREATE, SMB2_CREATE, SMB2_SET_INFO, SMB2_QUERY_INFO, SMB2_IOCTL)


def valid_request(source: random.Random, file: FileId) -> Plain:
    """Choose a command and make a valid body for it, about an open file."""
    command = source.choice(_WEIGHTED)
    return Plain(command, _MAKERS[command](source, file).pack())

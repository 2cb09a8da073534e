"""Reparse points, [MS-FSCC] 2.1.2: the common header, symbolic links, mount points, NFS special files."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.errors import WireError
from vfs.constants import NFS_SPECFILE_BLK, NFS_SPECFILE_CHR, NFS_SPECFILE_LNK

IO_REPARSE_TAG_RESERVED_ZERO: Final = 0x00000000
IO_REPARSE_TAG_MOUNT_POINT: Final = 0xA0000003
IO_REPARSE_TAG_HSM: Final = 0xC0000004
IO_REPARSE_TAG_SIS: Final = 0x80000007
IO_REPARSE_TAG_WIM: Final = 0x80000008
IO_REPARSE_TAG_DFS: Final = 0x8000000A
IO_REPARSE_TAG_SYMLINK: Final = 0xA000000C
IO_REPARSE_TAG_DFSR: Final = 0x80000012
IO_REPARSE_TAG_DEDUP: Final = 0x80000013
IO_REPARSE_TAG_NFS: Final = 0x80000014
IO_REPARSE_TAG_APPEXECLINK: Final = 0x8000001B
IO_REPARSE_TAG_AF_UNIX: Final = 0x80000023
IO_REPARSE_TAG_LX_SYMLINK: Final = 0xA000001D
IO_REPARSE_TAG_LX_FIFO: Final = 0x80000024
IO_REPARSE_TAG_LX_CHR: Final = 0x80000025
IO_REPARSE_TAG_LX_BLK: Final = 0x80000026

MAXIMUM_REPARSE_DATA_BUFFER_SIZE: Final = 16 * 1024

_HEADER: Final = struct.Struct("<IHH")  # ReparseTag, ReparseDataLength, Reserved
# SubstituteNameOffset, SubstituteNameLength, PrintNameOffset, PrintNameLength
_NAMES: Final = struct.Struct("<HHHH")
_SYMLINK: Final = struct.Struct("<HHHHI")  # the same and Flags
_NFS: Final = struct.Struct("<Q")  # Type
_DEVICE: Final = struct.Struct("<II")  # major, minor
_GUID_SIZE: Final = 16
_MICROSOFT_TAG: Final = 0x80000000


class ReparseDataBuffer(msgspec.Struct, gc=False):
    """REPARSE_DATA_BUFFER and REPARSE_GUID_DATA_BUFFER, 2.1.2.2 and 2.1.2.3.

    Attributes:
        tag: IO_REPARSE_TAG_*.
        data: What the owner of the tag put there.
        guid: 16 bytes in the buffers of tags that are not Microsoft's, else empty.
    """

    tag: int
    data: Buffer = b""
    guid: Buffer = b""

    def pack(self) -> bytes:
        """Return the bytes."""
        return b"".join((_HEADER.pack(self.tag, len(self.data), 0), self.guid, self.data))

    @classmethod
    def unpack(cls, buffer: Buffer) -> ReparseDataBuffer:
        """Read a buffer, which must have exactly the length that its header says.

        Raises:
            WireError: It is malformed.
        """
        if len(buffer) < _HEADER.size:
            raise WireError("reparse buffer too short")
        tag, length, _ = _HEADER.unpack_from(buffer)
        at = _HEADER.size
        guid: Buffer = b""
        if not tag & _MICROSOFT_TAG:
            guid = buffer[at : at + _GUID_SIZE]
            at += _GUID_SIZE
        if at + length != len(buffer):
            raise WireError("reparse buffer of a wrong length")
        return cls(tag, buffer[at:], guid)


def _names(names: Buffer, at: int, length: int) -> str:
    if at + length > len(names):
        raise WireError("name outside of the reparse data")
    return decode_utf16(names[at : at + length])


class SymbolicLinkReparse(msgspec.Struct, gc=False):
    """Symbolic Link Reparse Data, 2.1.2.4. Flags: SYMLINK_FLAG_RELATIVE or 0."""

    substitute_name: str
    print_name: str = ""
    flags: int = 0

    def pack(self) -> bytes:
        """Return the data of a `ReparseDataBuffer`."""
        substitute = encode_utf16(self.substitute_name)
        display = encode_utf16(self.print_name)
        fixed = _SYMLINK.pack(0, len(substitute), len(substitute), len(display), self.flags)
        return fixed + substitute + display

    @classmethod
    def unpack(cls, data: Buffer) -> SymbolicLinkReparse:
        """Read the data of a `ReparseDataBuffer`.

        Raises:
            WireError: It is malformed.
        """
        if len(data) < _SYMLINK.size:
            raise WireError("symbolic link reparse data too short")
        substitute_at, substitute_length, print_at, print_length, flags = _SYMLINK.unpack_from(data)
        names = data[_SYMLINK.size :]
        return cls(_names(names, substitute_at, substitute_length), _names(names, print_at, print_length), flags)


class MountPointReparse(msgspec.Struct, gc=False):
    """Mount Point Reparse Data, 2.1.2.5; both names end in a terminator that their lengths do not count."""

    substitute_name: str
    print_name: str = ""

    def pack(self) -> bytes:
        """Return the data of a `ReparseDataBuffer`."""
        substitute = encode_utf16(self.substitute_name)
        display = encode_utf16(self.print_name)
        end = b"\0\0"
        fixed = _NAMES.pack(0, len(substitute), len(substitute) + len(end), len(display))
        return b"".join((fixed, substitute, end, display, end))

    @classmethod
    def unpack(cls, data: Buffer) -> MountPointReparse:
        """Read the data of a `ReparseDataBuffer`.

        Raises:
            WireError: It is malformed.
        """
        if len(data) < _NAMES.size:
            raise WireError("mount point reparse data too short")
        substitute_at, substitute_length, print_at, print_length = _NAMES.unpack_from(data)
        names = data[_NAMES.size :]
        return cls(_names(names, substitute_at, substitute_length), _names(names, print_at, print_length))


class NfsReparse(msgspec.Struct, gc=False):
    """Network File System Reparse Data, 2.1.2.6.

    Attributes:
        kind: NFS_SPECFILE_*.
        target: Where a symbolic link leads.
        major: Of a device.
        minor: Of a device.
    """

    kind: int
    target: str = ""
    major: int = 0
    minor: int = 0

    def pack(self) -> bytes:
        """Return the data of a `ReparseDataBuffer`."""
        kind = _NFS.pack(self.kind)
        if self.kind == NFS_SPECFILE_LNK:
            return kind + encode_utf16(self.target)
        if self.kind in (NFS_SPECFILE_CHR, NFS_SPECFILE_BLK):
            return kind + _DEVICE.pack(self.major, self.minor)
        return kind

    @classmethod
    def unpack(cls, data: Buffer) -> NfsReparse:
        """Read the data of a `ReparseDataBuffer`.

        Raises:
            WireError: It is malformed.
        """
        if len(data) < _NFS.size:
            raise WireError("NFS reparse data too short")
        (kind,) = _NFS.unpack_from(data)
        if kind == NFS_SPECFILE_LNK:
            return cls(kind, decode_utf16(data[_NFS.size :]))
        if kind in (NFS_SPECFILE_CHR, NFS_SPECFILE_BLK):
            if len(data) < _NFS.size + _DEVICE.size:
                raise WireError("NFS device too short")
            major, minor = _DEVICE.unpack_from(data, _NFS.size)
            return cls(kind, "", major, minor)
        return cls(kind)

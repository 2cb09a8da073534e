"""FilePosixInformation of the SMB3 POSIX extensions: what stat(2) tells, of a file and of directory entries."""

from __future__ import annotations

import struct
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK
from typing import ClassVar, Final

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.dtyp import sid_length
from smbd.wire.errors import WireError
from smbd.wire.fscc.chain import walk_chain
from vfs import constants

# CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize, DosAttributes, Inode,
# DeviceId, Reserved, NumberOfLinks, ReparseTag, Mode; then the two SIDs
_FIXED: Final = struct.Struct("<QQQQQQIQI4xIII")
_LINK: Final = struct.Struct("<4x4x")  # NextEntryOffset, Reserved: what precedes it in a directory
_LENGTH: Final = struct.Struct("<I")
_ALIGNMENT: Final = 8
_NEXT: Final = struct.Struct("<I")  # NextEntryOffset

_PERMISSIONS: Final = 0o7777
_FILE_TYPE_SHIFT: Final = 12
#: The type of a file as the mode tells it.
FILE_TYPES: Final = {S_IFREG: 0, S_IFDIR: 1, S_IFLNK: 2, S_IFCHR: 3, S_IFBLK: 4, S_IFIFO: 5, S_IFSOCK: 6}


def to_wire_mode(mode: int) -> int:
    """Return `st_mode` as it is sent: the permissions are those of Unix, the type is a number of its own."""
    return mode & _PERMISSIONS | FILE_TYPES.get(S_IFMT(mode), 0) << _FILE_TYPE_SHIFT


class FilePosixInformation(msgspec.Struct, gc=False):
    """The information about one file; times are FILETIMEs, the SIDs in their binary form."""

    info_class: ClassVar[int] = constants.FilePosixInformation

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    end_of_file: int
    allocation_size: int
    file_attributes: int
    inode: int
    device_id: int
    number_of_links: int
    reparse_tag: int
    mode: int
    owner: Buffer
    group: Buffer

    def pack(self) -> bytes:
        """Return the bytes."""
        *fields, owner, group = msgspec.structs.astuple(self)
        return b"".join((_FIXED.pack(*fields), owner, group))

    @classmethod
    def unpack(cls, data: Buffer) -> FilePosixInformation:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        return _unpack(data, 0)[0]


def _unpack(data: Buffer, at: int) -> tuple[FilePosixInformation, int]:
    if at + _FIXED.size > len(data):
        raise WireError("FilePosixInformation too short")
    fields = _FIXED.unpack_from(data, at)
    owner_at = at + _FIXED.size
    group_at = owner_at + sid_length(data, owner_at)
    end = group_at + sid_length(data, group_at)
    return FilePosixInformation(*(*fields, data[owner_at:group_at], data[group_at:end])), end


class PosixDirectoryEncoder:
    """Writes a chain of directory entries into a buffer.

    Attributes:
        length: Bytes written so far; the length of the response's data.
    """

    def __init__(self, buffer: bytearray | memoryview) -> None:
        self._buffer = buffer
        self._last = -1
        self.length = 0

    def add(self, name: str, information: FilePosixInformation) -> bool:
        """Append an entry.

        Returns:
            False, with nothing changed, if it does not fit.
        """
        buffer = self._buffer
        encoded = encode_utf16(name)
        entry = b"".join((_LINK.pack(), information.pack(), _LENGTH.pack(len(encoded)), encoded))
        at = self.length + -self.length % _ALIGNMENT
        end = at + len(entry)
        if end > len(buffer):
            return False
        buffer[self.length : at] = bytes(at - self.length)
        buffer[at:end] = entry
        if self._last >= 0:
            _NEXT.pack_into(buffer, self._last, at - self._last)
        self._last = at
        self.length = end
        return True


def unpack_posix_entries(data: Buffer) -> list[tuple[str, FilePosixInformation]]:
    """Read directory entries.

    Raises:
        WireError: They are malformed.
    """
    entries = []
    for entry in walk_chain(data, _LINK.size + _FIXED.size, _ALIGNMENT):
        information, at = _unpack(entry, _LINK.size)
        if at + _LENGTH.size > len(entry):
            raise WireError("POSIX directory entry too short")
        end = at + _LENGTH.size + _LENGTH.unpack_from(entry, at)[0]
        if end > len(entry):
            raise WireError("name outside of its directory entry")
        entries.append((decode_utf16(entry[at + _LENGTH.size : end]), information))
    return entries

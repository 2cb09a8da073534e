"""Directory information classes, [MS-FSCC] 2.4: the entries of a QUERY_DIRECTORY response.

Listing is a hot path: an entry goes into the output buffer with one `pack_into`, without an object in
between. `DirectoryEncoder` keeps the chain, the client reads it back with `unpack_entries`.
"""

from __future__ import annotations

import codecs
import struct
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16
from smbd.wire.errors import WireError
from vfs.constants import (
    FileBothDirectoryInformation,
    FileDirectoryInformation,
    FileFullDirectoryInformation,
    FileId64ExtdBothDirectoryInformation,
    FileId64ExtdDirectoryInformation,
    FileIdAllExtdBothDirectoryInformation,
    FileIdAllExtdDirectoryInformation,
    FileIdBothDirectoryInformation,
    FileIdExtdDirectoryInformation,
    FileIdFullDirectoryInformation,
    FileIdGlobalTxDirectoryInformation,
    FileNamesInformation,
)

FileIdExtdBothDirectoryInformation: Final = 63

_encode_utf_16_le = codecs.utf_16_le_encode

# NextEntryOffset, FileIndex, CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile,
# AllocationSize, FileAttributes, FileNameLength: what all but FileNamesInformation begin with. The first is
# left zero and patched when the next entry turns out to fit.
_DIRECTORY: Final = struct.Struct("<4xIQQQQQQII")
_FULL: Final = struct.Struct("<4xIQQQQQQIII")  # + EaSize
_ID_FULL: Final = struct.Struct("<4xIQQQQQQIII4xQ")  # + EaSize, Reserved, FileId
_BOTH: Final = struct.Struct("<4xIQQQQQQIIIBx24s")  # + EaSize, ShortNameLength, Reserved, ShortName
_ID_BOTH: Final = struct.Struct("<4xIQQQQQQIIIBx24s2xQ")  # + ..., Reserved2, FileId
_ID_GLOBAL_TX: Final = struct.Struct("<4xIQQQQQQIIQ16xI")  # + FileId, LockingTransactionId, TxInfoFlags
_ID_EXTD: Final = struct.Struct("<4xIQQQQQQIIIIQQ")  # + EaSize, ReparsePointTag, FileId (128 bits)
_ID_EXTD_BOTH: Final = struct.Struct("<4xIQQQQQQIIIIQQBx24s")  # + ..., ShortNameLength, Reserved, ShortName
_ID_64_EXTD: Final = struct.Struct("<4xIQQQQQQIIIIQ")  # + EaSize, ReparsePointTag, FileId
_ID_64_EXTD_BOTH: Final = struct.Struct("<4xIQQQQQQIIIIQBx24s")
_ID_ALL_EXTD: Final = struct.Struct("<4xIQQQQQQIIIIQQQ")  # + EaSize, ReparsePointTag, FileId, FileId128
_ID_ALL_EXTD_BOTH: Final = struct.Struct("<4xIQQQQQQIIIIQQQBx24s")
_NAMES: Final = struct.Struct("<4xII")  # NextEntryOffset, FileIndex, FileNameLength

_LAYOUTS: Final = {
    FileDirectoryInformation: _DIRECTORY,
    FileFullDirectoryInformation: _FULL,
    FileBothDirectoryInformation: _BOTH,
    FileNamesInformation: _NAMES,
    FileIdBothDirectoryInformation: _ID_BOTH,
    FileIdFullDirectoryInformation: _ID_FULL,
    FileIdGlobalTxDirectoryInformation: _ID_GLOBAL_TX,
    FileIdExtdDirectoryInformation: _ID_EXTD,
    FileIdExtdBothDirectoryInformation: _ID_EXTD_BOTH,
    FileId64ExtdDirectoryInformation: _ID_64_EXTD,
    FileId64ExtdBothDirectoryInformation: _ID_64_EXTD_BOTH,
    FileIdAllExtdDirectoryInformation: _ID_ALL_EXTD,
    FileIdAllExtdBothDirectoryInformation: _ID_ALL_EXTD_BOTH,
}
# The "Extd" classes differ in the width of their file ids (in 64-bit words) and in having a short name.
_EXTD: Final = {
    FileIdExtdDirectoryInformation: (2, False),
    FileIdExtdBothDirectoryInformation: (2, True),
    FileId64ExtdDirectoryInformation: (1, False),
    FileId64ExtdBothDirectoryInformation: (1, True),
    FileIdAllExtdDirectoryInformation: (3, False),
    FileIdAllExtdBothDirectoryInformation: (3, True),
}
DIRECTORY_INFORMATION_CLASSES: Final = frozenset(_LAYOUTS)

_LINK: Final = struct.Struct("<I")
_PADDING: Final = tuple(bytes(n) for n in range(8))
_SHORT_NAME_BYTES: Final = 24


class DirectoryEncoder:
    """Writes a chain of entries of one information class into a buffer.

    Attributes:
        length: Bytes written so far; the length of the response's data.
    """

    __slots__ = ("_buffer", "_class", "_fixed", "_last", "_limit", "_start", "length")

    def __init__(self, info_class: int, buffer: bytearray | memoryview, start: int, limit: int) -> None:
        """Begin at `start` of `buffer`, to write at most `limit` bytes, which the buffer must have.

        Raises:
            WireError: `info_class` is not a directory information class.
        """
        layout = _LAYOUTS.get(info_class)
        if layout is None:
            raise WireError("not a directory information class")
        self._class = info_class
        self._fixed = layout.size
        self._buffer = buffer
        self._start = start
        self._limit = start + limit
        self._last = -1
        self.length = 0

    def add(
        self,
        name: str,
        short_name: str,
        file_index: int,
        creation_time: int,
        last_access_time: int,
        last_write_time: int,
        change_time: int,
        end_of_file: int,
        allocation_size: int,
        file_attributes: int,
        ea_size: int,
        file_id: int,
        reparse_tag: int = 0,
    ) -> bool:
        """Append an entry; what the information class does not have is left out.

        Times are FILETIMEs. The classes without a field for it carry the tag of a reparse point in EaSize.

        Returns:
            False, with nothing changed, if it does not fit.
        """
        buffer = self._buffer
        info_class = self._class
        end = self._start + self.length
        at = self._start + ((self.length + 7) & ~7)
        name_at = at + self._fixed
        encoded = _encode_utf_16_le(name, "surrogatepass")[0]
        size = len(encoded)
        new_end = name_at + size
        if new_end > self._limit:
            return False
        # The two that Windows and Linux ask for are spelled out: building a tuple of what all have in common
        # costs a tenth of the whole entry.
        if info_class == FileIdBothDirectoryInformation:
            short = _encode_utf_16_le(short_name, "surrogatepass")[0] if short_name else b""
            _ID_BOTH.pack_into(
                buffer,
                at,
                file_index,
                creation_time,
                last_access_time,
                last_write_time,
                change_time,
                end_of_file,
                allocation_size,
                file_attributes,
                size,
                reparse_tag or ea_size,
                len(short),
                short,
                file_id,
            )
        elif info_class == FileIdFullDirectoryInformation:
            _ID_FULL.pack_into(
                buffer,
                at,
                file_index,
                creation_time,
                last_access_time,
                last_write_time,
                change_time,
                end_of_file,
                allocation_size,
                file_attributes,
                size,
                reparse_tag or ea_size,
                file_id,
            )
        elif info_class == FileNamesInformation:
            _NAMES.pack_into(buffer, at, file_index, size)
        else:
            head = (
                file_index,
                creation_time,
                last_access_time,
                last_write_time,
                change_time,
                end_of_file,
                allocation_size,
                file_attributes,
                size,
            )
            if info_class == FileBothDirectoryInformation:
                short = _encode_utf_16_le(short_name, "surrogatepass")[0] if short_name else b""
                _BOTH.pack_into(buffer, at, *head, reparse_tag or ea_size, len(short), short)
            elif info_class == FileDirectoryInformation:
                _DIRECTORY.pack_into(buffer, at, *head)
            elif info_class == FileFullDirectoryInformation:
                _FULL.pack_into(buffer, at, *head, reparse_tag or ea_size)
            elif info_class == FileIdGlobalTxDirectoryInformation:
                _ID_GLOBAL_TX.pack_into(buffer, at, *head, file_id, 0)
            else:
                words, has_short_name = _EXTD[info_class]
                ids = (file_id, file_id, 0) if words == 3 else (file_id, 0)[:words]
                if has_short_name:
                    short = _encode_utf_16_le(short_name, "surrogatepass")[0]
                    _LAYOUTS[info_class].pack_into(buffer, at, *head, ea_size, reparse_tag, *ids, len(short), short)
                else:
                    _LAYOUTS[info_class].pack_into(buffer, at, *head, ea_size, reparse_tag, *ids)
        buffer[name_at:new_end] = encoded
        last = self._last
        if last >= 0:
            _LINK.pack_into(buffer, last, at - last)
            if at != end:
                buffer[end:at] = _PADDING[at - end]  # the buffer is used again and again: no old bytes out
        self._last = at
        self.length = new_end - self._start
        return True


def entry_size(info_class: int, name: str) -> int:
    """Return the bytes that one entry takes, without alignment.

    Raises:
        WireError: `info_class` is not a directory information class.
    """
    layout = _LAYOUTS.get(info_class)
    if layout is None:
        raise WireError("not a directory information class")
    return layout.size + len(_encode_utf_16_le(name, "surrogatepass")[0])


class DirectoryEntry(msgspec.Struct, gc=False):
    """An entry as a client reads it; what the class does not have is zero.

    Attributes:
        name: File name.
        short_name: 8.3 name or "".
        file_index: Position in the directory.
        creation_time: FILETIME, as are the following three.
        last_access_time: FILETIME.
        last_write_time: FILETIME.
        change_time: FILETIME.
        end_of_file: Bytes.
        allocation_size: Bytes.
        file_attributes: FILE_ATTRIBUTE_*.
        ea_size: Bytes of EAs, or a reparse tag in the classes without a field for it.
        file_id: Number that identifies the file on its volume.
        reparse_tag: IO_REPARSE_TAG_*.
    """

    name: str
    short_name: str = ""
    file_index: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    end_of_file: int = 0
    allocation_size: int = 0
    file_attributes: int = 0
    ea_size: int = 0
    file_id: int = 0
    reparse_tag: int = 0


def unpack_entries(info_class: int, data: Buffer) -> list[DirectoryEntry]:
    """Read a chain of entries.

    Raises:
        WireError: It is malformed, or `info_class` is not a directory information class.
    """
    layout = _LAYOUTS.get(info_class)
    if layout is None:
        raise WireError("not a directory information class")
    entries: list[DirectoryEntry] = []
    size = len(data)
    at = 0
    while size:
        name_at = at + layout.size
        if name_at > size:
            raise WireError("directory entry too short")
        (step,) = _LINK.unpack_from(data, at)
        end = at + step if step else size
        fields = layout.unpack_from(data, at)
        name_length = fields[1 if info_class == FileNamesInformation else 8]
        if name_at + name_length > end or end > size or step & 7:
            raise WireError("directory entry chain broken")
        name = decode_utf16(data[name_at : name_at + name_length])
        entries.append(_entry(info_class, name, fields))
        if not step:
            break
        at = end
    return entries


def _entry(info_class: int, name: str, fields: tuple[int, ...]) -> DirectoryEntry:
    if info_class == FileNamesInformation:
        return DirectoryEntry(name, file_index=fields[0])
    entry = DirectoryEntry(name, "", *fields[:8])
    rest = fields[9:]
    if info_class == FileIdGlobalTxDirectoryInformation:
        entry.file_id = rest[0]
    elif info_class == FileIdFullDirectoryInformation:
        entry.ea_size, entry.file_id = rest
    elif info_class == FileFullDirectoryInformation:
        (entry.ea_size,) = rest
    elif info_class == FileIdBothDirectoryInformation:
        entry.ea_size, entry.file_id = rest[0], rest[3]
        entry.short_name = _short_name(rest[1], rest[2])
    elif info_class == FileBothDirectoryInformation:
        entry.ea_size = rest[0]
        entry.short_name = _short_name(rest[1], rest[2])
    elif info_class in _EXTD:
        words, has_short_name = _EXTD[info_class]
        entry.ea_size, entry.reparse_tag, entry.file_id = rest[:3]
        if words == 2:
            entry.file_id |= rest[3] << 64
        if has_short_name:
            entry.short_name = _short_name(rest[-2], rest[-1])
    return entry


def _short_name(length: int, field: Buffer | int) -> str:
    if length > _SHORT_NAME_BYTES or isinstance(field, int):
        raise WireError("short name too long")
    return decode_utf16(field[:length])

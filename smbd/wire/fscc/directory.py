"""Directory information classes, [MS-FSCC] 2.4: the entries of a QUERY_DIRECTORY response.

Listing is a hot path: an entry goes into the output buffer with one `pack_into`, its name and padding included, without
an object in between. `DirectoryEncoder` keeps the chain, the client reads it back with `unpack_entries`.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, TypeAlias

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
# AllocationSize, FileAttributes, FileNameLength: what all but FileNamesInformation begin with.
_DIRECTORY: Final = "<IIQQQQQQII"
_FULL: Final = _DIRECTORY + "I"  # EaSize
_ID_FULL: Final = _FULL + "4xQ"  # Reserved, FileId
_BOTH: Final = _FULL + "Bx24s"  # ShortNameLength, Reserved, ShortName
_ID_BOTH: Final = _BOTH + "2xQ"  # Reserved2, FileId
_ID_GLOBAL_TX: Final = _DIRECTORY + "Q16xI"  # FileId, LockingTransactionId, TxInfoFlags
_ID_64_EXTD: Final = _FULL + "IQ"  # ReparsePointTag, FileId
_ID_EXTD: Final = _ID_64_EXTD + "Q"  # FileId (128 bits)
_ID_ALL_EXTD: Final = _ID_64_EXTD + "QQ"  # FileId128
_SHORT: Final = "Bx24s"  # ShortNameLength, Reserved, ShortName
_NAMES: Final = "<III"  # NextEntryOffset, FileIndex, FileNameLength

#: What stands in front of the name.
_FORMATS: Final = {
    FileDirectoryInformation: _DIRECTORY,
    FileFullDirectoryInformation: _FULL,
    FileBothDirectoryInformation: _BOTH,
    FileNamesInformation: _NAMES,
    FileIdBothDirectoryInformation: _ID_BOTH,
    FileIdFullDirectoryInformation: _ID_FULL,
    FileIdGlobalTxDirectoryInformation: _ID_GLOBAL_TX,
    FileIdExtdDirectoryInformation: _ID_EXTD,
    FileIdExtdBothDirectoryInformation: _ID_EXTD + _SHORT,
    FileId64ExtdDirectoryInformation: _ID_64_EXTD,
    FileId64ExtdBothDirectoryInformation: _ID_64_EXTD + _SHORT,
    FileIdAllExtdDirectoryInformation: _ID_ALL_EXTD,
    FileIdAllExtdBothDirectoryInformation: _ID_ALL_EXTD + _SHORT,
}
_LAYOUTS: Final = {info_class: struct.Struct(layout) for info_class, layout in _FORMATS.items()}
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
_SHORT_NAME_BYTES: Final = 24

#: Name, 8.3 name, CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize, FileAttributes,
#: EaSize, FileId, reparse tag; what may follow is not for the wire.
Entry: TypeAlias = tuple[str, str, int, int, int, int, int, int, int, int, int, int, Any]


@lru_cache(1024)
def _packer(info_class: int, name_bytes: int) -> Callable[..., None]:
    """Return the `pack_into` of an entry with so many bytes of name and padding."""
    return struct.Struct(f"{_FORMATS[info_class]}{name_bytes}s").pack_into


class DirectoryEncoder:
    """Writes a chain of entries of one information class into a buffer.

    Attributes:
        length: Bytes written so far, padding behind the last entry not counted; the length of the response's data.
    """

    __slots__ = ("_at", "_buffer", "_class", "_fixed", "_last", "_limit", "_start", "length")

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
        self._start = self._at = start
        self._limit = start + limit
        self._last = -1
        self.length = 0

    def fill(self, entries: Iterable[Entry]) -> bool:
        """Append entries; what the information class does not have is left out.

        Times are FILETIMEs. The classes without a field for it carry the tag of a reparse point in EaSize.

        Returns:
            False if the last one that was taken from `entries` does not fit: nothing of it is written.
        """
        buffer, limit, fixed, info_class = self._buffer, self._limit, self._fixed, self._class
        is_id_both = info_class == FileIdBothDirectoryInformation
        at, last = self._at, self._last
        end = self._start + self.length
        if last >= 0:
            _LINK.pack_into(buffer, last, at - last)
        fits = True
        # Once for each file of each directory that anybody looks at: nothing is called that need not be.
        for (
            name, short_name, creation_time, last_access_time, last_write_time, change_time,
            end_of_file, allocation_size, file_attributes, ea_size, file_id, reparse_tag, _,
        ) in entries:  # fmt: skip
            encoded = _encode_utf_16_le(name, "surrogatepass")[0]
            size = len(encoded)
            end_of_name = at + fixed + size
            if end_of_name > limit:
                fits = False
                break
            end = end_of_name
            step = (fixed + size + 7) & ~7
            # The buffer is used again and again: the padding is written, lest old bytes go out.
            pack_into = _packer(info_class, (step if at + step <= limit else fixed + size) - fixed)
            if is_id_both:
                short = _encode_utf_16_le(short_name, "surrogatepass")[0] if short_name else b""
                pack_into(
                    buffer, at, step, 0, creation_time, last_access_time, last_write_time, change_time, end_of_file,
                    allocation_size, file_attributes, size, reparse_tag or ea_size, len(short), short, file_id, encoded,
                )  # fmt: skip
            elif info_class == FileNamesInformation:
                pack_into(buffer, at, step, 0, size, encoded)
            else:
                short = _encode_utf_16_le(short_name, "surrogatepass")[0]
                pack_into(
                    buffer, at, step, 0, creation_time, last_access_time, last_write_time, change_time, end_of_file,
                    allocation_size, file_attributes, size, *_tail(info_class, short, ea_size, file_id, reparse_tag),
                    encoded,
                )  # fmt: skip
            last = at
            at += step
        if last >= 0:
            _LINK.pack_into(buffer, last, 0)
        self._at, self._last = at, last
        self.length = end - self._start
        return fits


def _tail(info_class: int, short: bytes, ea_size: int, file_id: int, reparse_tag: int) -> tuple[int | bytes, ...]:
    """Return the fields between FileNameLength and the name."""
    if info_class in _EXTD:
        words, has_short_name = _EXTD[info_class]
        ids = (file_id, file_id, 0) if words == 3 else (file_id, 0)[:words]
        return (ea_size, reparse_tag, *ids, len(short), short) if has_short_name else (ea_size, reparse_tag, *ids)
    if info_class == FileIdFullDirectoryInformation:
        return reparse_tag or ea_size, file_id
    if info_class == FileBothDirectoryInformation:
        return reparse_tag or ea_size, len(short), short
    if info_class == FileFullDirectoryInformation:
        return (reparse_tag or ea_size,)
    return (file_id, 0) if info_class == FileIdGlobalTxDirectoryInformation else ()


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
        step, *fields = layout.unpack_from(data, at)
        end = at + step if step else size
        name_length = fields[1 if info_class == FileNamesInformation else 8]
        if name_at + name_length > end or end > size or step & 7:
            raise WireError("directory entry chain broken")
        name = decode_utf16(data[name_at : name_at + name_length])
        entries.append(_entry(info_class, name, fields))
        if not step:
            break
        at = end
    return entries


def _entry(info_class: int, name: str, fields: list[int]) -> DirectoryEntry:
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

"""How locking.tdb stores the share-mode record of a file: so that one open more or less changes a few bytes of it.

A summary of the entries stands in front. Where it shows that an open disturbs nobody, the open joins, and parts again,
without that anything is decoded (`joined`, `parted`). So processes that open and close the same file hold its lock for
a few microseconds, however many opens there are.

    version, flags, common share access: 1 byte each | access of all, end of the list: 4 bytes each |
    entries: a msgpack array with 4 bytes of length | share's path, path, delete tokens: a msgpack array

All is big-endian. The summary may claim too much after somebody has parted: then the long way is taken once more, and
puts it right.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from messaging.records import RecordCodec, RecordError, RecordVersionError
from vfs.locking.entry import (
    ENTRY_ARCHIVE_TAKEN,
    ENTRY_REPLACING,
    ENTRY_STREAM,
    DeleteToken,
    ShareModeEntry,
    ShareModeRecord,
)
from vfs.locking.sharing import CONFLICTING_ACCESS, SHARE_ALL, conflicts

RECORD_VERSION: Final = 4

# Flags of the summary.
RECORD_CACHES: Final = 0x1
"""An open may cache something."""
RECORD_DELETES: Final = 0x2
"""A name is delete-pending."""
RECORD_NAMES: Final = 0x4
"""An open has a name of its own."""
RECORD_SPECIAL: Final = 0x8
"""There is an entry of which one has to know what it is: of a stream, a file being replaced, a persistent handle."""
RECORD_ARCHIVE_TAKEN: Final = 0x10
"""Somebody took ARCHIVE from the file, and an open has not written since."""

_HEAD: Final = struct.Struct(">BBBIIBI")
_HEAD_SIZE: Final = _HEAD.size
_ARRAY32: Final = 0xDD
_LIST_AT: Final = _HEAD_SIZE - 5
FLAGS_AT: Final = 1
_NAMES_MATTER: Final = RECORD_DELETES | RECORD_NAMES
_MATTERS_TO_WRITERS: Final = RECORD_CACHES | RECORD_ARCHIVE_TAKEN

_pack: Final = _HEAD.pack
_unpack: Final = _HEAD.unpack_from
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_entries: Final = msgspec.msgpack.Decoder(list[ShareModeEntry]).decode
_decode_names: Final = msgspec.msgpack.Decoder(tuple[str, bytes, list[DeleteToken]]).decode


class _ShareModeCodec(RecordCodec[ShareModeRecord]):
    """The format above."""

    __slots__ = ()

    def encode(self, obj: ShareModeRecord) -> bytes:
        flags = RECORD_DELETES if obj.delete_tokens else 0
        access, share = 0, SHARE_ALL
        for entry in obj.entries:
            flags |= _flags_of(entry)
            if entry.access_mask & CONFLICTING_ACCESS:
                access |= entry.access_mask
                share &= entry.share_access
        entries = b"".join(map(_encode, obj.entries))
        head = _pack(RECORD_VERSION, flags, share, access, _HEAD_SIZE + len(entries), _ARRAY32, len(obj.entries))
        return head + entries + _encode((obj.share_path, obj.path, obj.delete_tokens))

    def decode(self, data: bytes) -> ShareModeRecord:
        if not data:
            raise RecordError(f"{self.name}: empty record")
        if data[0] != RECORD_VERSION:
            raise RecordVersionError(self.name, data[0], RECORD_VERSION)
        try:
            end = _unpack(data)[4]
            view = memoryview(data)
            entries = _decode_entries(view[_LIST_AT:end])
            share_path, path, tokens = _decode_names(view[end:])
        except (struct.error, msgspec.DecodeError) as error:
            raise RecordError(f"{self.name}: damaged record: {error}") from error
        return ShareModeRecord(share_path, path, entries, tokens)


LOCKING_CODEC: Final = _ShareModeCodec(ShareModeRecord, RECORD_VERSION, "locking")


def _flags_of(entry: ShareModeEntry) -> int:
    flags = RECORD_CACHES if entry.oplock_level else 0
    if entry.name:
        flags |= RECORD_NAMES
    if entry.handle_id or entry.flags & (ENTRY_STREAM | ENTRY_REPLACING):
        flags |= RECORD_SPECIAL
    if entry.flags & ENTRY_ARCHIVE_TAKEN:
        flags |= RECORD_ARCHIVE_TAKEN
    return flags


def new_record(share_path: str, path: bytes, entry: ShareModeEntry) -> bytes:
    """Return what to store for a file that has the one open `entry`."""
    access, share = entry.access_mask, entry.share_access
    if not access & CONFLICTING_ACCESS:
        access, share = 0, SHARE_ALL
    encoded = _encode(entry)
    end = _HEAD_SIZE + len(encoded)
    plain = not (entry.oplock_level or entry.flags or entry.handle_id or entry.name)
    head = _pack(RECORD_VERSION, 0 if plain else _flags_of(entry), share & SHARE_ALL, access, end, _ARRAY32, 1)
    return head + encoded + _encode((share_path, path, ()))


def joined(mine: bytes, stored: bytes) -> bytes | None:
    """Return the record `stored` with the open that the record `mine` is of; None if that takes a closer look.

    A closer look is due if it disturbs one of the others, may cache something, or goes by another name.
    """
    if stored[0] != RECORD_VERSION:
        return None
    version, flags, share, access, end, mark, count = _unpack(stored)
    _, my_flags, my_share, my_access, my_end, _, _ = _unpack(mine)
    if flags or my_flags or stored[end:] != mine[my_end:]:
        return None
    if conflicts(my_access, my_share, access, share):
        return None
    added = mine[_HEAD_SIZE:my_end]
    head = _pack(version, 0, share & my_share, access | my_access, end + len(added), mark, count + 1)
    return head + stored[_HEAD_SIZE:end] + added + stored[end:]


def parted(mine: bytes, stored: bytes) -> bytes | None:
    """Return the record `stored` without the open that the record `mine` is of; empty if nobody is left.

    None if that takes a closer look: the open has changed, or a name goes with it.
    """
    if stored[0] != RECORD_VERSION:
        return None
    version, flags, share, access, end, mark, count = _unpack(stored)
    my_end = _unpack(mine)[4]
    if flags & _NAMES_MATTER or stored[end:] != mine[my_end:]:
        return None
    gone = mine[_HEAD_SIZE:my_end]
    at = stored.find(gone, _HEAD_SIZE, end)
    if at < 0:
        return None
    if count == 1:
        return b""
    head = _pack(version, flags, share, access, end - len(gone), mark, count - 1)
    return head + stored[_HEAD_SIZE:at] + stored[at + len(gone) :]


def anyone_caches(stored: bytes) -> bool:
    """Tell whether an open of a stored record may cache something."""
    return bool(stored[FLAGS_AT] & RECORD_CACHES)


def concerns_writers(stored: bytes) -> bool:
    """Tell whether who writes has to look closer: an open may cache something, or ARCHIVE was taken from the file."""
    return bool(stored[FLAGS_AT] & _MATTERS_TO_WRITERS)


def keeps_name(mine: bytes, stored: bytes) -> bool:
    """Tell whether the open that the record `mine` is of has the same name in `stored`, and no name there goes."""
    end, my_end = _unpack(stored)[4], _unpack(mine)[4]
    return not stored[FLAGS_AT] & _NAMES_MATTER and stored[end:] == mine[my_end:]


def any_name_goes(stored: bytes) -> bool:
    """Tell whether a name of the file of a stored record is delete-pending."""
    return bool(stored[FLAGS_AT] & RECORD_DELETES)


def any_special(stored: bytes) -> bool:
    """Tell whether a stored record has an entry of which one has to know what it is."""
    return bool(stored[FLAGS_AT] & RECORD_SPECIAL)

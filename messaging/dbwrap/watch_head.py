"""Where the watchers of a record are stored: in front of its value, in the same stored record.

So they are read and written under the lock that is held anyway, and vanish with the record. Most records
have no watcher and are stored as they are, at no cost. With watchers, the stored bytes are::

    mark 0xFF | flags | length of the list, 4 bytes | list of watchers, msgpack | value

A value that begins with the mark itself (none of `messaging.records` does) gets an empty list in front. A
record may consist of watchers alone: it waits to be created.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from messaging.records import RecordError
from messaging.server_id import ServerId

HEAD_MARK: Final = 0xFF
_HAS_VALUE: Final = 1
_HEAD: Final = struct.Struct("<BBI")


class Watcher(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of the list: who wants to know, and which of his watches it is.

    Attributes:
        wish: what he waits for, in the words of the database's user; told to whoever looks at the list.
    """

    server_id: ServerId
    instance: int
    wish: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Watcher, ...]).decode


def split(raw: bytes | None) -> tuple[tuple[Watcher, ...], bytes | None]:
    """Take stored bytes apart into watchers, in the order of their coming, and value.

    Raises:
        RecordError: if the head is damaged.
    """
    if not raw or raw[0] != HEAD_MARK:
        return (), raw
    if len(raw) < _HEAD.size:
        raise RecordError("damaged list of watchers: too short")
    _, flags, length = _HEAD.unpack_from(raw)
    end = _HEAD.size + length
    if end > len(raw):
        raise RecordError("damaged list of watchers: longer than its record")
    try:
        watchers = _decode(memoryview(raw)[_HEAD.size : end])
    except msgspec.DecodeError as error:
        raise RecordError(f"damaged list of watchers: {error}") from error
    return watchers, raw[end:] if flags & _HAS_VALUE else None


def join(watchers: Sequence[Watcher], value: bytes | None) -> bytes | None:
    """Return what to store for `watchers` and `value`; None if there is nothing to store."""
    if not watchers and (value is None or value[:1] != b"\xff"):
        return value
    names = _encode(watchers)
    if value is None:
        return _HEAD.pack(HEAD_MARK, 0, len(names)) + names
    return _HEAD.pack(HEAD_MARK, _HAS_VALUE, len(names)) + names + value

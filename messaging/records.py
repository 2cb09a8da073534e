"""How a record is stored: one version byte, then a msgpack array of the stored fields.

The stored type is a class of its own (a `msgspec.Struct` with ``array_like=True``), never the object that a
process works with: what is not a field of it is not stored. A record of a version that this program does
not know is refused, not guessed at: two releases may share a database during an upgrade.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

MAX_VERSION: Final = 0x7F
"""Versions stay below the marks that the database layer puts at the head of a record."""


class RecordError(Exception):
    """A stored record cannot be decoded."""


class RecordVersionError(RecordError):
    """The record was written by a release with another format."""

    def __init__(self, name: str, found: int, known: int) -> None:
        super().__init__(f"{name}: record version {found} is not the known version {known}")
        self.name = name
        self.found = found
        self.known = known


class RecordCodec(Generic[T]):
    """Encodes and decodes the records of one database.

    Args:
        record_type: the stored type, a `msgspec.Struct` with ``array_like=True`` or any type msgspec knows.
        version: format version, to be raised with every change of the stored fields.
        name: what error messages call the record.
    """

    __slots__ = ("_decode", "_encode", "_mark", "name", "record_type", "version")

    def __init__(self, record_type: type[T], version: int, name: str) -> None:
        if not 0 < version <= MAX_VERSION:
            raise ValueError(f"{name}: version {version} is not in 1..{MAX_VERSION}")
        self.record_type = record_type
        self.version = version
        self.name = name
        self._mark = bytes((version,))
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(record_type).decode

    def encode(self, obj: T) -> bytes:
        """Return the stored form of `obj`."""
        encode = self._encode
        return self._mark + encode(obj)

    def decode(self, data: bytes) -> T:
        """Return the object stored as `data`.

        Raises:
            RecordVersionError: if it has another version.
            RecordError: if it is empty or damaged.
        """
        if not data:
            raise RecordError(f"{self.name}: empty record")
        if data[0] != self.version:
            raise RecordVersionError(self.name, data[0], self.version)
        try:
            decode = self._decode
            return decode(memoryview(data)[1:])
        except msgspec.DecodeError as error:
            raise RecordError(f"{self.name}: damaged record: {error}") from error

"""The identity of a file inside the server: the key of its share modes, byte-range locks and leases.

Like Samba's ``struct file_id``: device, inode, and an extra number that keeps apart objects the inode
does not (the streams of a file have a non-zero one). The 24-byte key is Samba's record key.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vfs.posix.syscalls import Stat

_KEY = struct.Struct("<QQQ")


class FileId(NamedTuple):
    """Device, inode and extended id: hashable, ordered, equal by value."""

    dev: int
    ino: int
    extid: int = 0

    @property
    def is_stream(self) -> bool:
        """Whether it is that of a named stream."""
        return self.extid != 0

    @property
    def of_file(self) -> FileId:
        """That of the file, if it is one of a named stream."""
        return FileId(self.dev, self.ino) if self.extid else self

    def key(self) -> bytes:
        """The database key, 24 bytes."""
        return _KEY.pack(*self)

    @classmethod
    def from_key(cls, key: bytes) -> FileId:
        """Back from `key`.

        Raises:
            ValueError: `key` does not have 24 bytes.
        """
        if len(key) != _KEY.size:
            raise ValueError(f"a file id key has {_KEY.size} bytes, not {len(key)}")
        return cls(*_KEY.unpack(key))

    def __str__(self) -> str:
        return f"{self.dev:x}:{self.ino:x}:{self.extid:x}"


def file_id_of(stat: Stat, stream: str) -> FileId:
    """Return the identity of a stream of the file with status `stat`; of the file itself for an empty name."""
    return FileId(stat.dev, stat.ino, stream_extid(stream) if stream else 0)


def stream_extid(name: str) -> int:
    """The extended id of the stream `name` (without ``:$DATA``): 64 bits of a hash of the folded name."""
    digest = hashlib.blake2b(name.upper().encode("utf-16-le", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1

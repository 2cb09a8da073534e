"""A journal: keys and values that survive a crash, for little.

A file to which changes are only appended. What counts of a key is its last frame. Processes append under a lock of
the file, one write for many changes; whoever must not go on before his change is on disk calls `sync`, best in a
thread and for many changes at once. Reading is for a start. `compact` leaves out what does not count any more.

A frame is found again by its mark and believed by its checksum, so that a frame that a killed process or a lost
machine left incomplete costs nothing but itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from messaging.dbwrap.base import DbError

MODE: Final = 0o600
_HEAD: Final = struct.Struct("<4sIHI")  # mark, CRC-32 of the rest, length of key and of value
_SUMMED_FROM: Final = 8
_MARK: Final = b"\xffJF1"
_DELETED: Final = 0xFFFFFFFF
_MAX_VALUE: Final = 1 << 28


def pack_frame(key: bytes, value: bytes | None) -> bytes:
    """Return the frame that says that `key` has `value`, or none."""
    length = _DELETED if value is None else len(value)
    frame = _HEAD.pack(_MARK, 0, len(key), length) + key + (value or b"")
    return b"%s%s%s" % (_MARK, zlib.crc32(frame[_SUMMED_FROM:]).to_bytes(4, "little"), frame[_SUMMED_FROM:])


def unpack_frames(data: bytes) -> Iterator[tuple[bytes, bytes | None] | None]:
    """Yield key and value of every frame, None where bytes were passed over that are no frame."""
    at = 0
    while at < len(data):
        frame = _unpack(data, at)
        if frame is not None:
            at, key, value = frame
            yield key, value
            continue
        following = data.find(_MARK, at + 1)
        at = len(data) if following < 0 else following
        yield None


def _unpack(data: bytes, at: int) -> tuple[int, bytes, bytes | None] | None:
    if len(data) - at < _HEAD.size:
        return None
    mark, checksum, key_length, value_length = _HEAD.unpack_from(data, at)
    deleted = value_length == _DELETED
    size = 0 if deleted else value_length
    begin = at + _HEAD.size
    end = begin + key_length + size
    if mark != _MARK or size > _MAX_VALUE or end > len(data):
        return None
    if zlib.crc32(memoryview(data)[at + _SUMMED_FROM : end]) != checksum:
        return None
    key = data[begin : begin + key_length]
    return end, key, None if deleted else data[begin + key_length : end]


class Journal:
    """One journal as one process uses it.

    The file is opened at the first use, which has to have the right to it, and made if it is missing. Not to be used
    across a fork: whoever forks has not used it yet, or calls `close` before.

    Args:
        path: the file; its directory must exist.
        privileged: makes a context in which this process may open and replace the file.
    """

    def __init__(self, path: str, privileged: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self.path = path
        self._privileged = privileged
        self._fd = -1
        self._size = 0  # while it is locked

    # writing

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other processes from appending.

        Raises:
            DbError: the file cannot be opened.
        """
        while True:
            fd = self._open()
            fcntl.flock(fd, fcntl.LOCK_EX)
            stat = os.fstat(fd)
            if stat.st_nlink:
                break
            self._reopen()  # it was compacted meanwhile
        self._size = stat.st_size
        try:
            yield
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)

    def append(self, changes: Iterable[tuple[bytes, bytes | None]]) -> tuple[int, int]:
        """Write `changes`, a value of None for a deletion; the caller has it `locked`. They may not be on disk yet.

        Returns:
            The size of the file before and after, in bytes.

        Raises:
            OSError: they cannot be written, and none of them is.
        """
        data = b"".join(pack_frame(key, value) for key, value in changes)
        size = self._size
        try:
            written = os.write(self._fd, data)
        except OSError:
            self._cut(size)
            raise
        if written != len(data):
            self._cut(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        return size, self._size

    def _cut(self, size: int) -> None:
        with suppress(OSError):
            os.ftruncate(self._fd, size)

    def sync(self) -> None:
        """Wait until everything that this process has appended is on disk; may run in any thread.

        Raises:
            OSError: it may not be.
        """
        os.fdatasync(self._fd)

    def size(self) -> int:
        """Return the bytes of the file, 0 if there is none."""
        try:
            return Path(self.path).stat().st_size
        except FileNotFoundError:
            return 0

    # reading

    def read(self) -> dict[bytes, bytes]:
        """Return what counts.

        Raises:
            DbError: it cannot be read.
        """
        found: dict[bytes, bytes] = {}
        _replay(self._content(), found)
        return found

    def check(self) -> list[str]:
        """Return what is wrong with the file: bytes that are no frame. Nothing is if there is no file."""
        gaps = sum(frame is None for frame in unpack_frames(self._content()))
        return [f"{Path(self.path).name}: {gaps} incomplete frames"] if gaps else []

    def _content(self, offset: int = 0) -> bytes:
        try:
            with Path(self.path).open("rb") as file:
                file.seek(offset)
                return file.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DbError(f"cannot read {self.path}: {error.strerror}") from error

    # keeping it small

    def compact(self) -> None:
        """Leave out what does not count any more. For one process at a time; the others wait only for the last part.

        Raises:
            DbError, OSError: the new file cannot be made; the old one stays.
        """
        temporary = Path(f"{self.path}.new")
        with self.locked():
            size = self.size()
        found: dict[bytes, bytes] = {}
        _replay(self._content()[:size], found)
        temporary.unlink(missing_ok=True)
        temporary.touch(MODE)
        with temporary.open("wb") as file:
            file.writelines(pack_frame(key, value) for key, value in found.items())
            file.flush()
            os.fsync(file.fileno())
            with self.locked():
                file.write(self._content(size))
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(self.path)
                _sync_directory(self.path)
        self._reopen()

    # the file

    def _open(self) -> int:
        if self._fd < 0:
            self._fd = self._new_descriptor()
        return self._fd

    def _reopen(self) -> None:
        """Go over to the file that is there now; the number of the descriptor stays, a thread may be using it."""
        fresh = self._new_descriptor()
        if self._fd < 0:
            self._fd = fresh
            return
        os.dup2(fresh, self._fd, inheritable=False)
        os.close(fresh)

    def _new_descriptor(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        try:
            with self._privileged():
                if Path(self.path).exists():
                    return os.open(self.path, flags)
                fd = os.open(self.path, flags | os.O_CREAT, MODE)
                _sync_directory(self.path)
                return fd
        except OSError as error:
            raise DbError(f"cannot open {self.path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _replay(data: bytes, found: dict[bytes, bytes]) -> None:
    for frame in unpack_frames(data):
        if frame is None:
            continue
        key, value = frame
        if value is None:
            found.pop(key, None)
        else:
            found[key] = value


def _sync_directory(path: str) -> None:
    fd = os.open(str(Path(path).parent), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

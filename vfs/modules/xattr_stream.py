"""The contents of a named stream, as an open of it sees them: in an extended attribute or in a side file."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Protocol

from vfs.modules import side_files
from vfs.modules.streams_xattr import BLOCK, END, REFERENCE, TOO_LARGE, allocation_of, data_of, reference_of
from vfs.ntstatus import STATUS_FILE_DELETED, NTStatusError

if TYPE_CHECKING:
    from vfs.modules.streams_xattr import StreamsXattr
    from vfs.posix.backend import PosixBackend
    from vfs.posix.syscalls import Stat

_log = logging.getLogger(__name__)

_COPY: Final = 1 << 20


class Hold(Protocol):
    """What an open has of its stream while others may take that away."""

    def is_there(self) -> bool:
        """Tell whether the open still has it."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep it, and keep others from changing it; raises STATUS_FILE_DELETED."""


class XattrStream:
    """The contents of one stream, as an open of it sees them.

    Nothing is kept between two calls but the descriptor of a side file, so that all opens of all processes see the
    same. Changes happen under the lock of `hold`, which the processes share; reading takes none.

    Attributes:
        hold: tells whether the stream went meanwhile.
        name: as stored.
        attribute: the extended attribute.
    """

    __slots__ = ("_base", "_fd", "_side_fd", "_side_name", "_store", "attribute", "hold", "name")

    def __init__(self, store: StreamsXattr, fd: int, base: Stat, name: str, attribute: str, hold: Hold) -> None:
        self._store = store
        self._fd = fd
        self._base = base
        self.hold = hold
        self._side_fd = -1
        self._side_name = b""
        self.name = name
        self.attribute = attribute

    def close(self) -> None:
        """Give the descriptor of the side file back."""
        if self._side_fd >= 0:
            os.close(self._side_fd)
            self._side_fd = -1

    def _value(self) -> bytes:
        value = self._store.get(self._fd, self.attribute)
        return END if value is None else value

    def _put(self, contents: bytes) -> bool:
        """Store the contents in the attribute; False if it cannot hold them."""
        if len(contents) >= self._store.limit:
            return False
        try:
            self._store.put(self._fd, self.attribute, contents + END)
        except OSError as error:
            if error.errno not in TOO_LARGE:
                raise
            return False
        return True

    def _keep(self, name: bytes, fd: int) -> int:
        self.close()
        self._side_name = name
        self._side_fd = fd
        return fd

    def _side(self, name: bytes) -> int:
        """Return a descriptor of the side file `name`."""
        if self._side_fd >= 0 and self._side_name == name:
            return self._side_fd
        return self._keep(name, self._store.side.open(name))

    def _writable_side(self, name: bytes) -> int:
        """Return the side file for writing; one of another file (this one was copied from it) is copied first."""
        try:
            fd = self._side(name)
        except FileNotFoundError:
            _log.warning("side file %r is lost; the stream %r begins anew", name, self.name)
            return self._spill(b"")
        if side_files.owner_of(name) == self._base.ino:
            return fd
        return self._spill(b"", copy_from=fd)

    def _spill(self, contents: bytes, copy_from: int = -1) -> int:
        """Move the stream to a new side file and return its descriptor."""
        store = self._store
        name, fd = store.side.create(self._base)
        try:
            if copy_from >= 0:
                store.backend.copy_range(copy_from, 0, fd, 0, os.fstat(copy_from).st_size)
            _write_all(store.backend, fd, 0, memoryview(contents))
            store.put(self._fd, self.attribute, REFERENCE + name)
        except BaseException:
            os.close(fd)
            store.remove_side_files([name])
            raise
        return self._keep(name, fd)

    def _drop_side(self, name: bytes) -> None:
        self.close()
        if side_files.owner_of(name) == self._base.ino:
            self._store.side.remove(name)

    def size(self) -> int:
        """Return the end of file.

        Raises:
            OSError: as the kernel says.
        """
        return self.sizes()[0]

    def sizes(self) -> tuple[int, int]:
        """Return end of file and allocation size; nothing is left of a stream that went.

        Raises:
            OSError: as the kernel says.
        """
        value = self._value()
        if not self.hold.is_there():
            return 0, 0
        name = reference_of(value)
        if name is None:
            size = len(data_of(value))
            return size, allocation_of(size)
        try:
            stat = os.fstat(self._side(name))
        except FileNotFoundError:
            return 0, 0
        return stat.st_size, stat.st_blocks * BLOCK

    def read_into(self, offset: int, view: memoryview) -> int:
        """Read at `offset` and return the number of bytes; 0 at the end.

        Raises:
            NTStatusError: STATUS_FILE_DELETED.
            OSError: as the kernel says.
        """
        value = self._value()
        if not self.hold.is_there():  # asked afterwards: what was read before it went was its own
            raise NTStatusError(STATUS_FILE_DELETED, "the stream is gone")
        name = reference_of(value)
        if name is None:
            data = data_of(value)[offset : offset + len(view)]
            view[: len(data)] = data
            return len(data)
        try:
            return self._store.backend.preadv(self._side(name), (view,), offset)
        except FileNotFoundError:
            return 0

    def write(self, offset: int, view: memoryview) -> None:
        """Write all of `view`; a gap before it reads as zeros.

        Raises:
            NTStatusError: STATUS_FILE_DELETED.
            OSError: as the kernel says.
        """
        with self.hold.lock():
            value = self._value()
            name = reference_of(value)
            if name is None:
                old = data_of(value)
                end = offset + len(view)
                if max(end, len(old)) < self._store.limit:
                    new = bytearray(old)
                    if offset > len(new):
                        new.extend(bytes(offset - len(new)))
                    new[offset:end] = view
                    if self._put(bytes(new)):
                        return
                fd = self._spill(old)
            else:
                fd = self._writable_side(name)
            _write_all(self._store.backend, fd, offset, view)

    def truncate(self, size: int) -> None:
        """Set the end of file; an emptied stream returns to the attribute.

        Raises:
            NTStatusError: STATUS_FILE_DELETED.
            OSError: as the kernel says.
        """
        with self.hold.lock():
            value = self._value()
            name = reference_of(value)
            if name is None:
                old = data_of(value)
                if size == len(old):
                    return
                if size < self._store.limit and self._put(old[:size].ljust(size, END)):
                    return
                fd = self._spill(old[:size])
            elif not size and self._put(b""):
                self._drop_side(name)
                return
            else:
                fd = self._writable_side(name)
            self._store.backend.ftruncate(fd, size)

    def zero(self, start: int, length: int) -> None:
        """Make a range inside the stream zero.

        Raises:
            NTStatusError: STATUS_FILE_DELETED.
            OSError: as the kernel says.
        """
        while length > 0:
            count = min(length, _COPY)
            self.write(start, memoryview(bytes(count)))
            start += count
            length -= count

    def sync(self) -> None:
        """Force the contents in a side file to the disk; those in an attribute go with the file.

        Raises:
            OSError: as the kernel says.
        """
        name = reference_of(self._value())
        if name is not None:
            self._store.backend.fsync(self._side(name))

    def remove(self) -> None:
        """Remove the stream.

        Raises:
            OSError: as the kernel says.
        """
        self.close()
        self._store.remove(self._fd, self._base.ino, self.attribute)

    def rename(self, name: str) -> None:
        """Give the stream another name; what has that name is replaced.

        Raises:
            OSError: as the kernel says.
        """
        store = self._store
        attribute = store.attribute(name)
        if attribute != self.attribute:
            value = self._value()
            try:
                store.put(self._fd, attribute, value)
            except OSError as error:
                # No room for both: for a moment the stream has no name, and gets the old one back on failure.
                if error.errno not in TOO_LARGE:
                    raise
                store.drop(self._fd, self.attribute)
                try:
                    store.put(self._fd, attribute, value)
                except OSError:
                    store.put(self._fd, self.attribute, value)
                    raise
            else:
                store.drop(self._fd, self.attribute)
        self.attribute = attribute
        self.name = name


def _write_all(backend: PosixBackend, fd: int, offset: int, view: memoryview) -> None:
    while view:
        count = backend.pwrite(fd, view, offset)
        if not count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[count:]
        offset += count

"""Named streams in extended attributes, in the layout of Samba's module of the same name.

The stream ``name`` is the attribute ``user.DosStream.name:$DATA``; its value is the contents and one zero byte behind
them. A stream that outgrows what the file system stores in an attribute moves to a side file, and the attribute then
holds a reference to it: the only value that does not end in a zero byte. It stays there until it is emptied.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple

from vfs.fsa.names import component_to_str, to_unix
from vfs.modules import side_files
from vfs.modules.side_files import SideFiles
from vfs.posix import credentials

if TYPE_CHECKING:
    from vfs.posix.backend import PosixBackend
    from vfs.posix.syscalls import Stat

_log = logging.getLogger(__name__)

DEFAULT_PREFIX: Final = "user.DosStream."
_TYPE: Final = ":$DATA"
_END: Final = b"\0"
_REFERENCE: Final = b"pysmbd-side-file:"
XATTR_SIZE_MAX: Final = 65536
"""No Linux file system stores more in one attribute."""
XATTR_NAME_MAX: Final = 255
_TOO_LARGE: Final = frozenset({errno.E2BIG, errno.ENOSPC, errno.ERANGE})
_BLOCK: Final = 512
_UNIT: Final = 4096
"""Streams in attributes are said to take whole units of this size."""
_COPY: Final = 1 << 20
_NOT_STREAMS: Final = ("user.DOSATTRIB", "user.SAMBA_PAI")
"""Other attributes of the servers, which a short prefix would show as streams."""

Guard = Callable[[], AbstractContextManager[object]]


class StreamEntry(NamedTuple):
    """A named stream of a file: name without type, size and space taken."""

    name: str
    size: int
    allocation_size: int


def _reference(value: bytes) -> bytes | None:
    """Return the name of the side file that an attribute's value refers to, None if it is contents."""
    if value[-1:] != _END and value.startswith(_REFERENCE):
        name = value[len(_REFERENCE) :]
        if side_files.owner_of(name) is not None:
            return name
    return None


def _contents(value: bytes) -> bytes:
    return value[:-1] if value[-1:] == _END else value


def _allocation(size: int) -> int:
    return -(-size // _UNIT) * _UNIT


class StreamsXattr:
    """The named streams of one share's files.

    Args:
        backend: the share's file system.
        prefix: begins the names of the attributes (``streams_xattr:prefix``).
        store_type: the names end in ``:$DATA`` (``streams_xattr:store_stream_type``).
        case_sensitive: names of streams differ by case.
        limit: larger values go to side files untried.
    """

    __slots__ = ("_case_sensitive", "_suffix", "backend", "limit", "prefix", "side")

    def __init__(
        self,
        backend: PosixBackend,
        *,
        prefix: str = DEFAULT_PREFIX,
        store_type: bool = True,
        case_sensitive: bool = False,
        limit: int = XATTR_SIZE_MAX,
    ) -> None:
        self.backend = backend
        self.prefix = prefix
        self.limit = limit
        self.side = SideFiles(backend)
        self._suffix = _TYPE if store_type else ""
        self._case_sensitive = case_sensitive

    def attribute(self, name: str) -> str:
        """Return the name of the extended attribute of the stream `name`.

        Raises:
            OSError: ENAMETOOLONG.
        """
        attribute = self.prefix + os.fsdecode(to_unix(name)) + self._suffix
        if len(os.fsencode(attribute)) > XATTR_NAME_MAX:
            raise OSError(errno.ENAMETOOLONG, "the name of the stream is too long")
        return attribute

    def _attributes(self, fd: int) -> Iterator[tuple[str, str]]:
        """Yield the streams of a file: name and attribute."""
        prefix, suffix = self.prefix, self._suffix
        for attribute in self.backend.flistxattr(fd):
            if not attribute.startswith(prefix) or attribute in _NOT_STREAMS:
                continue
            name = attribute[len(prefix) :]
            if suffix:
                if name[-len(suffix) :].upper() != suffix:
                    continue
                name = name[: -len(suffix)]
            if name:
                yield component_to_str(os.fsencode(name)), attribute

    def find(self, fd: int, name: str) -> tuple[str, str] | None:
        """Return spelling and attribute of the stream `name`, None if the file has none of that name.

        Raises:
            OSError: the attributes cannot be listed.
        """
        folded = name.upper()
        found = None
        for spelled, attribute in self._attributes(fd):
            if spelled == name:
                return spelled, attribute
            if not self._case_sensitive and spelled.upper() == folded:
                found = spelled, attribute
        return found

    # What was granted when the stream was opened holds, whatever happens to the mode of its file afterwards.

    def get(self, fd: int, attribute: str) -> bytes | None:
        """Return the value of an attribute, None if it is not there.

        Raises:
            OSError: as the kernel says.
        """
        try:
            return self.backend.fgetxattr(fd, attribute)
        except PermissionError:
            with credentials.as_root():
                return self.backend.fgetxattr(fd, attribute)

    def put(self, fd: int, attribute: str, value: bytes) -> None:
        """Set an attribute.

        Raises:
            OSError: as the kernel says.
        """
        try:
            self.backend.fsetxattr(fd, attribute, value)
        except PermissionError:
            with credentials.as_root():
                self.backend.fsetxattr(fd, attribute, value)

    def drop(self, fd: int, attribute: str) -> None:
        """Remove an attribute.

        Raises:
            OSError: as the kernel says.
        """
        try:
            self.backend.fremovexattr(fd, attribute)
        except PermissionError:
            with credentials.as_root():
                self.backend.fremovexattr(fd, attribute)

    def entries(self, fd: int) -> list[StreamEntry]:
        """Return all named streams of a file.

        Raises:
            OSError: they cannot be read.
        """
        result = []
        for name, attribute in self._attributes(fd):
            value = self.get(fd, attribute)
            if value is None:
                continue
            side = _reference(value)
            if side is None:
                size = len(_contents(value))
                result.append(StreamEntry(name, size, _allocation(size)))
            else:
                stat = self.side.stat(side)
                result.append(StreamEntry(name, stat.size, stat.blocks * _BLOCK) if stat else StreamEntry(name, 0, 0))
        return result

    def create(self, fd: int, name: str) -> str:
        """Make an empty stream and return its attribute.

        Raises:
            FileExistsError: somebody else made it meanwhile.
            OSError: as the kernel says.
        """
        attribute = self.attribute(name)
        self.backend.fsetxattr(fd, attribute, _END, os.XATTR_CREATE)
        return attribute

    def side_files(self, fd: int, ino: int) -> list[bytes]:
        """Return the side files that belong to a file and go with it.

        Raises:
            OSError: the attributes cannot be read.
        """
        found = []
        for _, attribute in self._attributes(fd):
            value = self.get(fd, attribute)
            side = _reference(value) if value is not None else None
            if side is not None and side_files.owner_of(side) == ino:
                found.append(side)
        return found

    def remove_all(self, fd: int, ino: int) -> None:
        """Remove all named streams of a file, as overwriting it does.

        Raises:
            OSError: as the kernel says.
        """
        sides = self.side_files(fd, ino)
        for _, attribute in list(self._attributes(fd)):
            self.drop(fd, attribute)
        self.remove_side_files(sides)

    def remove_side_files(self, names: list[bytes]) -> None:
        """Remove what `side_files` returned; the file itself is gone, so a failure is only logged."""
        for name in names:
            try:
                self.side.remove(name)
            except OSError as error:
                _log.warning("side file %r stays: %s", name, error)


class XattrStream:
    """The contents of one stream, as an open of it sees them.

    Nothing is kept between two calls but the descriptor of a side file, so that all opens of all processes see the
    same. Changes happen under `guard`, the lock that the processes share; reading takes none.

    Attributes:
        name: as stored.
        attribute: the extended attribute.
    """

    __slots__ = ("_base", "_fd", "_guard", "_side_fd", "_side_name", "_store", "attribute", "name")

    def __init__(self, store: StreamsXattr, fd: int, base: Stat, name: str, attribute: str, guard: Guard) -> None:
        self._store = store
        self._fd = fd
        self._base = base
        self._guard = guard
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
        return _END if value is None else value

    def _put(self, contents: bytes) -> bool:
        """Store the contents in the attribute; False if it cannot hold them."""
        if len(contents) >= self._store.limit:
            return False
        try:
            self._store.put(self._fd, self.attribute, contents + _END)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
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
            _write_all(fd, 0, memoryview(contents))
            store.put(self._fd, self.attribute, _REFERENCE + name)
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
        """Return end of file and allocation size.

        Raises:
            OSError: as the kernel says.
        """
        value = self._value()
        name = _reference(value)
        if name is None:
            size = len(_contents(value))
            return size, _allocation(size)
        try:
            stat = os.fstat(self._side(name))
        except FileNotFoundError:
            return 0, 0
        return stat.st_size, stat.st_blocks * _BLOCK

    def read_into(self, offset: int, view: memoryview) -> int:
        """Read at `offset` and return the number of bytes; 0 at the end.

        Raises:
            OSError: as the kernel says.
        """
        value = self._value()
        name = _reference(value)
        if name is None:
            data = _contents(value)[offset : offset + len(view)]
            view[: len(data)] = data
            return len(data)
        try:
            return os.preadv(self._side(name), (view,), offset)
        except FileNotFoundError:
            return 0

    def write(self, offset: int, view: memoryview) -> None:
        """Write all of `view`; a gap before it reads as zeros.

        Raises:
            OSError: as the kernel says.
        """
        with self._guard():
            value = self._value()
            name = _reference(value)
            if name is None:
                old = _contents(value)
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
            _write_all(fd, offset, view)

    def truncate(self, size: int) -> None:
        """Set the end of file; an emptied stream returns to the attribute.

        Raises:
            OSError: as the kernel says.
        """
        with self._guard():
            value = self._value()
            name = _reference(value)
            if name is None:
                old = _contents(value)
                if size == len(old):
                    return
                if size < self._store.limit and self._put(old[:size].ljust(size, _END)):
                    return
                fd = self._spill(old[:size])
            elif not size and self._put(b""):
                self._drop_side(name)
                return
            else:
                fd = self._writable_side(name)
            os.ftruncate(fd, size)

    def zero(self, start: int, length: int) -> None:
        """Make a range inside the stream zero.

        Raises:
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
        name = _reference(self._value())
        if name is not None:
            os.fsync(self._side(name))

    def remove(self) -> None:
        """Remove the stream.

        Raises:
            OSError: as the kernel says.
        """
        name = _reference(self._value())
        self._store.drop(self._fd, self.attribute)
        if name is not None:
            self._drop_side(name)

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
                if error.errno not in _TOO_LARGE:
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


def _write_all(fd: int, offset: int, view: memoryview) -> None:
    while view:
        count = os.pwrite(fd, view, offset)
        if not count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[count:]
        offset += count

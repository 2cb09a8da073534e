"""Listing a directory: [MS-FSA] 2.1.5.6.3.

The names are read once, when the scan starts; the status of an entry only when its turn comes. What vanished by then
is left out.
"""

from __future__ import annotations

import errno
import os
import stat as stat_module
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from vfs.access import (
    FILE_APPEND_DATA,
    FILE_GENERIC_READ,
    FILE_LIST_DIRECTORY,
    FILE_WRITE_DATA,
    SYNCHRONIZE,
)
from vfs.constants import FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT
from vfs.fsa import access_check, allocation, attributes, ea, plain_entry, reparse, times
from vfs.fsa.lookup import resolve
from vfs.fsa.mangle import MANGLED_NO, MANGLED_YES, could_be_mangled, is_illegal, mangle, short_name
from vfs.fsa.names import check_pattern, component_to_str, to_unix
from vfs.fsa.stat import DirEntry, Entry
from vfs.fsa.wildcards import compile_expression, has_wildcards
from vfs.modules.side_files import DIRECTORY_NAME, hides
from vfs.ntstatus import STATUS_INVALID_PARAMETER, NTStatusError, from_oserror
from vfs.posix.backend import NoSuchName
from vfs.posix.names import to_bytes

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.posix.syscalls import Stat

__all__ = ["DirEntry", "DirectoryScan", "open_scan"]

_DOTS: Final = (".", "..")


def open_scan(
    fo: FileObject, pattern: str, *, with_short_names: bool = False, with_ea_size: bool = False
) -> DirectoryScan:
    """Start listing what matches `pattern`; an empty one means everything.

    Args:
        fo: an open directory.
        pattern: the search expression.
        with_short_names: fill in `DirEntry.short_name`.
        with_ea_size: fill in `DirEntry.ea_size`, which costs system calls for each entry.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER (no directory), STATUS_ACCESS_DENIED, STATUS_OBJECT_NAME_INVALID.
    """
    if not fo.is_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "not a directory")
    fo.require(FILE_LIST_DIRECTORY)
    return DirectoryScan(fo, pattern or "*", with_short_names=with_short_names, with_ea_size=with_ea_size)


def _nothing_is_plain(_name: str) -> Entry | None:
    return None


class DirectoryScan:
    """Iterator over the entries of one directory; keeps its place from query to query.

    Attributes:
        pattern: the search expression, fixed by the first query until `restart`.
        with_short_names: fill in short names; may change from query to query.
        with_ea_size: fill in the sizes of EAs; likewise.
        returned: whether `__next__` has ever given an entry since the start.
    """

    def __init__(self, fo: FileObject, pattern: str, *, with_short_names: bool, with_ea_size: bool) -> None:
        self._fo = fo
        self.with_short_names = with_short_names
        self.with_ea_size = with_ea_size
        options = fo.volume.options
        self._hides_inaccessible = options.hide_unreadable or options.hide_unwriteable_files
        self._translate = fo.volume.backend.shown_name
        self.restart(pattern)

    def restart(self, pattern: str | None = None) -> None:
        """Begin anew, with another pattern if one is given.

        Raises:
            NTStatusError: STATUS_OBJECT_NAME_INVALID, or what reading the directory said.
        """
        if pattern:
            check_pattern(pattern)
            self.pattern = pattern
        self.returned = False
        self._following = 0
        try:
            self._names = self._matching()
        except OSError as error:
            raise from_oserror(error, "list") from None

    def __iter__(self) -> Iterator[DirEntry]:
        return self

    def __next__(self) -> DirEntry:
        for entry in self.at_once():
            return DirEntry(*entry)
        raise StopIteration

    def at_once(self) -> Iterator[Entry]:
        """Iterate over entries in one go, in which nobody else changes the working directory: xattrs are read in it."""
        fd = self._fo.fd
        if fd < 0:
            return
        self._fo.follow()
        try:
            os.fchdir(fd)
        except OSError as error:
            raise from_oserror(error, "list") from None
        names, hides = self._names, self._hides_inaccessible
        plain = plain_entry.maker(self._fo.volume, fd, with_ea_size=self.with_ea_size)
        if plain is None or hides:
            plain = _nothing_is_plain
        for index in range(self._following, len(names)):
            self._following = index + 1
            name = names[index]
            try:
                entry = plain(name)
                if entry is None:
                    if hides and not self._is_accessible(name):
                        continue
                    entry = self._entry(name)
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.EACCES, errno.ELOOP, errno.ENOTDIR, errno.EXDEV}:
                    continue  # gone, or a link that leads nowhere
                raise from_oserror(error, "list") from None
            self.returned = True
            yield entry

    def push_back(self) -> None:
        """Begin with the entry that was given last at the next call: it did not fit."""
        self._following -= 1

    def _matching(self) -> list[str]:
        """Return the names to list: dot and dot-dot first, as NTFS does."""
        volume = self._fo.volume
        ignore_case = not volume.backend.case_sensitive
        self._fo.follow()
        if not has_wildcards(self.pattern):
            return self._single()
        matcher = compile_expression(self.pattern, ignore_case)
        everything = matcher is bool
        names = [name for name in (".", "..") if everything or matcher(name)]
        listed: list[str] = volume.backend.names_in(self._fo.fd)
        vetoed = volume.vetoed
        if vetoed is not None:
            listed = [name for name in listed if not vetoed(name)]
        if not self._fo.path and volume.streams is not None and DIRECTORY_NAME in listed:
            listed.remove(DIRECTORY_NAME)
        if not everything:
            listed = [name for name in listed if matcher(self._shown(name)) or self._short_matches(name)]
        return names + listed

    def _single(self) -> list[str]:
        """Return the one entry an expression without wildcards means; the directory is not read for it."""
        if self.pattern in {".", ".."}:
            return [self.pattern]
        fo = self._fo
        wanted = to_unix(self.pattern)
        if not fo.path and fo.volume.streams is not None and hides(wanted):
            return []
        if fo.volume.vetoed is not None and fo.volume.vetoed(self.pattern):
            return []
        try:
            found = resolve(fo.volume, fo.path + b"/" + wanted if fo.path else wanted)
        except NTStatusError:
            return []
        if isinstance(found, NoSuchName):
            return []
        name = os.fsdecode(found[found.rfind(b"/") + 1 :])
        disk_name = fo.volume.backend.disk_name
        return [name if disk_name is None else disk_name(name)]

    def _is_accessible(self, name: str) -> bool:
        """Tell whether `hide unreadable` and `hide unwriteable files` let the entry be seen; root sees everything.

        Raises:
            OSError: it cannot be looked at.
        """
        if name in {".", ".."}:
            return True
        fo = self._fo
        volume = fo.volume
        raw = to_bytes(name)
        fd = volume.backend.open(fo.path + b"/" + raw if fo.path else raw, os.O_PATH)
        try:
            stat = volume.backend.stat(fd)
            wanted = FILE_GENERIC_READ if volume.options.hide_unreadable else 0
            if volume.options.hide_unwriteable_files and not stat.is_directory:
                wanted |= FILE_WRITE_DATA | FILE_APPEND_DATA
            wanted &= ~SYNCHRONIZE
            return access_check.may(volume, fo.token, fd, stat, wanted)
        finally:
            os.close(fd)

    def _short_matches(self, name: str) -> bool:
        mode = self._fo.volume.options.mangled_names
        return mode != MANGLED_NO and could_be_mangled(self.pattern) and short_name(name, mode) == self.pattern.upper()

    def _shown(self, name: str) -> str:
        """Return the name a client sees for the on-disk `name`."""
        if self._translate is not None:
            name = self._translate(name)
        if not name.isascii():
            name = component_to_str(to_bytes(name))
        if self._fo.volume.options.mangled_names != MANGLED_NO and is_illegal(name):
            return mangle(name)
        return name

    def _entry(self, name: str) -> Entry:
        if name in _DOTS:
            return self._dot_entry(name)
        volume = self._fo.volume
        raw = to_bytes(name)
        stat = volume.backend.stat_at(self._fo.fd, raw)
        if stat.is_symlink:
            return self._link(name, raw, stat)
        stored, creation_time = attributes.load_at(volume, name, stat)
        ea_size = ea.size_of(volume, name) if self.with_ea_size and volume.options.ea_support else 0
        found = attributes.complete(volume, stat, raw, stored)
        return self._make(self._shown(name), raw, stat, found, creation_time, ea_size)

    def _link(self, name: str, raw: bytes, stat: Stat) -> Entry:
        """Return the entry of what a symbolic link leads to; to POSIX clients it is the link itself."""
        fo = self._fo
        volume = fo.volume
        flags = os.O_PATH | os.O_NOFOLLOW if volume.options.posix else os.O_PATH
        fd = volume.backend.open(fo.path + b"/" + raw if fo.path else raw, flags)
        try:
            stat = volume.backend.stat(fd)
            stored, creation_time = attributes.load_stored(volume, fd, stat)
        finally:
            os.close(fd)
        return self._make(
            self._shown(name), raw, stat, attributes.complete(volume, stat, raw, stored), creation_time, 0
        )

    def _dot_entry(self, name: str) -> Entry:
        fo = self._fo
        volume = fo.volume
        if name == "." or not fo.path:
            stat = volume.backend.stat(fo.fd)
            stored, creation_time = attributes.load_stored(volume, fo.fd, stat)
        else:
            fd = volume.backend.open(fo.path.rpartition(b"/")[0], os.O_PATH | os.O_DIRECTORY)
            try:
                stat = volume.backend.stat(fd)
                stored, creation_time = attributes.load_stored(volume, fd, stat)
            finally:
                os.close(fd)
        entry = self._make(name, b"", stat, stored | FILE_ATTRIBUTE_DIRECTORY, creation_time, 0)
        if name != "." and not fo.path:
            return *entry[:-1], None  # it is not this directory, and nothing of the share
        return entry

    def _make(
        self, shown: str, raw: bytes, stat: Stat, file_attributes: int, creation_time: int, ea_size: int
    ) -> Entry:
        volume = self._fo.volume
        access_time, write_time, change_time = times.to_filetimes(
            stat.atime_ns,
            times.round_down(stat.mtime_ns) if volume.options.dos_filetime_resolution else stat.mtime_ns,
            stat.ctime_ns,
        )
        directory = file_attributes & FILE_ATTRIBUTE_DIRECTORY
        reparse_tag = 0
        if file_attributes & FILE_ATTRIBUTE_REPARSE_POINT and raw:
            path = self._fo.path
            reparse_tag, kind = reparse.look_at_entry(volume, path + b"/" + raw if path else raw, stat)
            if kind and volume.options.posix:
                stat = msgspec.structs.replace(stat, mode=stat_module.S_IMODE(stat.mode) | kind)
        return (
            shown,
            self._short_name(shown) if self.with_short_names else "",
            creation_time,
            access_time,
            write_time,
            change_time,
            0 if directory else stat.size,
            0 if directory else allocation.of_data(volume, stat.size, stat.blocks),
            file_attributes,
            ea_size,
            stat.ino,
            reparse_tag,
            stat if volume.options.posix else None,
        )

    def _short_name(self, name: str) -> str:
        # Under `mangled names = illegal` only a mangled name would have one, and that is shown instead.
        if self._fo.volume.options.mangled_names != MANGLED_YES:
            return ""
        return short_name(name, MANGLED_YES)

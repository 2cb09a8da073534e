"""The model of an object store: operations of [MS-FSA] 2.1.5 on plain Python objects, without any server code.

An operation returns what a client sees, or raises `Refused` with the status. Where Windows and the specification leave
room, it is as smbtorture has it; where this server differs from both, docs/NTFS.md says so and so does the line here.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from typing import Final

from tests.model.objects.tree import File, Link, Open, Stream
from tests.model.rules import share_conflict
from vfs import ntstatus as nt
from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_SYSTEM,
    FILE_CREATE,
    FILE_CREATED,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NON_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPENED,
    FILE_OVERWRITE,
    FILE_OVERWRITE_IF,
    FILE_OVERWRITTEN,
    FILE_SHARE_DELETE,
    FILE_SUPERSEDE,
    FILE_SUPERSEDED,
    FILETIME_FREEZE,
    FILETIME_OMIT,
    FILETIME_THAW,
)

READ_DATA: Final = 0x1
WRITE_DATA: Final = 0x2
APPEND_DATA: Final = 0x4
READ_EA: Final = 0x8
WRITE_EA: Final = 0x10
READ_ATTRIBUTES: Final = 0x80
WRITE_ATTRIBUTES: Final = 0x100
DELETE: Final = 0x10000

_OVERWRITES: Final = frozenset({FILE_SUPERSEDE, FILE_OVERWRITE, FILE_OVERWRITE_IF})
_MUST_EXIST: Final = frozenset({FILE_OPEN, FILE_OVERWRITE})
_SETTABLE: Final = FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_ARCHIVE
_KEPT: Final = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM
_SPECIAL_TIMES: Final = frozenset({FILETIME_OMIT, FILETIME_FREEZE, FILETIME_THAW})


class Refused(Exception):  # noqa: N818 - a status, not an error of ours
    """An operation fails with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(nt.status_name(status))
        self.status = status


def _refuse_if(condition: object, status: int) -> None:
    if condition:
        raise Refused(status)


class Store:
    """A volume.

    Attributes:
        root: its root directory.
    """

    def __init__(self) -> None:
        self.root = File(directory=True)

    # -- names ---------------------------------------------------------------------------------------------

    def _directory(self, components: Iterable[str]) -> File:
        directory = self.root
        for name in components:
            link = directory.entries.get(name.lower())
            _refuse_if(link is None or not link.file.directory, nt.STATUS_OBJECT_PATH_NOT_FOUND)
            assert link is not None
            directory = link.file
        return directory

    def _find(self, path: str) -> tuple[File, str, Link | None]:
        *head, last = path.split("\\")
        parent = self._directory(head)
        return parent, last, parent.entries.get(last.lower())

    # -- 2.1.5.1 open --------------------------------------------------------------------------------------

    def open(
        self,
        client: int,
        path: str,
        stream: str,
        access: int,
        share: int,
        disposition: int,
        options: int,
        attributes: int,
    ) -> tuple[Open, int]:
        """Return the open and the create action."""
        if options & FILE_DIRECTORY_FILE:
            excluded = options & FILE_NON_DIRECTORY_FILE or disposition in _OVERWRITES
            _refuse_if(excluded, nt.STATUS_INVALID_PARAMETER)
        _refuse_if(options & FILE_DELETE_ON_CLOSE and not access & DELETE, nt.STATUS_ACCESS_DENIED)
        creates_read_only = attributes & FILE_ATTRIBUTE_READONLY and disposition not in _MUST_EXIST
        _refuse_if(options & FILE_DELETE_ON_CLOSE and creates_read_only, nt.STATUS_CANNOT_DELETE)
        _refuse_if(stream and options & FILE_DIRECTORY_FILE, nt.STATUS_NOT_A_DIRECTORY)
        parent, name, link = self._find(path)
        if link is None:
            _refuse_if(disposition in _MUST_EXIST, nt.STATUS_OBJECT_NAME_NOT_FOUND)
            return self._create(client, parent, name, stream, access, share, options, attributes), FILE_CREATED
        if stream:
            return self._open_stream(client, link, stream, access, share, disposition, options, attributes)
        return self._open_file(client, link, access, share, disposition, options, attributes)

    def _create(
        self, client: int, parent: File, name: str, stream: str, access: int, share: int, options: int, attributes: int
    ) -> Open:
        self._check_stays(parent)
        directory = bool(options & FILE_DIRECTORY_FILE)
        file = File(directory, attributes & _SETTABLE | (0 if directory else FILE_ATTRIBUTE_ARCHIVE))
        link = Link(parent, name, file)
        link.appear()
        if stream:
            file.streams[stream.lower()] = Stream(stream)
        return self._enter(client, link, file.streams[stream.lower()], access, share, options)

    @staticmethod
    def _check_stays(parent: File) -> None:
        _refuse_if(any(link.delete_pending for link in parent.links), nt.STATUS_DELETE_PENDING)

    @staticmethod
    def _enter(client: int, link: Link, stream: Stream, access: int, share: int, options: int) -> Open:
        opened = Open(client, link, stream, access, share, bool(options & FILE_DELETE_ON_CLOSE))
        link.file.opens.append(opened)
        return opened

    @staticmethod
    def _check_sharing(file: File, stream: Stream, access: int, share: int) -> None:
        """2.1.5.1.2.2; who opens a file for deletion would delete its streams, too."""
        for other in file.opens:
            if other.stream is stream:
                conflict = share_conflict(access, share, other.access, other.share)
            else:
                conflict = not stream.name and access & DELETE and not other.share & FILE_SHARE_DELETE
            _refuse_if(conflict, nt.STATUS_SHARING_VIOLATION)

    @staticmethod
    def _check_attributes(file: File, access: int, disposition: int, options: int, attributes: int) -> None:
        if file.attributes & FILE_ATTRIBUTE_READONLY:
            writes = access & (WRITE_DATA | APPEND_DATA) and not file.directory
            _refuse_if(writes, nt.STATUS_ACCESS_DENIED)
            _refuse_if(options & FILE_DELETE_ON_CLOSE, nt.STATUS_CANNOT_DELETE)
        if disposition in _OVERWRITES:
            _refuse_if(file.attributes & FILE_ATTRIBUTE_READONLY, nt.STATUS_ACCESS_DENIED)
            _refuse_if(file.attributes & _KEPT & ~attributes, nt.STATUS_ACCESS_DENIED)

    def _open_file(
        self, client: int, link: Link, access: int, share: int, disposition: int, options: int, attributes: int
    ) -> tuple[Open, int]:
        file = link.file
        _refuse_if(disposition == FILE_CREATE, nt.STATUS_OBJECT_NAME_COLLISION)
        if file.directory:
            _refuse_if(options & FILE_NON_DIRECTORY_FILE, nt.STATUS_FILE_IS_A_DIRECTORY)
            _refuse_if(disposition in _OVERWRITES, nt.STATUS_INVALID_PARAMETER)
        else:
            _refuse_if(options & FILE_DIRECTORY_FILE, nt.STATUS_NOT_A_DIRECTORY)
        self._check_attributes(file, access, disposition, options, attributes)
        _refuse_if(link.delete_pending, nt.STATUS_DELETE_PENDING)
        main = file.streams[""]
        self._check_sharing(file, main, access, share)
        opened = self._enter(client, link, main, access, share, options)
        if disposition not in _OVERWRITES:
            return opened, FILE_OPENED
        main.data.clear()
        # Those that are open live on until they are closed.
        file.streams = {"": main}
        file.attributes = attributes & _SETTABLE | FILE_ATTRIBUTE_ARCHIVE
        file.write_time = None
        file.eas.clear()
        if disposition == FILE_SUPERSEDE:
            file.creation_time = None
            return opened, FILE_SUPERSEDED
        return opened, FILE_OVERWRITTEN

    def _open_stream(
        self,
        client: int,
        link: Link,
        name: str,
        access: int,
        share: int,
        disposition: int,
        options: int,
        attributes: int,
    ) -> tuple[Open, int]:
        file = link.file
        stream = file.streams.get(name.lower())
        if stream is None:
            _refuse_if(disposition in _MUST_EXIST, nt.STATUS_OBJECT_NAME_NOT_FOUND)
            _refuse_if(file.attributes & FILE_ATTRIBUTE_READONLY, nt.STATUS_ACCESS_DENIED)
            _refuse_if(link.delete_pending, nt.STATUS_DELETE_PENDING)
            stream = file.streams[name.lower()] = Stream(name)
            return self._enter(client, link, stream, access, share, options), FILE_CREATED
        _refuse_if(disposition == FILE_CREATE, nt.STATUS_OBJECT_NAME_COLLISION)
        self._check_attributes(file, access, disposition, options, attributes)
        _refuse_if(link.delete_pending or stream.delete_pending, nt.STATUS_DELETE_PENDING)
        self._check_sharing(file, stream, access, share)
        opened = self._enter(client, link, stream, access, share, options)
        if disposition not in _OVERWRITES:
            return opened, FILE_OPENED
        stream.data.clear()
        return opened, FILE_SUPERSEDED if disposition == FILE_SUPERSEDE else FILE_OVERWRITTEN

    # -- 2.1.5.5 close -------------------------------------------------------------------------------------

    def close(self, opened: Open) -> None:
        """Close; the last close of what is delete-pending removes it."""
        file, link, stream = opened.file, opened.link, opened.stream
        file.opens.remove(opened)
        if opened.delete_on_close:
            if opened.main:
                link.delete_pending = True
            else:
                stream.delete_pending = True
        if not opened.main and stream.delete_pending and not any(one.stream is stream for one in file.opens):
            stream.delete_pending = False
            if file.streams.get(stream.name.lower()) is stream:
                del file.streams[stream.name.lower()]
        if link.delete_pending and not any(one.link is link for one in file.opens):
            link.delete_pending = False
            if not file.entries:
                link.vanish()

    # -- 2.1.5.2, 2.1.5.3 contents -------------------------------------------------------------------------

    @staticmethod
    def read(opened: Open, offset: int, length: int) -> bytes:
        """Return what is there."""
        _refuse_if(opened.main and opened.file.directory, nt.STATUS_INVALID_DEVICE_REQUEST)
        _refuse_if(not opened.access & READ_DATA, nt.STATUS_ACCESS_DENIED)
        _refuse_if(opened.gone and length, nt.STATUS_FILE_DELETED)
        data = bytes(opened.stream.data[offset : offset + length])
        _refuse_if(not data and length, nt.STATUS_END_OF_FILE)
        return data

    def write(self, opened: Open, offset: int, data: bytes) -> int:
        """Return the number of bytes written."""
        _refuse_if(opened.main and opened.file.directory, nt.STATUS_INVALID_DEVICE_REQUEST)
        _refuse_if(not opened.access & WRITE_DATA, nt.STATUS_ACCESS_DENIED)
        if data:
            _refuse_if(opened.gone, nt.STATUS_FILE_DELETED)
            contents = opened.stream.data
            contents.extend(bytes(max(0, offset - len(contents))))
            contents[offset : offset + len(data)] = data
            self._modified(opened)
        return len(data)

    @staticmethod
    def _modified(opened: Open) -> None:
        opened.file.attributes |= FILE_ATTRIBUTE_ARCHIVE
        if not opened.sticky_write_time:
            opened.file.write_time = None

    def set_end_of_file(self, opened: Open, size: int) -> None:
        """2.1.5.15.4."""
        _refuse_if(not opened.access & WRITE_DATA, nt.STATUS_ACCESS_DENIED)
        _refuse_if(opened.main and opened.file.directory, nt.STATUS_INVALID_PARAMETER)
        _refuse_if(opened.gone, nt.STATUS_FILE_DELETED)
        contents = opened.stream.data
        del contents[size:]
        contents.extend(bytes(size - len(contents)))
        self._modified(opened)

    # -- 2.1.5.15 set --------------------------------------------------------------------------------------

    @staticmethod
    def set_basic(opened: Open, creation_time: int, write_time: int, attributes: int) -> None:
        """2.1.5.15.2."""
        _refuse_if(not opened.access & WRITE_ATTRIBUTES, nt.STATUS_ACCESS_DENIED)
        file = opened.file
        if attributes:
            is_directory = file.directory and opened.main
            _refuse_if(attributes & FILE_ATTRIBUTE_DIRECTORY and not is_directory, nt.STATUS_INVALID_PARAMETER)
            file.attributes = attributes & _SETTABLE
        if creation_time not in _SPECIAL_TIMES:
            file.creation_time = creation_time
        if write_time not in _SPECIAL_TIMES:
            file.write_time = write_time
        if write_time != FILETIME_OMIT:
            opened.sticky_write_time = write_time != FILETIME_THAW

    @staticmethod
    def set_disposition(opened: Open, delete: bool) -> None:
        """2.1.5.15.3."""
        _refuse_if(not opened.access & DELETE, nt.STATUS_ACCESS_DENIED)
        if delete:
            _refuse_if(opened.file.attributes & FILE_ATTRIBUTE_READONLY, nt.STATUS_CANNOT_DELETE)
            _refuse_if(opened.main and opened.file.entries, nt.STATUS_DIRECTORY_NOT_EMPTY)
        _refuse_if(opened.gone, nt.STATUS_FILE_DELETED)
        if opened.main:
            opened.link.delete_pending = delete
        else:
            opened.stream.delete_pending = delete

    @staticmethod
    def set_ea(opened: Open, name: bytes, value: bytes) -> None:
        """2.1.5.15.5; an empty value removes."""
        _refuse_if(not opened.access & WRITE_EA, nt.STATUS_ACCESS_DENIED)
        opened.file.eas.pop(name, None)
        if value:
            opened.file.eas[name] = value

    def rename(self, opened: Open, new_path: str, replace: bool) -> None:
        """2.1.5.15.12, of files and directories."""
        _refuse_if(not opened.access & DELETE, nt.STATUS_ACCESS_DENIED)
        file, link = opened.file, opened.link
        parent, name, target = self._find(new_path)
        if target is link:
            if name == link.name:
                return
        elif target is not None:
            self._check_replace(target, replace)
        if file.directory:
            _refuse_if(parent is file or parent in file.below(), nt.STATUS_ACCESS_DENIED)
            _refuse_if(any(one.opens for one in file.below()), nt.STATUS_ACCESS_DENIED)
            _refuse_if(target not in {None, link}, nt.STATUS_ACCESS_DENIED)
        _refuse_if(any(not one.main for one in file.opens), nt.STATUS_ACCESS_DENIED)
        self._check_stays(parent)
        self._check_parent(opened, parent)
        if target is not None and target is not link:
            target.vanish()
        link.vanish()
        link.parent, link.name = parent, name
        link.appear()

    @staticmethod
    def _check_parent(opened: Open, parent: File) -> None:
        """DEVIATION (vfs.fsa.rename): only opens of the same client keep their directory from getting a new name."""
        held = any(one.main and one.access & DELETE and one.client == opened.client for one in parent.opens)
        _refuse_if(held, nt.STATUS_SHARING_VIOLATION)

    @staticmethod
    def _check_replace(target: Link, replace: bool) -> None:
        _refuse_if(not replace, nt.STATUS_OBJECT_NAME_COLLISION)
        _refuse_if(target.file.directory, nt.STATUS_ACCESS_DENIED)
        _refuse_if(target.file.attributes & FILE_ATTRIBUTE_READONLY, nt.STATUS_ACCESS_DENIED)
        _refuse_if(target.file.opens, nt.STATUS_ACCESS_DENIED)

    def rename_stream(self, opened: Open, name: str, replace: bool) -> None:
        """2.1.5.15.12 of a named stream, which keeps its file.

        DEVIATION (docs/STREAMS.md): not while somebody else has it open.
        """
        _refuse_if(not opened.access & DELETE, nt.STATUS_ACCESS_DENIED)
        file, stream = opened.file, opened.stream
        if name == stream.name:
            return
        _refuse_if(opened.gone, nt.STATUS_FILE_DELETED)
        _refuse_if(sum(one.stream is stream for one in file.opens) > 1, nt.STATUS_SHARING_VIOLATION)
        if name.lower() != stream.name.lower():
            target = file.streams.get(name.lower())
            if target is not None:
                _refuse_if(not replace, nt.STATUS_OBJECT_NAME_COLLISION)
                is_open = any(one.stream is target for one in file.opens)
                _refuse_if(target.data or is_open, nt.STATUS_INVALID_PARAMETER)
        del file.streams[stream.name.lower()]
        stream.name = name
        file.streams[name.lower()] = stream

    def link(self, opened: Open, new_path: str, replace: bool) -> None:
        """2.1.5.15.7."""
        _refuse_if(not opened.main, nt.STATUS_INVALID_PARAMETER)
        _refuse_if(opened.file.directory, nt.STATUS_FILE_IS_A_DIRECTORY)
        parent, name, target = self._find(new_path)
        if target is not None:
            if target.file is opened.file and replace:
                return
            self._check_replace(target, replace)
            name = target.name
        self._check_stays(parent)
        if target is not None:
            target.vanish()
        Link(parent, name, opened.file).appear()

    # -- 2.1.5.12 query ------------------------------------------------------------------------------------

    @staticmethod
    def query(opened: Open) -> dict[str, object]:
        """What FileAllInformation tells."""
        _refuse_if(not opened.access & READ_ATTRIBUTES, nt.STATUS_ACCESS_DENIED)
        file, stream = opened.file, opened.stream
        directory = file.directory and opened.main
        pending = opened.link.delete_pending if opened.main else stream.delete_pending or opened.gone
        return {
            "name": "\\" + opened.link.path + ("" if opened.main else f":{stream.name}"),
            "attributes": shown(file, directory),
            "end_of_file": 0 if directory or opened.gone else len(stream.data),
            "links": len(file.links) - pending,
            "delete_pending": pending,
            "directory": directory,
            "access": opened.access,
            "creation_time": file.creation_time,
            "write_time": file.write_time,
        }

    @staticmethod
    def streams(opened: Open) -> dict[str, int]:
        """Names and sizes as in FileStreamInformation."""
        return {
            f":{stream.name}:$DATA": len(stream.data)
            for stream in opened.file.streams.values()
            if stream.name or not opened.file.directory
        }

    @staticmethod
    def eas(opened: Open) -> dict[bytes, bytes]:
        """The extended attributes."""
        _refuse_if(not opened.access & READ_EA, nt.STATUS_ACCESS_DENIED)
        _refuse_if(not opened.file.eas, nt.STATUS_NO_EAS_ON_FILE)
        return dict(opened.file.eas)

    @staticmethod
    def enumerate(opened: Open, pattern: str) -> dict[str, tuple[int, int]]:
        """2.1.5.6.3: attributes and sizes of what is in a directory, by name."""
        _refuse_if(not opened.main or not opened.file.directory, nt.STATUS_INVALID_PARAMETER)
        _refuse_if(not opened.access & READ_DATA, nt.STATUS_ACCESS_DENIED)
        found = {
            link.name: (shown(link.file, link.file.directory), len(link.file.streams[""].data))
            for link in opened.file.entries.values()
            if fnmatch.fnmatchcase(link.name.lower(), pattern.lower())
        }
        # The entries "." and ".." are there, too.
        _refuse_if(not found and pattern not in {"*", "?"}, nt.STATUS_NO_SUCH_FILE)
        return found


def shown(file: File, directory: bool) -> int:
    """The attributes that a client sees."""
    if directory:
        return file.attributes | FILE_ATTRIBUTE_DIRECTORY
    return file.attributes or FILE_ATTRIBUTE_NORMAL

"""File information classes of [MS-FSCC] 2.4 with a name in them: names, rename, link, all, hard links.

Rename and link are those of "Type 2", the ones that SMB2 uses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import ClassVar, Final, Self

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.errors import WireError
from smbd.wire.fscc.chain import pack_chain, walk_chain
from vfs import constants

_LENGTH: Final = struct.Struct("<I")
# ReplaceIfExists or Flags, Reserved, RootDirectory, FileNameLength
_RENAME: Final = struct.Struct("<?7xQI")
_RENAME_EX: Final = struct.Struct("<I4xQI")
_RENAME_MINIMUM: Final = 24  # what Windows makes of the shortest one
_HARD_LINKS: Final = struct.Struct("<II")  # BytesNeeded, EntriesReturned
_HARD_LINK: Final = struct.Struct("<4x4xQI")  # NextEntryOffset, Reserved, ParentFileId, FileNameLength
_HARD_LINK_ALIGNMENT: Final = 8


def _name(data: Buffer, at: int, length: int) -> str:
    if at + length > len(data):
        raise WireError("name outside of the information")
    return decode_utf16(data[at : at + length])


class _NameInformation(msgspec.Struct, gc=False):
    name: str

    def pack(self) -> bytes:
        """Return the bytes."""
        name = encode_utf16(self.name)
        return _LENGTH.pack(len(name)) + name

    @classmethod
    def unpack(cls, data: Buffer) -> Self:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _LENGTH.size:
            raise WireError(f"{cls.__name__} too short")
        return cls(_name(data, _LENGTH.size, _LENGTH.unpack_from(data)[0]))


class FileNameInformation(_NameInformation, gc=False):
    """The path of the file."""

    info_class: ClassVar[int] = constants.FileNameInformation


class FileAlternateNameInformation(_NameInformation, gc=False):
    """The 8.3 name of the file."""

    info_class: ClassVar[int] = constants.FileAlternateNameInformation


class FileNormalizedNameInformation(_NameInformation, gc=False):
    """The path of the file with nothing abbreviated, relative to the share."""

    info_class: ClassVar[int] = constants.FileNormalizedNameInformation


class FileShortNameInformation(_NameInformation, gc=False):
    """The 8.3 name to give to the file."""

    info_class: ClassVar[int] = constants.FileShortNameInformation


class _TargetInformation(msgspec.Struct, gc=False):
    file_name: str
    replace_if_exists: bool = False
    root_directory: int = 0

    def pack(self) -> bytes:
        """Return the bytes."""
        name = encode_utf16(self.file_name)
        fixed = _RENAME.pack(self.replace_if_exists, self.root_directory, len(name))
        return (fixed + name).ljust(_RENAME_MINIMUM, b"\0")

    @classmethod
    def unpack(cls, data: Buffer) -> Self:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _RENAME.size:
            raise WireError(f"{cls.__name__} too short")
        replace, root, length = _RENAME.unpack_from(data)
        return cls(_name(data, _RENAME.size, length), replace, root)


class FileRenameInformation(_TargetInformation, gc=False):
    """The new path, relative to the share."""

    info_class: ClassVar[int] = constants.FileRenameInformation


class FileLinkInformation(_TargetInformation, gc=False):
    """The path of the new link, relative to the share."""

    info_class: ClassVar[int] = constants.FileLinkInformation


class FileRenameInformationEx(msgspec.Struct, gc=False):
    """Rename with FILE_RENAME_* flags in place of ReplaceIfExists."""

    info_class: ClassVar[int] = constants.FileRenameInformationEx

    file_name: str
    flags: int = 0
    root_directory: int = 0

    def pack(self) -> bytes:
        """Return the bytes."""
        name = encode_utf16(self.file_name)
        return (_RENAME_EX.pack(self.flags, self.root_directory, len(name)) + name).ljust(_RENAME_MINIMUM, b"\0")

    @classmethod
    def unpack(cls, data: Buffer) -> FileRenameInformationEx:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _RENAME_EX.size:
            raise WireError("FileRenameInformationEx too short")
        flags, root, length = _RENAME_EX.unpack_from(data)
        return cls(_name(data, _RENAME_EX.size, length), flags, root)


class FileAllInformation(msgspec.Struct, gc=False):
    """Basic, Standard, Internal, Ea, Access, Position, Mode, Alignment and Name in one.

    Attributes:
        status: Basic, Standard and Internal, as they are by themselves.
        rest: what comes between these and `name`, the last of it the name's length in bytes.
        layout: both.
    """

    status = struct.Struct("<QQQQI4xQQI??2xQ")
    rest = struct.Struct("<IIQIII")
    layout = struct.Struct("<QQQQI4xQQI??2xQIIQIII")
    info_class: ClassVar[int] = constants.FileAllInformation

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    file_attributes: int
    allocation_size: int
    end_of_file: int
    number_of_links: int
    delete_pending: bool
    directory: bool
    index_number: int
    ea_size: int
    access_flags: int
    current_byte_offset: int
    mode: int
    alignment_requirement: int
    name: str

    def pack(self) -> bytes:
        """Return the bytes."""
        name = encode_utf16(self.name)
        return self.layout.pack(*msgspec.structs.astuple(self)[:-1], len(name)) + name

    @classmethod
    def unpack(cls, data: Buffer) -> FileAllInformation:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < cls.layout.size:
            raise WireError("FileAllInformation too short")
        fields = cls.layout.unpack_from(data)
        return cls(*(*fields[:-1], _name(data, cls.layout.size, fields[-1])))


class HardLink(msgspec.Struct, gc=False):
    """FILE_LINK_ENTRY_INFORMATION: a link's name and the number of its directory."""

    parent_file_id: int
    name: str


class FileHardLinkInformation(msgspec.Struct, gc=False):
    """The hard links of a file."""

    info_class: ClassVar[int] = constants.FileHardLinkInformation

    links: list[HardLink]
    bytes_needed: int | None = None

    def pack(self) -> bytes:
        """Return the bytes; bytes_needed defaults to their number."""
        chain = _pack_links(self.links)
        needed = _HARD_LINKS.size + len(chain) if self.bytes_needed is None else self.bytes_needed
        return _HARD_LINKS.pack(needed, len(self.links)) + chain

    @classmethod
    def unpack(cls, data: Buffer) -> FileHardLinkInformation:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _HARD_LINKS.size:
            raise WireError("FileHardLinkInformation too short")
        needed, count = _HARD_LINKS.unpack_from(data)
        links = []
        if count:
            for entry in walk_chain(data[_HARD_LINKS.size :], _HARD_LINK.size, _HARD_LINK_ALIGNMENT):
                parent, characters = _HARD_LINK.unpack_from(entry)
                links.append(HardLink(parent, _name(entry, _HARD_LINK.size, 2 * characters)))
        if len(links) != count:
            raise WireError("FileHardLinkInformation: wrong number of links")
        return cls(links, needed)


def _pack_links(links: Iterable[HardLink]) -> bytes:
    entries = []
    for link in links:
        name = encode_utf16(link.name)
        # Unlike elsewhere this length counts characters.
        entries.append(_HARD_LINK.pack(link.parent_file_id, len(name) // 2) + name)
    return pack_chain(entries, _HARD_LINK_ALIGNMENT)

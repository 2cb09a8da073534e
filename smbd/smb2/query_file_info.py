"""File information classes ([MS-FSCC] 2.4) from what the object store says of an open."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Final, TypeAlias

from smbd.rpc.pipe import Pipe
from smbd.wire.buffer import Buffer
from smbd.wire.fixed import Fixed
from smbd.wire.fscc import file_info, name_info
from smbd.wire.fscc.ea import FullEaInformation, pack_full_ea, unpack_get_ea
from smbd.wire.fscc.stream import StreamInformation, pack_streams
from vfs import constants
from vfs.access import FILE_READ_ATTRIBUTES, FILE_READ_EA
from vfs.fsa import ea, query_info
from vfs.fsa.file_object import FileObject
from vfs.fsa.stat import FileStat
from vfs.ntstatus import (
    STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_INFO_CLASS,
    STATUS_NO_EAS_ON_FILE,
    STATUS_OBJECT_NAME_NOT_FOUND,
    NTStatusError,
)

#: The bytes of an information and how many of them are its fixed part.
Information: TypeAlias = tuple[Buffer, int]
#: What makes the bytes of a class of the open, the size of the client's buffer and the input; how large that buffer has
#: to be at least; and the access that the open needs.
FileClass: TypeAlias = tuple[Callable[[FileObject, int, Buffer], Buffer], int, int]

_encode_utf_16_le = codecs.utf_16_le_encode

# Sizes of the C structures with one character of name, which is how Windows tells whether a buffer will do.
_NAME_FIXED: Final = 8
_ALL_FIXED: Final = 104
_STREAM_FIXED: Final = 32
_EA_FIXED: Final = 4
_PIPE_TYPE_MESSAGE: Final = 1
_PIPE_CONFIGURATION_FULL_DUPLEX: Final = 2
_PIPE_CONNECTED: Final = 3
_PIPE_END_SERVER: Final = 1
_PIPE_QUOTA: Final = 4096
_UNLIMITED: Final = 0xFFFFFFFF

_BASIC: Final = file_info.FileBasicInformation.layout
_STANDARD: Final = file_info.FileStandardInformation.layout
_INTERNAL: Final = file_info.FileInternalInformation.layout
_STANDARD_AT: Final = _BASIC.size
_INTERNAL_AT: Final = _BASIC.size + _STANDARD.size
_EA: Final = file_info.FileEaInformation.layout
_ACCESS: Final = file_info.FileAccessInformation.layout
_POSITION: Final = file_info.FilePositionInformation.layout
_MODE: Final = file_info.FileModeInformation.layout
_ALIGNMENT: Final = file_info.FileAlignmentInformation.layout
_BASIC_STANDARD_INTERNAL: Final = name_info.FileAllInformation.status
_EA_TO_NAME: Final = name_info.FileAllInformation.rest
_NETWORK_OPEN: Final = file_info.FileNetworkOpenInformation.layout
_ATTRIBUTE_TAG: Final = file_info.FileAttributeTagInformation.layout
_COMPRESSION: Final = file_info.FileCompressionInformation.layout
_ID: Final = file_info.FileIdInformation.layout
_STANDARD_LINK: Final = file_info.FileStandardLinkInformation.layout


def whole(information: Fixed) -> Information:
    """Return an information that has only fixed fields: it fits whole or not at all."""
    data = information.pack()
    return data, len(data)


def _status(stat: FileStat) -> bytes:
    """Return FileBasicInformation, FileStandardInformation and FileInternalInformation behind one another.

    As long as nothing changes a file has the same status, and that is packed once.
    """
    stat.packed = _BASIC_STANDARD_INTERNAL.pack(
        stat.creation_time, stat.last_access_time, stat.last_write_time, stat.change_time, stat.file_attributes,
        stat.allocation_size, stat.end_of_file, stat.number_of_links, stat.delete_pending, stat.directory,
        stat.index_number,
    )  # fmt: skip
    return stat.packed


def _basic(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    stat = query_info.stat(file)
    return (stat.packed or _status(stat))[:_STANDARD_AT]


def _standard(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    stat = query_info.stat(file)
    return (stat.packed or _status(stat))[_STANDARD_AT:_INTERNAL_AT]


def _internal(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    stat = query_info.stat(file)
    return (stat.packed or _status(stat))[_INTERNAL_AT:]


def _ea_size(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    return _EA.pack(query_info.ea_size(file))


def _access(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    return _ACCESS.pack(file.granted_access)


def _position(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    return _POSITION.pack(file.position)


def _mode(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    return _MODE.pack(file.mode)


def _alignment(_file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    return _ALIGNMENT.pack(query_info.FILE_BYTE_ALIGNMENT)


def _all(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    stat = query_info.stat(file, True)
    name = _encode_utf_16_le("\\" + file.name, "surrogatepass")[0]
    of_open = _EA_TO_NAME.pack(
        stat.ea_size, file.granted_access, file.position, file.mode, query_info.FILE_BYTE_ALIGNMENT, len(name)
    )
    return (stat.packed or _status(stat)) + of_open + name


def _network_open(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    stat = query_info.stat(file)
    return _NETWORK_OPEN.pack(
        stat.creation_time,
        stat.last_access_time,
        stat.last_write_time,
        stat.change_time,
        stat.allocation_size,
        stat.end_of_file,
        stat.file_attributes,
    )


def _attribute_tag(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    stat = query_info.stat(file)
    return _ATTRIBUTE_TAG.pack(stat.file_attributes, query_info.reparse_point(file)[0])


def _compression(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    stat = query_info.stat(file)
    return file_info.FileCompressionInformation(min(stat.end_of_file, stat.allocation_size)).pack()


def _id(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    return _ID.pack(file.file_id.dev, file.file_id.ino)


def _standard_link(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    stat = query_info.stat(file)
    return _STANDARD_LINK.pack(stat.number_of_links, stat.number_of_links, stat.delete_pending, stat.directory)


def _alternate_name(file: FileObject, _wanted: int, _given: Buffer) -> bytes:
    name = query_info.alternate_name(file)
    if not name:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no short name")
    return name_info.FileAlternateNameInformation(name).pack()


def _streams(file: FileObject, wanted: int, _given: Buffer) -> bytes:
    streams = [StreamInformation(one.name, one.size, one.allocation_size) for one in query_info.streams(file)]
    if streams and wanted < _STREAM_FIXED:
        raise NTStatusError(STATUS_INFO_LENGTH_MISMATCH, f"{_STREAM_FIXED} bytes at least")
    return pack_streams(streams)


def _full_ea(file: FileObject, _wanted: int, given: Buffer) -> bytes:
    """[MS-SMB2] 3.3.5.20.1: all extended attributes, or those that the input names."""
    names = unpack_get_ea(given) if given else None
    found = ea.query(file, names)
    if not found:
        raise NTStatusError(STATUS_NO_EAS_ON_FILE)
    return pack_full_ea([FullEaInformation(one.name, one.value, one.flags) for one in found])


CLASSES: Final[dict[int, FileClass]] = {
    constants.FileBasicInformation: (_basic, _BASIC.size, FILE_READ_ATTRIBUTES),
    constants.FileStandardInformation: (_standard, _STANDARD.size, 0),
    constants.FileInternalInformation: (_internal, _INTERNAL.size, 0),
    constants.FileEaInformation: (_ea_size, _EA.size, 0),
    constants.FileAccessInformation: (_access, _ACCESS.size, 0),
    constants.FilePositionInformation: (_position, _POSITION.size, 0),
    constants.FileModeInformation: (_mode, _MODE.size, 0),
    constants.FileAlignmentInformation: (_alignment, _ALIGNMENT.size, 0),
    constants.FileAllInformation: (_all, _ALL_FIXED, FILE_READ_ATTRIBUTES),
    constants.FileNetworkOpenInformation: (_network_open, _NETWORK_OPEN.size, FILE_READ_ATTRIBUTES),
    constants.FileAttributeTagInformation: (_attribute_tag, _ATTRIBUTE_TAG.size, FILE_READ_ATTRIBUTES),
    constants.FileCompressionInformation: (_compression, _COMPRESSION.size, 0),
    constants.FileIdInformation: (_id, _ID.size, 0),
    constants.FileStandardLinkInformation: (_standard_link, _STANDARD_LINK.size, 0),
    constants.FileAlternateNameInformation: (_alternate_name, _NAME_FIXED, 0),
    constants.FileStreamInformation: (_streams, 0, 0),
    constants.FileFullEaInformation: (_full_ea, _EA_FIXED, FILE_READ_EA),
}
"""What an open alone can answer."""


def normalized_name(file: FileObject) -> Information:
    """Return FileNormalizedNameInformation."""
    return name_info.FileNormalizedNameInformation(query_info.normalized_name(file)).pack(), _NAME_FIXED


def of_pipe(pipe: Pipe, info_class: int) -> Information:
    """Return an information about a pipe.

    Raises:
        NTStatusError: STATUS_INVALID_INFO_CLASS.
    """
    if info_class == constants.FileStandardInformation:
        data = file_info.FileStandardInformation(_PIPE_QUOTA, 0, 1, delete_pending=True).pack()
    elif info_class == constants.FilePipeInformation:
        data = file_info.FilePipeInformation(_PIPE_TYPE_MESSAGE, 0).pack()
    elif info_class == constants.FilePipeLocalInformation:
        data = file_info.FilePipeLocalInformation(
            named_pipe_type=_PIPE_TYPE_MESSAGE,
            named_pipe_configuration=_PIPE_CONFIGURATION_FULL_DUPLEX,
            maximum_instances=_UNLIMITED,
            current_instances=1,
            inbound_quota=_PIPE_QUOTA,
            read_data_available=pipe.available(),
            outbound_quota=_PIPE_QUOTA,
            write_quota_available=_PIPE_QUOTA,
            named_pipe_state=_PIPE_CONNECTED,
            named_pipe_end=_PIPE_END_SERVER,
        ).pack()
    else:
        raise NTStatusError(STATUS_INVALID_INFO_CLASS, f"pipe information class {info_class}")
    return data, len(data)

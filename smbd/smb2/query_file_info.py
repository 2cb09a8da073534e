"""File information classes ([MS-FSCC] 2.4) from what the object store says of an open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from smbd.rpc.pipe import Pipe
from smbd.wire.buffer import Buffer
from smbd.wire.fixed import Fixed
from smbd.wire.fscc import file_info, name_info
from smbd.wire.fscc.ea import FullEaInformation, pack_full_ea, unpack_get_ea
from smbd.wire.fscc.stream import StreamInformation, pack_streams
from smbd.wire.query_info import QueryInfoRequest
from vfs import constants
from vfs.access import FILE_READ_ATTRIBUTES, FILE_READ_EA
from vfs.fsa import ea, query_info
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_INFO_CLASS,
    STATUS_NO_EAS_ON_FILE,
    STATUS_OBJECT_NAME_NOT_FOUND,
    NTStatusError,
)

#: The bytes of an information and how many of them are its fixed part.
Information: TypeAlias = tuple[Buffer, int]

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


def whole(information: Fixed) -> Information:
    """Return an information that has only fixed fields: it fits whole or not at all."""
    data = information.pack()
    return data, len(data)


class FileClass(NamedTuple):
    """How one class is answered: what makes it, and the access that the open needs for it."""

    make: Callable[[FileObject], Information]
    access: int = 0


def _basic(file: FileObject) -> Information:
    stat = query_info.stat(file)
    return whole(
        file_info.FileBasicInformation(
            stat.creation_time, stat.last_access_time, stat.last_write_time, stat.change_time, stat.file_attributes
        )
    )


def _standard(file: FileObject) -> Information:
    stat = query_info.stat(file)
    return whole(
        file_info.FileStandardInformation(
            stat.allocation_size, stat.end_of_file, stat.number_of_links, stat.delete_pending, stat.directory
        )
    )


def _internal(file: FileObject) -> Information:
    return whole(file_info.FileInternalInformation(query_info.stat(file).index_number))


def _ea_size(file: FileObject) -> Information:
    return whole(file_info.FileEaInformation(query_info.ea_size(file)))


def _access(file: FileObject) -> Information:
    return whole(file_info.FileAccessInformation(file.granted_access))


def _position(file: FileObject) -> Information:
    return whole(file_info.FilePositionInformation(file.position))


def _mode(file: FileObject) -> Information:
    return whole(file_info.FileModeInformation(file.mode))


def _alignment(_file: FileObject) -> Information:
    return whole(file_info.FileAlignmentInformation(query_info.FILE_BYTE_ALIGNMENT))


def _all(file: FileObject) -> Information:
    stat = query_info.stat(file, with_ea_size=True)
    data = name_info.pack_all(
        stat.creation_time,
        stat.last_access_time,
        stat.last_write_time,
        stat.change_time,
        stat.file_attributes,
        stat.allocation_size,
        stat.end_of_file,
        stat.number_of_links,
        stat.delete_pending,
        stat.directory,
        stat.index_number,
        stat.ea_size,
        file.granted_access,
        file.position,
        file.mode,
        query_info.FILE_BYTE_ALIGNMENT,
        "\\" + file.name,
    )
    return data, _ALL_FIXED


def _network_open(file: FileObject) -> Information:
    stat = query_info.stat(file)
    data = file_info.FileNetworkOpenInformation(
        stat.creation_time,
        stat.last_access_time,
        stat.last_write_time,
        stat.change_time,
        stat.allocation_size,
        stat.end_of_file,
        stat.file_attributes,
    ).pack()
    return data, len(data)


def _attribute_tag(file: FileObject) -> Information:
    stat = query_info.stat(file)
    return whole(file_info.FileAttributeTagInformation(stat.file_attributes, stat.reparse_tag))


def _compression(file: FileObject) -> Information:
    stat = query_info.stat(file)
    return whole(file_info.FileCompressionInformation(min(stat.end_of_file, stat.allocation_size)))


def _id(file: FileObject) -> Information:
    return whole(file_info.FileIdInformation(file.file_id.dev, file.file_id.ino))


def _standard_link(file: FileObject) -> Information:
    stat = query_info.stat(file)
    return whole(
        file_info.FileStandardLinkInformation(
            stat.number_of_links, stat.number_of_links, stat.delete_pending, stat.directory
        )
    )


def _normalized_name(file: FileObject) -> Information:
    return name_info.FileNormalizedNameInformation(query_info.normalized_name(file)).pack(), _NAME_FIXED


def _alternate_name(file: FileObject) -> Information:
    name = query_info.alternate_name(file)
    if not name:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no short name")
    return name_info.FileAlternateNameInformation(name).pack(), _NAME_FIXED


def _streams(file: FileObject) -> Information:
    streams = [StreamInformation(one.name, one.size, one.allocation_size) for one in query_info.streams(file)]
    return pack_streams(streams), _STREAM_FIXED if streams else 0


_CLASSES: Final[dict[int, FileClass]] = {
    constants.FileBasicInformation: FileClass(_basic, FILE_READ_ATTRIBUTES),
    constants.FileStandardInformation: FileClass(_standard),
    constants.FileInternalInformation: FileClass(_internal),
    constants.FileEaInformation: FileClass(_ea_size),
    constants.FileAccessInformation: FileClass(_access),
    constants.FilePositionInformation: FileClass(_position),
    constants.FileModeInformation: FileClass(_mode),
    constants.FileAlignmentInformation: FileClass(_alignment),
    constants.FileAllInformation: FileClass(_all, FILE_READ_ATTRIBUTES),
    constants.FileNetworkOpenInformation: FileClass(_network_open, FILE_READ_ATTRIBUTES),
    constants.FileAttributeTagInformation: FileClass(_attribute_tag, FILE_READ_ATTRIBUTES),
    constants.FileCompressionInformation: FileClass(_compression),
    constants.FileIdInformation: FileClass(_id),
    constants.FileStandardLinkInformation: FileClass(_standard_link),
    constants.FileNormalizedNameInformation: FileClass(_normalized_name),
    constants.FileAlternateNameInformation: FileClass(_alternate_name),
    constants.FileStreamInformation: FileClass(_streams),
}


def of_file(file: FileObject, message: QueryInfoRequest) -> Information:
    """Return an information about an open file.

    Raises:
        NTStatusError: STATUS_INVALID_INFO_CLASS, STATUS_ACCESS_DENIED, and what the object store raises.
    """
    if message.file_info_class == constants.FileFullEaInformation:
        return _full_ea(file, message)
    found = _CLASSES.get(message.file_info_class)
    if found is None:
        raise NTStatusError(STATUS_INVALID_INFO_CLASS, f"file information class {message.file_info_class}")
    if found.access and not file.granted_access & found.access:
        raise NTStatusError(STATUS_ACCESS_DENIED)
    return found.make(file)


def _full_ea(file: FileObject, message: QueryInfoRequest) -> Information:
    """[MS-SMB2] 3.3.5.20.1: all extended attributes, or those that the input names."""
    if not file.granted_access & FILE_READ_EA:
        raise NTStatusError(STATUS_ACCESS_DENIED)
    names = unpack_get_ea(message.input_data) if message.input_data else None
    found = ea.query(file, names)
    if not found:
        raise NTStatusError(STATUS_NO_EAS_ON_FILE)
    return pack_full_ea([FullEaInformation(one.name, one.value, one.flags) for one in found]), _EA_FIXED


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

"""File information classes of [MS-FSCC] 2.4 that describe one file and have only fixed fields.

The specification has a section by the name of each. Each knows its number as `info_class`. Those with a
name in them are in `name_info`, lists in files of their own.
"""

from __future__ import annotations

import struct
from typing import ClassVar

from smbd.wire.fixed import Fixed
from vfs import constants


class FileBasicInformation(Fixed, gc=False):
    """Times (FILETIME, or the special values of `dtyp.FILETIME_*` when set) and attributes."""

    layout = struct.Struct("<QQQQI4x")
    info_class: ClassVar[int] = constants.FileBasicInformation

    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    file_attributes: int = 0


class FileStandardInformation(Fixed, gc=False):
    """Sizes and links."""

    layout = struct.Struct("<QQI??2x")
    info_class: ClassVar[int] = constants.FileStandardInformation

    allocation_size: int
    end_of_file: int
    number_of_links: int
    delete_pending: bool = False
    directory: bool = False


class FileInternalInformation(Fixed, gc=False):
    """The number of the file on its volume."""

    layout = struct.Struct("<Q")
    info_class: ClassVar[int] = constants.FileInternalInformation

    index_number: int


class FileEaInformation(Fixed, gc=False):
    """Size of all EAs."""

    layout = struct.Struct("<I")
    info_class: ClassVar[int] = constants.FileEaInformation

    ea_size: int


class FileAccessInformation(Fixed, gc=False):
    """Access mask of the open."""

    layout = struct.Struct("<I")
    info_class: ClassVar[int] = constants.FileAccessInformation

    access_flags: int


class FileDispositionInformation(Fixed, gc=False):
    """Whether the file goes when it is closed."""

    layout = struct.Struct("<?")
    info_class: ClassVar[int] = constants.FileDispositionInformation

    delete_pending: bool


class FileDispositionInformationEx(Fixed, gc=False):
    """Deletion with FILE_DISPOSITION_* flags."""

    layout = struct.Struct("<I")
    info_class: ClassVar[int] = constants.FileDispositionInformationEx

    flags: int


class FilePositionInformation(Fixed, gc=False):
    """Current byte offset."""

    layout = struct.Struct("<Q")
    info_class: ClassVar[int] = constants.FilePositionInformation

    current_byte_offset: int


class FileModeInformation(Fixed, gc=False):
    """Create options in force on the open."""

    layout = struct.Struct("<I")
    info_class: ClassVar[int] = constants.FileModeInformation

    mode: int


class FileAlignmentInformation(Fixed, gc=False):
    """Alignment that buffers need."""

    layout = struct.Struct("<I")
    info_class: ClassVar[int] = constants.FileAlignmentInformation

    alignment_requirement: int = 0


class FileAllocationInformation(Fixed, gc=False):
    """Space to reserve."""

    layout = struct.Struct("<Q")
    info_class: ClassVar[int] = constants.FileAllocationInformation

    allocation_size: int


class FileEndOfFileInformation(Fixed, gc=False):
    """Where the file ends."""

    layout = struct.Struct("<Q")
    info_class: ClassVar[int] = constants.FileEndOfFileInformation

    end_of_file: int


class FileValidDataLengthInformation(Fixed, gc=False):
    """How far the data are valid."""

    layout = struct.Struct("<Q")
    info_class: ClassVar[int] = constants.FileValidDataLengthInformation

    valid_data_length: int


class FilePipeInformation(Fixed, gc=False):
    """Byte or message mode, blocking or not."""

    layout = struct.Struct("<II")
    info_class: ClassVar[int] = constants.FilePipeInformation

    read_mode: int
    completion_mode: int


class FilePipeLocalInformation(Fixed, gc=False):
    """The server's end of a pipe."""

    layout = struct.Struct("<IIIIIIIIII")
    info_class: ClassVar[int] = constants.FilePipeLocalInformation

    named_pipe_type: int
    named_pipe_configuration: int
    maximum_instances: int
    current_instances: int
    inbound_quota: int
    read_data_available: int
    outbound_quota: int
    write_quota_available: int
    named_pipe_state: int
    named_pipe_end: int


class FilePipeRemoteInformation(Fixed, gc=False):
    """The client's end of a pipe."""

    layout = struct.Struct("<QI")
    info_class: ClassVar[int] = constants.FilePipeRemoteInformation

    collect_data_time: int
    maximum_collection_count: int


class FileCompressionInformation(Fixed, gc=False):
    """Compression of the file's data."""

    layout = struct.Struct("<QHBBB3x")
    info_class: ClassVar[int] = constants.FileCompressionInformation

    compressed_file_size: int
    compression_format: int = 0
    compression_unit_shift: int = 0
    chunk_shift: int = 0
    cluster_shift: int = 0


class FileNetworkOpenInformation(Fixed, gc=False):
    """What an open wants to know at once."""

    layout = struct.Struct("<QQQQQQI4x")
    info_class: ClassVar[int] = constants.FileNetworkOpenInformation

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    file_attributes: int


class FileAttributeTagInformation(Fixed, gc=False):
    """Attributes and reparse tag."""

    layout = struct.Struct("<II")
    info_class: ClassVar[int] = constants.FileAttributeTagInformation

    file_attributes: int
    reparse_tag: int = 0


class FileReparsePointInformation(Fixed, gc=False):
    """File number and reparse tag."""

    layout = struct.Struct("<QI4x")
    info_class: ClassVar[int] = constants.FileReparsePointInformation

    file_reference_number: int
    tag: int


class FileStandardLinkInformation(Fixed, gc=False):
    """Numbers of hard links."""

    layout = struct.Struct("<II??2x")
    info_class: ClassVar[int] = constants.FileStandardLinkInformation

    number_of_accessible_links: int
    total_number_of_links: int
    delete_pending: bool = False
    directory: bool = False


class FileIdInformation(Fixed, gc=False):
    """Volume and 128-bit number of the file, as two halves."""

    layout = struct.Struct("<QQQ")
    info_class: ClassVar[int] = constants.FileIdInformation

    volume_serial_number: int
    file_id_low: int
    file_id_high: int = 0


class FileCaseSensitiveInformation(Fixed, gc=False):
    """Whether names in the directory are told apart by case: FILE_CS_FLAG_CASE_SENSITIVE_DIR or 0."""

    layout = struct.Struct("<I")
    info_class: ClassVar[int] = constants.FileCaseSensitiveInformation

    flags: int = 0

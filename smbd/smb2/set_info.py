"""SET_INFO ([MS-SMB2] 3.3.5.21): one table from information class to what sets it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from smbd.smb2 import persistence, quota
from smbd.smb2.credits import BYTES_PER_CREDIT, check_charge
from smbd.smb2.request import AsyncResult, Request, Result
from smbd.wire.buffer import Buffer
from smbd.wire.constants import (
    SMB2_0_INFO_FILE,
    SMB2_0_INFO_FILESYSTEM,
    SMB2_0_INFO_QUOTA,
    SMB2_0_INFO_SECURITY,
)
from smbd.wire.errors import WireError
from smbd.wire.fscc.ea import unpack_full_ea
from smbd.wire.fscc.file_info import (
    FileAllocationInformation,
    FileDispositionInformation,
    FileDispositionInformationEx,
    FileEndOfFileInformation,
    FileModeInformation,
    FilePositionInformation,
    FileValidDataLengthInformation,
)
from smbd.wire.fscc.name_info import FileLinkInformation, FileRenameInformation, FileRenameInformationEx
from smbd.wire.set_info import SetInfoResponse, unpack_set_info
from vfs import constants
from vfs.fsa import ea, give_way, link, rename, security, set_info
from vfs.fsa.file_object import FileObject
from vfs.fsa.params import EaEntry
from vfs.ntstatus import (
    STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_INFO_CLASS,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    NTStatusError,
)

if TYPE_CHECKING:
    from smbd.context import ServerContext

_RESPONSE: Final = SetInfoResponse().pack()
#: FileBasicInformation with signed times: 0, -1 and -2 have meanings of their own ([MS-FSCC] 2.4.7).
_BASIC: Final = struct.Struct("<qqqqI4x")

#: Sets at once, or returns what may have to wait for others.
Setter: TypeAlias = Callable[[FileObject, Buffer], "Coroutine[Any, Any, None] | None"]


def handle(request: Request) -> Result | AsyncResult:
    """Set what the client asks for.

    Raises:
        NTStatusError: STATUS_INVALID_INFO_CLASS, STATUS_INFO_LENGTH_MISMATCH, and what the object store raises.
    """
    persistent, volatile, kind, info_class, data, additional = unpack_set_info(request.pdu)
    length = len(data)
    if length > BYTES_PER_CREDIT:
        check_charge(request, length)
    if length > request.connection.max_transact:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too large")
    file = request.open(persistent, volatile).file
    if file is None:
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, "not a file")
    if kind == SMB2_0_INFO_FILE:
        setter = _CLASSES.get(info_class)
        if setter is None:
            raise NTStatusError(STATUS_INVALID_INFO_CLASS, f"file information class {info_class}")
        try:
            waiting = setter(file, data)
        except WireError as error:
            raise NTStatusError(STATUS_INFO_LENGTH_MISMATCH, str(error)) from error
        if waiting is not None:
            return _answer(request.connection.ctx, waiting)
    elif kind == SMB2_0_INFO_SECURITY:
        security.set_security(file, additional, bytes(data))
    elif kind == SMB2_0_INFO_QUOTA:
        quota.set_limits(file, data)
    elif kind == SMB2_0_INFO_FILESYSTEM:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "file system information cannot be set")
    else:
        raise NTStatusError(STATUS_INVALID_PARAMETER, f"info type {kind}")
    return _RESPONSE


async def _answer(ctx: ServerContext, waiting: Coroutine[Any, Any, None]) -> bytes:
    try:
        await waiting
        if persistence.is_unsettled(ctx):  # the new name of a persistent handle
            await persistence.settle(ctx)
    except WireError as error:
        raise NTStatusError(STATUS_INFO_LENGTH_MISMATCH, str(error)) from error
    return _RESPONSE


def _set_basic(file: FileObject, data: Buffer) -> None:
    if len(data) < _BASIC.size:
        raise NTStatusError(STATUS_INFO_LENGTH_MISMATCH)
    set_info.set_basic(file, *_BASIC.unpack_from(data))


async def _rename(file: FileObject, data: Buffer) -> None:
    target = FileRenameInformation.unpack(data)
    _check_root(target.root_directory)
    await give_way.before_rename(file, target.file_name, target.replace_if_exists)
    rename.rename(file, target.file_name, replace=target.replace_if_exists)


async def _rename_ex(file: FileObject, data: Buffer) -> None:
    target = FileRenameInformationEx.unpack(data)
    _check_root(target.root_directory)
    replace = bool(target.flags & constants.FILE_RENAME_REPLACE_IF_EXISTS)
    await give_way.before_rename(file, target.file_name, replace)
    rename.rename(file, target.file_name, replace=replace)


async def _link(file: FileObject, data: Buffer) -> None:
    target = FileLinkInformation.unpack(data)
    _check_root(target.root_directory)
    await give_way.before_link(file, target.file_name, target.replace_if_exists)
    # Clients name the link from the root of the share with or without a backslash in front; Samba takes both.
    link.link(file, target.file_name.removeprefix("\\"), replace=target.replace_if_exists)


def _check_root(root_directory: int) -> None:
    """[MS-SMB2] 2.2.39: over the network names are relative to the share, never to another handle."""
    if root_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "RootDirectory is not zero")


def _set_eas(file: FileObject, data: Buffer) -> None:
    entries = [EaEntry(bytes(one.name), bytes(one.value), one.flags) for one in unpack_full_ea(data)]
    ea.set_eas(file, entries)


async def _set_disposition(file: FileObject, data: Buffer) -> None:
    pending = FileDispositionInformation.unpack(data).delete_pending
    if pending:
        await give_way.before_delete(file)
    set_info.set_disposition(file, pending)


async def _set_disposition_ex(file: FileObject, data: Buffer) -> None:
    flags = FileDispositionInformationEx.unpack(data).flags
    if flags & constants.FILE_DISPOSITION_DELETE:
        ignore = bool(flags & constants.FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE)
        await give_way.before_delete(file, ignore_readonly=ignore)
    set_info.set_disposition_ex(file, flags)


_CLASSES: Final[dict[int, Setter]] = {
    constants.FileBasicInformation: _set_basic,
    constants.FileRenameInformation: _rename,
    constants.FileRenameInformationEx: _rename_ex,
    constants.FileLinkInformation: _link,
    constants.FileDispositionInformation: _set_disposition,
    constants.FileDispositionInformationEx: _set_disposition_ex,
    constants.FilePositionInformation: lambda file, data: set_info.set_position(
        file, FilePositionInformation.unpack(data).current_byte_offset
    ),
    constants.FileModeInformation: lambda file, data: set_info.set_mode(
        file, FileModeInformation.unpack(data).mode
    ),
    constants.FileAllocationInformation: lambda file, data: set_info.set_allocation(
        file, FileAllocationInformation.unpack(data).allocation_size
    ),
    constants.FileEndOfFileInformation: lambda file, data: set_info.set_end_of_file(
        file, FileEndOfFileInformation.unpack(data).end_of_file
    ),
    constants.FileValidDataLengthInformation: lambda file, data: set_info.set_valid_data_length(
        file, FileValidDataLengthInformation.unpack(data).valid_data_length
    ),
    constants.FileFullEaInformation: _set_eas,
}

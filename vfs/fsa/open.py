"""Opening a file or directory: [MS-FSA] 2.1.5.1.

The common case, a file that exists, costs one openat2, one statx, one getxattr and one locked record. Names are
looked up by the kernel in the spelling of the client first; only if that fails as Windows compares.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from vfs.access import (
    FILE_APPEND_DATA,
    FILE_EXECUTE,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    MAXIMUM_ALLOWED,
)
from vfs.constants import (
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NON_DIRECTORY_FILE,
)
from vfs.fsa import access_check, attributes, create, names, overwrite, quota, reparse, share, snapshots, streams
from vfs.fsa.access_check import WRITE_RIGHTS
from vfs.fsa.file_object import FileObject
from vfs.fsa.lookup import check_veto, open_itself, open_path, resolve
from vfs.fsa.open_checks import CREATES, check_name
from vfs.fsa.open_plan import OpenPlan, plan_of
from vfs.fsa.params import EaEntry, OpenOwner, OpenParams
from vfs.locking.breaks import MustWait, settle
from vfs.locking.kernel_oplock import is_leased, wait_for_owner
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_CANNOT_DELETE,
    STATUS_FILE_IS_A_DIRECTORY,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_A_DIRECTORY,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_INVALID,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
    NTStatusError,
    from_oserror,
)
from vfs.posix.backend import NoSuchName
from vfs.token import SecurityToken
from vfs.volume import Volume

if TYPE_CHECKING:
    from messaging.dbwrap.watch import Watch
    from vfs.fsa.known import KnownFile

__all__ = ["EaEntry", "FileObject", "MustWait", "OpenOwner", "OpenParams", "open_now", "open_when_free"]

_RACES: Final = 8
"""How often an open starts anew because a name appeared or vanished under it."""
_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
_READ: Final = FILE_READ_DATA | FILE_EXECUTE


def open_now(volume: Volume, token: SecurityToken, params: OpenParams, owner: OpenOwner) -> FileObject | None:
    """Open or create a file or directory ([MS-FSA] 2.1.5.1), if nobody else has to give way first.

    The caller has switched to the identity of `token`. A name that is not there is the answer None, no error: that is
    what clients are told most often (STATUS_OBJECT_NAME_NOT_FOUND).

    Args:
        volume: the share.
        token: who opens.
        params: what is asked for.
        owner: identifies the open in the share-mode record.

    Raises:
        MustWait: other opens are in the way; `open_when_free` goes on from there.
        NTStatusError: whatever keeps the file from being opened.
    """
    plan = plan_of(params)
    parsed = names.parse_posix(params.path) if volume.options.posix else names.parse(params.path)
    if not parsed.plain and (parsed.stream or parsed.must_be_file or parsed.must_be_directory):
        if parsed.stream == names.QUOTA_STREAM:
            return _open_quotas(volume, token, params, owner)
        _check_kind_of_name(volume, params, parsed)
        plan = plan_of(params)
    if volume.vetoed is not None or not parsed.plain:
        check_veto(volume, parsed.path)
    if params.timewarp or volume.backend.keeps_snapshots:
        parsed = snapshots.redirect(volume, parsed, params)
        plan = plan_of(params)
    try:
        for _ in range(_RACES):
            if parsed.stream:
                fo = streams.attempt(volume, token, params, owner, parsed)
            else:
                found = _find(volume, params, parsed.path, plan)
                if not isinstance(found, NoSuchName):
                    fo = _open_existing(volume, token, params, owner, found, plan)
                elif params.create_disposition in CREATES:
                    fo = _create(volume, token, params, owner, found.new_path(parsed.path))
                else:
                    return None
            if fo is not None:
                if params.withheld_access:
                    fo.withheld_access = params.withheld_access
                return fo
    except OSError as error:
        if not is_leased(error):
            raise from_oserror(error, "open") from None
        raise MustWait(_leased(volume, params, parsed.path)) from None
    raise NTStatusError(STATUS_SHARING_VIOLATION, "the name keeps appearing and vanishing")


async def open_when_free(
    volume: Volume, token: SecurityToken, params: OpenParams, owner: OpenOwner, watch: Watch | None
) -> FileObject | None:
    """Open what `open_now` could not, as often as others are in the way.

    Args:
        volume: the share.
        token: who opens.
        params: what is asked for.
        owner: identifies the open in the share-mode record.
        watch: what its `MustWait` named.

    Raises:
        NTStatusError: whatever keeps the file from being opened.
    """
    pauses = 0
    try:
        while True:
            if watch is not None:
                await settle(watch, params.patience)
                params.attempts += 1
            elif pauses < _RACES:
                if volume.kernel_oplocks is not None:
                    await volume.kernel_oplocks.pause(pauses)
                pauses += 1
            else:
                raise NTStatusError(STATUS_SHARING_VIOLATION, "a local program's lease is in the way")
            # Names, rights and sharing may have changed meanwhile: everything is looked at anew.
            try:
                return open_now(volume, token, params, owner)
            except MustWait as again:
                watch = again.watch
    finally:
        if params.watch is not None and not params.watch.left:
            params.watch.depart()


def _open_quotas(volume: Volume, token: SecurityToken, params: OpenParams, owner: OpenOwner) -> FileObject:
    """Open what stands for the quotas of the volume: a handle of the share's root that looks like the file of NTFS.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED.
    """
    quota.prepare_open(token, params)
    plan = plan_of(params)
    try:
        found = _find(volume, params, b"", plan)
        fo = None if isinstance(found, NoSuchName) else _open_existing(volume, token, params, owner, found, plan)
    except OSError as error:
        raise from_oserror(error, "open") from None
    if fo is None:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the share's root is gone")
    quota.disguise(fo)
    return fo


def _check_kind_of_name(volume: Volume, params: OpenParams, parsed: names.ParsedName) -> None:
    """Check a name that asks for a directory, a file or a stream, and enter what it asks for in the options.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_INVALID, STATUS_NOT_A_DIRECTORY.
    """
    if volume.streams is None and (parsed.stream or parsed.must_be_file):
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "no named streams on this share")
    check_name(parsed, params.create_options)
    if parsed.must_be_directory:
        params.create_options |= FILE_DIRECTORY_FILE
    elif parsed.must_be_file:
        params.create_options |= FILE_NON_DIRECTORY_FILE


def _leased(volume: Volume, params: OpenParams, path: bytes) -> Watch | None:
    """Return what to wait on when the kernel refuses an open because of a lease; None to try again at once.

    Raises:
        NTStatusError: the file can no longer be found.
    """
    try:
        found = resolve(volume, path)
        watch = None if isinstance(found, NoSuchName) else wait_for_owner(volume, found, params.watch)
    except OSError as error:
        raise from_oserror(error, "open") from None
    if watch is not None:
        params.watch = watch
    return watch


def _create(
    volume: Volume, token: SecurityToken, params: OpenParams, owner: OpenOwner, path: bytes
) -> FileObject | None:
    """Create what is missing; None if another process was faster."""
    try:
        return create.create(volume, token, params, owner, path)
    except FileExistsError:
        if params.create_disposition == FILE_CREATE:
            raise
        return None


def _find(
    volume: Volume, params: OpenParams, path: bytes, plan: OpenPlan
) -> tuple[int, bytes, int] | NoSuchName:
    """Return what `open_path` does, if the name may exist.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_COLLISION, or as `open_path`.
        OSError: as `open_path`.
    """
    if params.create_disposition == FILE_CREATE:
        missing = resolve(volume, path)
        if isinstance(missing, NoSuchName):
            return missing
        raise NTStatusError(STATUS_OBJECT_NAME_COLLISION, "exists")
    modes = plan.modes_in(volume) if volume.read_only or volume.kernel_oplocks is not None else plan.modes
    if plan.itself or volume.options.posix:
        return open_itself(volume, path, modes, plan.flags)
    return open_path(volume, path, modes, plan.flags)


def _open_existing(
    volume: Volume,
    token: SecurityToken,
    params: OpenParams,
    owner: OpenOwner,
    found: tuple[int, bytes, int],
    plan: OpenPlan,
) -> FileObject | None:
    """Open what `_find` has found ([MS-FSA] 2.1.5.1.2); None if it vanished before it was in the share modes."""
    fd, path, mode = found
    try:
        known = attributes.look(volume, fd, path)
        file_attributes = known.file_attributes
        fo = FileObject(
            volume, token, owner, fd, path, known.stat, known.file_id, known.key, known.is_directory,
            file_attributes, known.creation_time,
            params.share_access, params.create_options, plan.deletes, mode & os.O_PATH != 0,
        )  # fmt: skip
        if file_attributes & FILE_ATTRIBUTE_REPARSE_POINT and not plan.itself:
            reparse.refuse(fo)
        if fo.is_directory or plan.directory:
            _check_kind(fo, params.create_options, plan)
        if file_attributes & FILE_ATTRIBUTE_READONLY or plan.overwrites:
            _check_attributes(fo, params, plan)
        fo.granted_access = _grant(fo, known, mode, plan)
        entered = share.enter(fo, params)
    except BaseException:
        os.close(fd)
        raise
    if not entered:
        os.close(fd)
        return None
    if plan.overwrites:
        overwrite.overwrite(fo, params)
    return fo


def _grant(fo: FileObject, known: KnownFile, mode: int, plan: OpenPlan) -> int:
    """Return the access that the handle gets, with a descriptor of access mode `mode`.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD.
        OSError: what decides cannot be read.
    """
    volume, token = fo.volume, fo.token
    desired, needed = plan.desired, plan.needed
    if known.token is token and not needed & ~known.rights and not (volume.read_only and needed & WRITE_RIGHTS):
        granted = needed
    else:
        granted = access_check.check_open(volume, token, fo.fd, fo.path, fo.stat, needed)
        known.note(token, granted)
    if mode != os.O_RDWR and not fo.is_directory and not fo.stat.is_symlink:
        granted = _limit(granted, mode, needed)
    if not desired & MAXIMUM_ALLOWED:
        return granted & desired
    if fo.file_attributes & FILE_ATTRIBUTE_READONLY and not fo.is_directory and not fo.stat.is_symlink:
        granted &= ~_WRITE
    return granted


def _limit(granted: int, mode: int, needed: int) -> int:
    """Take away what the descriptor cannot do, because the kernel refused a better one.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED: it was asked for.
    """
    if mode & os.O_PATH:
        # Who may execute only has that right, though this handle reads nothing.
        lacking = FILE_READ_DATA | _WRITE
    elif mode == os.O_RDONLY:
        lacking = _WRITE
    elif mode == os.O_WRONLY:
        lacking = _READ
    else:
        return granted
    if needed & lacking:
        raise NTStatusError(STATUS_ACCESS_DENIED, "the file system refuses")
    return granted & ~lacking


def _check_kind(fo: FileObject, options: int, plan: OpenPlan) -> None:
    if fo.is_directory:
        if options & FILE_NON_DIRECTORY_FILE:
            raise NTStatusError(STATUS_FILE_IS_A_DIRECTORY, "a file was asked for")
        if plan.overwrites:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "a directory cannot be overwritten")
        if options & FILE_DELETE_ON_CLOSE and not fo.path:
            raise NTStatusError(STATUS_ACCESS_DENIED, "the share's root stays")
    elif not fo.stat.is_symlink:
        # A link opened as such may stand for either.
        raise NTStatusError(STATUS_NOT_A_DIRECTORY, "a directory was asked for")


def _check_attributes(fo: FileObject, params: OpenParams, plan: OpenPlan) -> None:
    """What READONLY, HIDDEN and SYSTEM forbid ([MS-FSA] 2.1.5.1.2)."""
    if fo.file_attributes & FILE_ATTRIBUTE_READONLY:
        if plan.desired & _WRITE and not fo.is_directory:
            raise NTStatusError(STATUS_ACCESS_DENIED, "read-only file")
        if params.create_options & FILE_DELETE_ON_CLOSE and not fo.volume.options.delete_readonly:
            raise NTStatusError(STATUS_CANNOT_DELETE, "read-only file")
    if plan.overwrites:
        overwrite.check_attributes(fo, params.file_attributes)

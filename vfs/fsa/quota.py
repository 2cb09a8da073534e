"""Quotas of users ([MS-FSA] 2.1.5.21, 2.1.5.22; [MS-FSCC] 2.4.36): those of the file system, for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import structs

from vfs.access import FILE_READ_ATTRIBUTES
from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_SYSTEM,
    FILE_DELETE_ON_CLOSE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_SHARE_ALL,
)
from vfs.fsa import times
from vfs.fsa.names import QUOTA_FILE
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_NONE_MAPPED, STATUS_NOT_SUPPORTED, NTStatusError, from_oserror
from vfs.posix import credentials, quota
from vfs.posix.quota import DiskQuota, QuotasOffError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenParams
    from vfs.sid import Sid
    from vfs.token import SecurityToken

FILE_ATTRIBUTES: Final = (
    FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_ARCHIVE
)
"""What the quota file of NTFS has."""
NO_LIMIT: Final = (1 << 64) - 1
_NO_ENTRY: Final = (1 << 64) - 2
"""As a limit to set: the user's entry goes, which is no limit either."""
_MAX_UID: Final = (1 << 32) - 2


class UserQuota(NamedTuple):
    """One user's quota in bytes; `NO_LIMIT` stands for no limit."""

    sid: Sid
    used: int
    threshold: int
    limit: int


def prepare_open(token: SecurityToken, params: OpenParams) -> None:
    """Check an open of the quota file: it opens the share's root instead, to ask about quotas and nothing else.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED: only administrators, and they do not create or delete it.
    """
    _check_administrator(token)
    if params.create_disposition not in {FILE_OPEN, FILE_OPEN_IF} or params.create_options & FILE_DELETE_ON_CLOSE:
        raise NTStatusError(STATUS_ACCESS_DENIED, "the quota file stays")
    params.create_disposition = FILE_OPEN
    params.create_options = 0
    params.desired_access = FILE_READ_ATTRIBUTES
    params.share_access = FILE_SHARE_ALL


def disguise(fo: FileObject) -> None:
    """Give an open of the share's root the looks of the quota file of NTFS: it has no times."""
    fo.name = QUOTA_FILE
    fo.file_attributes = FILE_ATTRIBUTES
    fo.creation_time = 0
    never = times.to_unix_ns(0)
    fo.stat = structs.replace(fo.stat, atime_ns=never, mtime_ns=never, ctime_ns=never)


def _check_administrator(token: SecurityToken) -> None:
    if not token.is_administrator and token.uid:
        raise NTStatusError(STATUS_ACCESS_DENIED, "quotas are for administrators")


def are_kept(fo: FileObject) -> bool:
    """Tell whether the file system keeps quotas."""
    try:
        quota.get(fo.volume.backend.root_fd, fo.token.uid)
    except QuotasOffError:
        return False
    except OSError:
        return True
    return True


def _shown(fo: FileObject, found: DiskQuota) -> UserQuota:
    sid = fo.volume.id_map.uid_to_sid(found.uid)
    return UserQuota(sid, found.used, found.soft_limit or NO_LIMIT, found.hard_limit or NO_LIMIT)


def query(fo: FileObject, sids: Iterable[Sid]) -> list[UserQuota]:
    """Return the quotas of `sids`, without those that are no users here.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_NOT_SUPPORTED (no quotas), or what the system call said.
    """
    _check_administrator(fo.token)
    uids = [uid for uid in map(fo.volume.id_map.sid_to_uid, sids) if uid is not None]
    try:
        with credentials.as_root():
            return [_shown(fo, quota.get(fo.volume.backend.root_fd, uid)) for uid in uids]
    except OSError as error:
        raise _failure(error) from None


def enumerate_from(fo: FileObject, uid: int) -> tuple[UserQuota, int] | None:
    """Return the quota of the first user from `uid` on, and where the next one begins; None at the end.

    Raises:
        NTStatusError: as `query`.
    """
    _check_administrator(fo.token)
    if uid > _MAX_UID:
        return None
    try:
        with credentials.as_root():
            found = quota.first_from(fo.volume.backend.root_fd, uid)
    except OSError as error:
        raise _failure(error) from None
    return None if found is None else (_shown(fo, found), found.uid + 1)


def uid_of(fo: FileObject, sid: Sid) -> int:
    """Return the uid of a user who has quotas.

    Raises:
        NTStatusError: STATUS_NONE_MAPPED.
    """
    uid = fo.volume.id_map.sid_to_uid(sid)
    if uid is None:
        raise NTStatusError(STATUS_NONE_MAPPED, f"{sid} is no user here")
    return uid


def set_limits(fo: FileObject, sid: Sid, threshold: int, limit: int) -> None:
    """Set the limits of a user.

    Raises:
        NTStatusError: as `query`; STATUS_NONE_MAPPED.
    """
    _check_administrator(fo.token)
    soft, hard = (0 if value in {NO_LIMIT, _NO_ENTRY} else value for value in (threshold, limit))
    uid = uid_of(fo, sid)
    try:
        with credentials.as_root():
            quota.set_limits(fo.volume.backend.root_fd, uid, soft, hard)
    except OSError as error:
        raise _failure(error) from None


def _failure(error: OSError) -> NTStatusError:
    if isinstance(error, QuotasOffError):
        return NTStatusError(STATUS_NOT_SUPPORTED, "no quotas")
    return from_oserror(error, "quota")

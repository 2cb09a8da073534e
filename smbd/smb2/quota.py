"""Quotas in QUERY_INFO and SET_INFO ([MS-SMB2] 3.3.5.20.4, 3.3.5.21.4; [MS-FSCC] 2.4.36)."""

from __future__ import annotations

from collections.abc import Iterator

from smbd.wire.buffer import Buffer
from smbd.wire.errors import WireError
from smbd.wire.fscc.quota import QueryQuotaInfo, QuotaInformation, pack_quotas, unpack_quotas
from vfs.fsa import quota
from vfs.fsa.file_object import FileObject
from vfs.fsa.quota import UserQuota
from vfs.ntstatus import (
    STATUS_BUFFER_TOO_SMALL,
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_SID,
    STATUS_NO_MORE_ENTRIES,
    NTStatusError,
)
from vfs.sid import Sid, SidError


def query(file: FileObject, asked: Buffer, room: int) -> bytes:
    """Return as many quotas as there is room for; without SIDs it goes on where the last query ended.

    Raises:
        NTStatusError: STATUS_NO_MORE_ENTRIES, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, and what
            `vfs.fsa.quota` raises.
    """
    try:
        wanted = QueryQuotaInfo.unpack(asked)
    except WireError as error:
        raise NTStatusError(STATUS_INVALID_PARAMETER, str(error)) from error
    found: list[QuotaInformation] = []
    data = b""
    for one, following in _wanted(file, wanted):
        found.append(QuotaInformation(one.sid, 0, one.used, one.threshold, one.limit))
        longer = pack_quotas(found)
        if len(longer) > room:
            if not data:
                raise NTStatusError(STATUS_BUFFER_TOO_SMALL)
            break
        data = longer
        file.position = following
        if wanted.return_single:
            break
    if not data:
        raise NTStatusError(STATUS_NO_MORE_ENTRIES)
    return data


def _wanted(file: FileObject, wanted: QueryQuotaInfo) -> Iterator[tuple[UserQuota, int]]:
    """The quotas that are asked for, and where to go on after each; `position` of the open keeps that place."""
    if wanted.sids:
        for one in quota.query(file, [_sid(sid) for sid in wanted.sids]):
            yield one, file.position
        return
    at = 0 if wanted.restart_scan else file.position
    if wanted.start_sid:
        at = quota.uid_of(file, _sid(wanted.start_sid))
    while (entry := quota.enumerate_from(file, at)) is not None:
        yield entry
        at = entry[1]


def _sid(data: Buffer) -> Sid:
    try:
        return Sid.unpack_from(bytes(data), 0, len(data))
    except SidError as error:
        raise NTStatusError(STATUS_INVALID_SID, str(error)) from error


def set_limits(file: FileObject, data: Buffer) -> None:
    """Set the limits of users.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER, and what `vfs.fsa.quota` raises.
    """
    try:
        wanted = unpack_quotas(data)
    except WireError as error:
        raise NTStatusError(STATUS_INVALID_PARAMETER, str(error)) from error
    for one in wanted:
        quota.set_limits(file, _sid(one.sid), one.quota_threshold, one.quota_limit)

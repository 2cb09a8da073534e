"""Quotas: FILE_QUOTA_INFORMATION, FILE_GET_QUOTA_INFORMATION of [MS-FSCC] 2.4, [MS-SMB2] 2.2.37.1."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer
from smbd.wire.dtyp import sid_length
from smbd.wire.errors import WireError
from smbd.wire.fscc.chain import pack_chain, walk_chain

# NextEntryOffset, SidLength, ChangeTime, QuotaUsed, QuotaThreshold, QuotaLimit
_QUOTA: Final = struct.Struct("<4xIQQQQ")
_GET: Final = struct.Struct("<4xI")  # NextEntryOffset, SidLength
# ReturnSingle, RestartScan, Reserved, SidListLength, StartSidLength, StartSidOffset
_QUERY: Final = struct.Struct("<??2xIII")
_ALIGNMENT: Final = 8
_GET_ALIGNMENT: Final = 4


def _sid(entry: Buffer, at: int, length: int) -> Buffer:
    if at + length > len(entry) or sid_length(entry, at) != length:
        raise WireError("SID outside of its quota entry")
    return entry[at : at + length]


class QuotaInformation(msgspec.Struct, gc=False):
    """One user's quota; the SID is in its binary form, sizes are bytes, the time a FILETIME."""

    sid: Buffer
    change_time: int = 0
    quota_used: int = 0
    quota_threshold: int = 0
    quota_limit: int = 0


def pack_quotas(quotas: Iterable[QuotaInformation]) -> bytes:
    """Return the list of `quotas`."""
    return pack_chain(
        [
            b"".join(
                (
                    _QUOTA.pack(len(one.sid), one.change_time, one.quota_used, one.quota_threshold, one.quota_limit),
                    one.sid,
                )
            )
            for one in quotas
        ],
        _ALIGNMENT,
    )


def unpack_quotas(data: Buffer) -> list[QuotaInformation]:
    """Read a list of quotas.

    Raises:
        WireError: It is malformed.
    """
    quotas = []
    for entry in walk_chain(data, _QUOTA.size, _ALIGNMENT):
        length, *numbers = _QUOTA.unpack_from(entry)
        quotas.append(QuotaInformation(_sid(entry, _QUOTA.size, length), *numbers))
    return quotas


def pack_sid_list(sids: Iterable[Buffer]) -> bytes:
    """Return FILE_GET_QUOTA_INFORMATION entries for `sids`."""
    return pack_chain([b"".join((_GET.pack(len(sid)), sid)) for sid in sids], _GET_ALIGNMENT)


def unpack_sid_list(data: Buffer) -> list[Buffer]:
    """Read FILE_GET_QUOTA_INFORMATION entries.

    Raises:
        WireError: They are malformed.
    """
    return [_sid(entry, _GET.size, _GET.unpack_from(entry)[0]) for entry in walk_chain(data, _GET.size, _GET_ALIGNMENT)]


class QueryQuotaInfo(msgspec.Struct, gc=False):
    """SMB2_QUERY_QUOTA_INFO, [MS-SMB2] 2.2.37.1.

    Attributes:
        return_single: Only one entry.
        restart_scan: From the beginning.
        sids: Whose quotas; or
        start_sid: from whom on; or, without either, everybody's.
    """

    return_single: bool = False
    restart_scan: bool = False
    sids: list[Buffer] = []
    start_sid: Buffer = b""

    def pack(self) -> bytes:
        """Return the bytes."""
        sids = pack_sid_list(self.sids)
        buffer = sids or self.start_sid
        fixed = _QUERY.pack(self.return_single, self.restart_scan, len(sids), 0 if sids else len(self.start_sid), 0)
        return b"".join((fixed, buffer))

    @classmethod
    def unpack(cls, data: Buffer) -> QueryQuotaInfo:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _QUERY.size:
            raise WireError("quota query too short")
        single, restart, list_length, start_length, start_offset = _QUERY.unpack_from(data)
        at = _QUERY.size
        if list_length:
            if at + list_length > len(data):
                raise WireError("SID list outside of the quota query")
            return cls(single, restart, unpack_sid_list(data[at : at + list_length]))
        if start_length:
            return cls(single, restart, [], _sid(data, at + start_offset, start_length))
        return cls(single, restart)

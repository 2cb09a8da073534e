"""LsarLookupSids, 2 and 3: from SIDs to names ([MS-LSAT] 3.1.4.9 to 3.1.4.11)."""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

from smbd.auth.lookup import SID_TYPE_UNKNOWN, Translation
from smbd.rpc.errors import FAULT_ACCESS_DENIED, RpcFault
from smbd.rpc.lsarpc.policy_handle import POLICY_LOOKUP_NAMES, read_policy_handle, require
from smbd.rpc.lsarpc.translate import NO_DOMAIN, Domains, check_level, read_empty_translations, status_of
from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter
from smbd.rpc.service import Call
from vfs.ntstatus import NTStatusError
from vfs.sid import Sid

#: [MS-LSAT] 2.2.18: ``range(0, 20480)``.
_MAX_SIDS: Final = 20480
_POINTER_SIZE: Final = 4


class _Name(NamedTuple):
    """LSAPR_TRANSLATED_NAME ([MS-LSAT] 2.2.19)."""

    type: int
    name: str
    domain: int


def lookup_sids(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarLookupSids."""
    _lookup(call, reader, writer, extended=False)


def lookup_sids2(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarLookupSids2."""
    _lookup(call, reader, writer, extended=True)


def lookup_sids3(_call: Call, _reader: NdrReader, _writer: NdrWriter) -> None:
    """LsarLookupSids3: only for domain members over a secure channel, never on a pipe ([MS-LSAT] 3.1.4.9).

    Raises:
        RpcFault: always.
    """
    raise RpcFault(FAULT_ACCESS_DENIED, "LsarLookupSids3 needs a secure channel")


def _lookup(call: Call, reader: NdrReader, writer: NdrWriter, *, extended: bool) -> None:
    handle = read_policy_handle(call, reader)
    sids = _read_sids(reader)
    read_empty_translations(reader)
    level = reader.u16()
    reader.u32()
    if extended:
        reader.u32()
        reader.u32()
    domains = Domains()
    found: list[Translation | None] = []
    try:
        require(handle, POLICY_LOOKUP_NAMES)
        check_level(level)
        found = call.context.auth.lookup.lookup_sids(sids)
        status = status_of(found)
    except NTStatusError as error:
        status = error.status
    names = [_name(call, sid, one, domains) for sid, one in zip(sids, found, strict=False)]
    rows = [partial(_write_name, writer, name, extended=extended) for name in names]
    domains.write(writer)
    writer.u32(len(rows))
    writer.parameter(partial(writer.array, rows) if rows else None)
    writer.u32(len(found) - found.count(None))
    writer.u32(status)


def _read_sids(reader: NdrReader) -> list[Sid]:
    """LSAPR_SID_ENUM_BUFFER ([MS-LSAT] 2.2.18)."""
    count = reader.u32()
    present = reader.pointer()
    if count > _MAX_SIDS or (count and not present):
        raise NdrError(f"{count} SIDs")
    if not present:
        return []
    if reader.conformance(_POINTER_SIZE) != count:
        raise NdrError(f"{count} SIDs in an array of another size")
    pointers = [reader.pointer() for _ in range(count)]
    if not all(pointers):
        raise NdrError("a null SID")
    return [reader.sid() for _ in pointers]


def _name(call: Call, sid: Sid, found: Translation | None, domains: Domains) -> _Name:
    if found is not None:
        return _Name(found.type, found.name, domains.of(found))
    own = call.context.auth.lookup.domain()
    if sid.in_domain(own.sid):
        # [MS-LSAT] 3.1.4.9: an unknown account of a known domain is named by its relative identifier.
        return _Name(SID_TYPE_UNKNOWN, f"{sid.rid:08X}", domains.of(own))
    return _Name(SID_TYPE_UNKNOWN, str(sid), NO_DOMAIN)


def _write_name(writer: NdrWriter, name: _Name, *, extended: bool) -> None:
    """LSAPR_TRANSLATED_NAME, or LSAPR_TRANSLATED_NAME_EX ([MS-LSAT] 2.2.21), which has flags."""
    writer.align(4)
    writer.u16(name.type)
    writer.unicode_string(name.name)
    writer.i32(name.domain)
    if extended:
        writer.u32(0)

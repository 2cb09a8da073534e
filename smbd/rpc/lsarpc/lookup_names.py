"""LsarLookupNames, 2, 3 and 4: from names to SIDs ([MS-LSAT] 3.1.4.5 to 3.1.4.8)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from smbd.auth.lookup import BUILTIN_DOMAIN, SID_TYPE_DOMAIN, SID_TYPE_UNKNOWN, Translation
from smbd.rpc.errors import FAULT_ACCESS_DENIED, RpcFault
from smbd.rpc.lsarpc.policy_handle import POLICY_LOOKUP_NAMES, read_policy_handle, require
from smbd.rpc.lsarpc.translate import NO_DOMAIN, Domains, check_level, read_empty_translations, status_of
from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter
from smbd.rpc.service import Call
from vfs.ntstatus import NTStatusError

#: [MS-LSAT] 3.1.4.5: ``range(0, 1000)``.
_MAX_NAMES: Final = 1000
_UNICODE_STRING_SIZE: Final = 8
#: The relative identifier of a domain itself.
_NO_RID: Final = 0xFFFFFFFF

#: Writes one translated name, given the index of its domain.
_Row: TypeAlias = Callable[[NdrWriter, Translation | None, int], None]


def lookup_names(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarLookupNames."""
    _lookup(call, reader, writer, _write_translated_sid, has_options=False)


def lookup_names2(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarLookupNames2."""
    _lookup(call, reader, writer, _write_translated_sid_ex, has_options=True)


def lookup_names3(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarLookupNames3."""
    _lookup(call, reader, writer, _write_translated_sid_ex2, has_options=True)


def lookup_names4(_call: Call, _reader: NdrReader, _writer: NdrWriter) -> None:
    """LsarLookupNames4: only for domain members over a secure channel, never on a pipe ([MS-LSAT] 3.1.4.5).

    Raises:
        RpcFault: always.
    """
    raise RpcFault(FAULT_ACCESS_DENIED, "LsarLookupNames4 needs a secure channel")


def _lookup(call: Call, reader: NdrReader, writer: NdrWriter, row: _Row, *, has_options: bool) -> None:
    handle = read_policy_handle(call, reader)
    count = reader.u32()
    if count > _MAX_NAMES or reader.conformance(_UNICODE_STRING_SIZE) != count:
        raise NdrError(f"{count} names")
    names = reader.unicode_strings(count)
    read_empty_translations(reader)
    level = reader.u16()
    reader.u32()
    if has_options:
        reader.u32()
        reader.u32()
    domains = Domains()
    found: list[Translation | None] = []
    # No name at all means the builtin domain, as in Windows and Samba.
    wanted = [BUILTIN_DOMAIN if name is None else name for name in names]
    try:
        require(handle, POLICY_LOOKUP_NAMES)
        check_level(level)
        found = call.context.auth.lookup.lookup_names(wanted)
        status = status_of(found)
    except NTStatusError as error:
        status = error.status
    rows = [partial(row, writer, one, NO_DOMAIN if one is None else domains.of(one)) for one in found]
    domains.write(writer)
    writer.u32(len(rows))
    writer.parameter(partial(writer.array, rows) if rows else None)
    writer.u32(len(found) - found.count(None))
    writer.u32(status)


def _type_of(found: Translation | None) -> int:
    return SID_TYPE_UNKNOWN if found is None else found.type


def _write_translated_sid(writer: NdrWriter, found: Translation | None, domain: int) -> None:
    """LSA_TRANSLATED_SID ([MS-LSAT] 2.2.17)."""
    writer.u16(_type_of(found))
    rid = 0 if found is None else _NO_RID if found.type == SID_TYPE_DOMAIN else found.sid.rid
    writer.u32(rid)
    writer.i32(domain)


def _write_translated_sid_ex(writer: NdrWriter, found: Translation | None, domain: int) -> None:
    """LSAPR_TRANSLATED_SID_EX ([MS-LSAT] 2.2.23)."""
    _write_translated_sid(writer, found, domain)
    writer.u32(0)


def _write_translated_sid_ex2(writer: NdrWriter, found: Translation | None, domain: int) -> None:
    """LSAPR_TRANSLATED_SID_EX2 ([MS-LSAT] 2.2.25)."""
    writer.u16(_type_of(found))
    writer.sid_pointer(None if found is None else found.sid)
    writer.i32(domain)
    writer.u32(0)

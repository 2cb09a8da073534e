"""Listing shares: NetrShareEnum, NetrShareEnumSticky, NetrShareGetInfo ([MS-SRVS] 3.1.4.8 to 3.1.4.10)."""

from __future__ import annotations

from collections.abc import Callable

from smbd.rpc.errors import ERROR_INVALID_LEVEL, ERROR_INVALID_NAME, ERROR_SUCCESS
from smbd.rpc.info_levels import read_enumeration, write_enumeration, write_info
from smbd.rpc.ndr import NdrReader, NdrWriter
from smbd.rpc.service import Call
from smbd.rpc.srvsvc.share_info import LEVELS, ShareInfo, find_share, listed_shares


def share_enum(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrShareEnum: what the caller may see."""
    _enumerate(call, reader, writer, listed_shares)


def share_enum_sticky(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrShareEnumSticky: the shares that outlast a restart, which all in smb.conf do; not IPC$ and the like."""
    _enumerate(call, reader, writer, _without_hidden)


def _without_hidden(call: Call) -> list[ShareInfo]:
    return [share for share in listed_shares(call) if not share.name.endswith("$")]


def _enumerate(call: Call, reader: NdrReader, writer: NdrWriter, listing: Callable[[Call], list[ShareInfo]]) -> None:
    reader.optional_string()
    level = read_enumeration(reader, LEVELS)
    if level is None:
        write_enumeration(writer, 0, LEVELS[0], [], ERROR_INVALID_LEVEL)
        return
    reader.u32()
    resume = reader.optional_u32()
    write_enumeration(writer, level, LEVELS[level], listing(call), resume=resume)


def share_get_info(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrShareGetInfo: one share by name, also if no listing shows it.

    An unknown name is ERROR_INVALID_NAME, as Samba has it; [MS-SRVS] says NERR_NetNameNotFound.
    """
    reader.optional_string()
    name = reader.string()
    level = reader.u32()
    share = find_share(call, name) if level in LEVELS else None
    status = ERROR_SUCCESS if share is not None else ERROR_INVALID_NAME
    write_info(writer, LEVELS, level, share, status if level in LEVELS else ERROR_INVALID_LEVEL)

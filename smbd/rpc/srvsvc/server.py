"""About the server itself: NetrServerGetInfo, NetrServerDiskEnum, NetrRemoteTOD, NetprNameValidate ([MS-SRVS])."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from smbd.config.substitute import SubstContext, substitute
from smbd.rpc.errors import (
    ERROR_ACCESS_DENIED,
    ERROR_INVALID_LEVEL,
    ERROR_INVALID_NAME,
    ERROR_INVALID_PARAMETER,
    ERROR_SUCCESS,
)
from smbd.rpc.info_levels import Level, level, write_info
from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter
from smbd.rpc.service import PLATFORM_ID_NT, VERSION_MAJOR, VERSION_MINOR, Call

# Server types ([MS-SRVS] 2.2.2.7).
SV_TYPE_WORKSTATION: Final = 0x00000001
SV_TYPE_SERVER: Final = 0x00000002
SV_TYPE_SERVER_UNIX: Final = 0x00000800
SV_TYPE_NT: Final = 0x00001000
SV_TYPE_SERVER_NT: Final = 0x00008000
SERVER_TYPE: Final = SV_TYPE_WORKSTATION | SV_TYPE_SERVER | SV_TYPE_SERVER_UNIX | SV_TYPE_NT | SV_TYPE_SERVER_NT

_LEVEL_101: Final = "#platform_id $name #version_major #version_minor #type $comment"
LEVELS: Final[dict[int, Level]] = {
    100: level("#platform_id $name"),
    101: level(_LEVEL_101),
    102: level(f"{_LEVEL_101} #users #disconnect_minutes #hidden #announce #announce_delta #licenses $user_path"),
}

# NAMETYPE_SHARE and its flag for names that old clients can use ([MS-SRVS] 2.2.2.8, 3.1.4.30).
_NAMETYPE_SHARE: Final = 9
_NAME_FLAG_LM: Final = 0x80000000
_NAME_LIMITS: Final = {0: 80, _NAME_FLAG_LM: 12}
_FORBIDDEN_IN_NAMES: Final = frozenset('"\\/[]:|<>+=;,*?')

_DISK: Final = "C:"


class ServerInfo(msgspec.Struct, kw_only=True):
    """SERVER_INFO_102 ([MS-SRVS] 2.2.4.42); the defaults are what Samba answers."""

    name: str
    comment: str
    platform_id: int = PLATFORM_ID_NT
    version_major: int = VERSION_MAJOR
    version_minor: int = VERSION_MINOR
    type: int = SERVER_TYPE
    users: int = 0xFFFFFFFF
    disconnect_minutes: int = 15
    hidden: int = 0
    announce: int = 240
    announce_delta: int = 3000
    licenses: int = 100000
    user_path: str = "C:\\"


def server_get_info(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrServerGetInfo ([MS-SRVS] 3.1.4.17)."""
    reader.optional_string()
    number = reader.u32()
    parameters = call.context.config.globals
    comment = substitute(parameters.server_string, SubstContext(server_name=parameters.netbios_name))
    info = ServerInfo(name=parameters.netbios_name.upper(), comment=comment)
    write_info(writer, LEVELS, number, info, ERROR_SUCCESS)


def server_disk_enum(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrServerDiskEnum ([MS-SRVS] 3.1.4.19): the one drive that paths of shares are said to lie on."""
    reader.optional_string()
    number = reader.u32()
    reader.u32()
    if reader.pointer():
        # A conformant varying array: maximum, offset, actual count.
        reader.u32()
        reader.u32()
        if reader.u32():
            raise NdrError("an array of disks in a request for them")
    reader.u32()
    resume = reader.optional_u32()
    status = ERROR_SUCCESS
    if number:
        status = ERROR_INVALID_LEVEL
    elif not call.session.token.is_administrator:
        status = ERROR_ACCESS_DENIED
    disks = [_DISK] if not status and not resume else []
    writer.u32(len(disks))
    writer.parameter(lambda: _disk_array(writer, disks))
    writer.u32(len(disks))
    writer.optional_u32(None if resume is None else resume + len(disks))
    writer.u32(status)


def _disk_array(writer: NdrWriter, disks: list[str]) -> None:
    writer.u32(len(disks))
    writer.u32(0)
    writer.u32(len(disks))
    for disk in disks:
        # DISK_INFO ([MS-SRVS] 2.2.4.92): a varying array of at most three characters.
        writer.align(4)
        writer.u32(0)
        writer.u32(len(disk) + 1)
        writer.raw(f"{disk}\0".encode("utf-16-le"))


def remote_tod(_call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrRemoteTOD ([MS-SRVS] 3.1.4.21): the server's clock."""
    reader.optional_string()
    writer.parameter(lambda: _time_of_day(writer, time.time()))
    writer.u32(ERROR_SUCCESS)


def _time_of_day(writer: NdrWriter, now: float) -> None:
    """TIME_OF_DAY_INFO ([MS-SRVS] 2.2.4.105)."""
    utc = time.gmtime(now)
    hundredths = int(now * 100) % 100
    writer.u32(int(now) & 0xFFFFFFFF)
    writer.u32(int(now * 1000) & 0xFFFFFFFF)
    writer.u32(utc.tm_hour)
    writer.u32(utc.tm_min)
    writer.u32(utc.tm_sec)
    writer.u32(hundredths)
    writer.i32(-time.localtime(now).tm_gmtoff // 60)
    # Ten-thousandths of a second from one tick of the clock to the next.
    writer.u32(10000)
    writer.u32(utc.tm_mday)
    writer.u32(utc.tm_mon)
    writer.u32(utc.tm_year)
    writer.u32((utc.tm_wday + 1) % 7)


def name_validate(_call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetprNameValidate ([MS-SRVS] 3.1.4.30): whether a name could be that of a share."""
    reader.optional_string()
    name = reader.string()
    name_type, flags = reader.u32(), reader.u32()
    limit = _NAME_LIMITS.get(flags)
    if name_type != _NAMETYPE_SHARE or limit is None:
        status = ERROR_INVALID_PARAMETER
    elif not name or len(name) > limit or any(c in _FORBIDDEN_IN_NAMES or c < " " for c in name):
        status = ERROR_INVALID_NAME
    else:
        status = ERROR_SUCCESS
    writer.u32(status)

"""The Workstation Service Remote Protocol ([MS-WKST]): what kind of machine this is, and who is logged on."""

from __future__ import annotations

from typing import Final

import msgspec

from smbd.rpc.errors import ERROR_ACCESS_DENIED, ERROR_INVALID_LEVEL, ERROR_SUCCESS
from smbd.rpc.info_levels import Level, level, read_enumeration, write_enumeration, write_info
from smbd.rpc.ndr import NdrReader, NdrWriter
from smbd.rpc.pdu import SyntaxId
from smbd.rpc.service import PLATFORM_ID_NT, VERSION_MAJOR, VERSION_MINOR, Call, Service

_LEVEL_100: Final = "#platform_id $computer_name $domain #version_major #version_minor"
INFO_LEVELS: Final[dict[int, Level]] = {
    100: level(_LEVEL_100),
    101: level(f"{_LEVEL_100} $lan_root"),
    102: level(f"{_LEVEL_100} $lan_root #logged_on_users"),
}
USER_LEVELS: Final[dict[int, Level]] = {
    0: level("$user"),
    1: level("$user $logon_domain $other_domains $logon_server"),
}


class WorkstationInfo(msgspec.Struct, kw_only=True):
    """WKSTA_INFO_102 ([MS-WKST] 2.2.5.3)."""

    computer_name: str
    domain: str
    platform_id: int = PLATFORM_ID_NT
    version_major: int = VERSION_MAJOR
    version_minor: int = VERSION_MINOR
    lan_root: str = ""
    logged_on_users: int = 0


def wksta_get_info(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrWkstaGetInfo ([MS-WKST] 3.2.4.1); level 102 is for administrators, 101 for who has logged on."""
    reader.optional_string()
    number = reader.u32()
    parameters = call.context.config.globals
    session = call.session
    info = WorkstationInfo(computer_name=parameters.netbios_name.upper(), domain=parameters.workgroup.upper())
    if (number >= 101 and (session.is_anonymous or session.is_guest)) or (
        number >= 102 and not session.token.is_administrator
    ):
        write_info(writer, INFO_LEVELS, number, None, ERROR_ACCESS_DENIED)
    else:
        write_info(writer, INFO_LEVELS, number, info, ERROR_SUCCESS)


def wksta_user_enum(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """NetrWkstaUserEnum ([MS-WKST] 3.2.4.3): nobody sits at a file server; administrators may ask."""
    reader.optional_string()
    number = read_enumeration(reader, USER_LEVELS)
    if number is None:
        write_enumeration(writer, 0, USER_LEVELS[0], [], ERROR_INVALID_LEVEL)
        return
    reader.u32()
    resume = reader.optional_u32()
    status = ERROR_SUCCESS if call.session.token.is_administrator else ERROR_ACCESS_DENIED
    write_enumeration(writer, number, USER_LEVELS[number], [], status, resume)


SERVICE: Final = Service(
    "wkssvc",
    SyntaxId.of("6bffd098-a112-3610-9833-46c3f87e345a", 1),
    {0: wksta_get_info, 2: wksta_user_enum},
)

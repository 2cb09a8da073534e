"""The Server Service Remote Protocol ([MS-SRVS]): what a server shares, and who uses it."""

from __future__ import annotations

from typing import Final

from smbd.rpc.pdu import SyntaxId
from smbd.rpc.service import Service
from smbd.rpc.srvsvc import server, shares, usage

SERVICE: Final = Service(
    "srvsvc",
    SyntaxId.of("4b324fc8-1670-01d3-1278-5a47bf6ee188", 3),
    {
        8: usage.connection_enum,
        9: usage.file_enum,
        12: usage.session_enum,
        15: shares.share_enum,
        16: shares.share_get_info,
        21: server.server_get_info,
        23: server.server_disk_enum,
        28: server.remote_tod,
        33: server.name_validate,
        36: shares.share_enum_sticky,
    },
)

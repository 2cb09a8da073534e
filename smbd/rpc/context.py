"""What the services on named pipes know of their server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from smbd.auth.context import AuthContext
    from smbd.config.loadparm import Config
    from smbd.xsrv.databases import Databases


class RpcContext(NamedTuple):
    """Configuration, accounts, shared state, and where the client is."""

    config: Config
    auth: AuthContext
    databases: Databases
    client_address: str

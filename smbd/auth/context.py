"""What an authentication needs to know of its server and its client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from smbd.auth.idmap import IdMap
from smbd.auth.lookup import NameLookup
from smbd.auth.passdb import Passdb
from smbd.auth.username_map import UsernameMap
from smbd.config.loadparm import Config


class AuthContext:
    """Built once per worker, handed to every acceptor and every policy decision.

    Attributes:
        passdb: the accounts.
        idmap: SIDs and Unix ids.
        lookup: names and SIDs.
        username_map: the parsed `username map` file.
        client_address: of the peer, for the log and for workstation checks.
        client_name: of the peer, as far as known.
        as_root: whether other users' credentials can be taken on. If not, every user is served with those of
            the process.
        clock: seconds since the epoch.
    """

    __slots__ = (
        "as_root", "client_address", "client_name", "clock", "config", "idmap", "lookup", "passdb",
        "username_map",
    )  # fmt: skip

    def __init__(
        self,
        config: Config,
        passdb: Passdb,
        *,
        client_address: str = "",
        client_name: str = "",
        as_root: bool | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.passdb = passdb
        self.client_address = client_address
        self.client_name = client_name
        self.as_root = os.geteuid() == 0 if as_root is None else as_root
        self.clock = clock
        self.reload(config)

    def reload(self, config: Config) -> None:
        """Go by another configuration from now on, and forget what was looked up."""
        self.config = config
        self.idmap = IdMap(self.passdb, config.globals.guest_account)
        self.lookup = NameLookup(self.passdb, self.idmap, self.netbios_name)
        self.username_map = UsernameMap(config.globals.username_map)

    @property
    def netbios_name(self) -> str:
        """The server's name, which on a stand-alone server is also that of its account domain."""
        return self.config.globals.netbios_name.upper()

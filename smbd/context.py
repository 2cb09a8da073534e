"""What one server process works with: configuration, event loop, bus and shared state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from messaging.bus import Bus
from messaging.dbwrap.watch import WatchService
from messaging.irpc import Irpc
from messaging.server_id import ServerId
from smbd.auth.context import AuthContext
from smbd.config.loadparm import Config, ShareParams
from smbd.eventloop import EventLoop
from smbd.smb2.overlapped import OverlappedWriter
from smbd.xsrv import scavenging
from smbd.xsrv.databases import Databases
from vfs.locking.kernel_oplock import KernelOplocks
from vfs.notify.notifier import Notifier
from vfs.volume import IdMap

if TYPE_CHECKING:
    from smbd.auth.passdb import Passdb
    from smbd.daemons.names import Names
    from smbd.xsrv.client import Client

_log = logging.getLogger(__name__)


class ServerContext:
    """The environment of a worker. Made once after the fork; passed to whoever needs it.

    Attributes:
        config: the current configuration; replaced as a whole by a reload.
        auth: accounts, name look-ups and policy.
        notifier: change notification; None without `change notify`.
        client: the client that this worker serves, once it is known.
        names: the names of the helper daemons; opened by who asks first.
        overlapped: writes what is large while the next message is received.
        server_guid: ServerGuid of NEGOTIATE, the same in all workers of one server.
        start_time: when the parent started, FILETIME.
    """

    def __init__(
        self,
        config: Config,
        loop: EventLoop,
        bus: Bus,
        server_id: ServerId,
        databases: Databases,
        passdb: Passdb,
        *,
        server_guid: bytes,
        start_time: int,
    ) -> None:
        self.config = config
        self.loop = loop
        self.bus = bus
        self.irpc = Irpc(bus)
        self.watch = WatchService(bus)
        databases.watch(self.watch)
        self.notifier: Notifier | None = None
        if config.globals.change_notify:
            self.notifier = Notifier(
                databases.notify_index, bus, kernel=config.globals.kernel_change_notify
            )
        self.server_id = server_id
        self.databases = databases
        if databases.persistent is not None:
            databases.persistent.serve(loop)
            databases.persistent.on_grown = lambda: scavenging.wake(self, 0)
        self.auth = AuthContext(config, passdb)
        self.server_guid = server_guid
        self.start_time = start_time
        self.client: Client | None = None
        self.names: Names | None = None
        self.overlapped = OverlappedWriter(loop)
        self._kernel_oplocks: KernelOplocks | None = None
        self.on_reload: list[Callable[[Config], None]] = []

    def set_config(self, config: Config) -> None:
        """Put a new configuration in force, for new requests and for the tree connects that exist."""
        self.config = config
        self.auth.reload(config)
        for callback in self.on_reload:
            callback(config)
        if self.client is not None:
            self.client.reload(config)

    @property
    def id_map(self) -> IdMap:
        """How the file system layer translates owners and groups."""
        idmap = self.auth.idmap
        return IdMap(idmap.uid_to_sid, idmap.gid_to_sid, idmap.sid_to_uid, idmap.sid_to_gid)

    def kernel_oplocks(self) -> KernelOplocks:
        """What backs oplocks by leases of the kernel; made for the first share that wants it.

        Raises:
            OSError: no descriptor is left.
        """
        if self._kernel_oplocks is None:
            self._kernel_oplocks = KernelOplocks(self.loop)
        return self._kernel_oplocks

    def share(self, name: str) -> ShareParams | None:
        """Return the share `name` as configured now."""
        return self.config.share(name)

    def close_share(self, name: str) -> None:
        """Disconnect every tree connect of share `name` (``*`` for all) that this worker serves."""
        if self.client is not None:
            self.client.close_share(name)

    def kill_client_ip(self, address: str) -> None:
        """End this worker's connections from `address`."""
        if self.client is not None:
            self.client.kill_ip(address)

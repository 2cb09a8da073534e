"""cleanupd: removes what a process that died uncleanly has left in the shared state.

The parent tells the pid as soon as it has reaped it. At the start and now and then everything is gone over, so that
nothing is missed that happened while cleanupd itself was dead.

Only records whose owner provably does not live are touched: the pid may be in use again, the unique id is not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from messaging.bus import remove_dead_process
from messaging.server_id import ServerId, server_id_exists
from smbd.daemons.channel import ChildEnded, Message
from smbd.daemons.helper import Helper
from smbd.xsrv import scavenging
from smbd.xsrv.databases import Databases
from smbd.xsrv.records import CLIENT_CODEC, SessionGlobal
from smbd.xsrv.recovery import adopt

NAME: Final = "cleanupd"

_log = logging.getLogger(__name__)

#: There is no handle that waits for its client.
NO_WAIT: Final = 1 << 32
#: Seconds between looks at everything.
SWEEP_INTERVAL: Final = 60.0


class Cleaner:
    """Finds and removes the records of dead processes.

    Args:
        databases: the server's.
        exists: whether the very process of a server id lives; None to ask the lock directory.

    Attributes:
        shortest_wait: milliseconds until the first of the persistent handles that now wait for their clients is due.
    """

    def __init__(self, databases: Databases, exists: Callable[[ServerId], bool] | None = None) -> None:
        self._databases = databases
        self.shortest_wait = NO_WAIT
        directory = databases.lock_directory
        self._exists = exists or (lambda server_id: server_id_exists(directory, server_id))

    def clean(self, pid: int | None = None) -> int:
        """Remove the records of dead processes: of `pid`, or of all.

        Returns:
            The number of records removed.
        """
        known: dict[ServerId, bool] = {}

        def dead(server_id: ServerId) -> bool:
            if server_id.is_disconnected() or pid not in {None, server_id.pid}:
                return False
            if server_id not in known:
                known[server_id] = not self._exists(server_id)
            return known[server_id]

        removed = self._clean_opens(dead) + self._clean_tcons(dead)
        removed += self._clean_sessions(dead) + self._clean_clients(dead) + self._clean_share_modes(dead)
        removed += self._clean_byte_locks(dead) + self._databases.forget_instance_opens()
        removed += self._databases.forget_creates()
        for server_id, is_dead in known.items():
            if is_dead:
                self._remove_lock_file(server_id.pid)
        if pid is not None:
            self._remove_lock_file(pid)
            if self._databases.persistent is not None:
                scavenging.forget_closed(self._databases, self._databases.persistent)
        return removed

    def _clean_opens(self, dead: Callable[[ServerId], bool]) -> int:
        opens, persistent = self._databases.opens, self._databases.persistent
        left = [(number, record) for number, record in opens.items() if dead(record.server_id)]
        for number, record in left:
            if record.persistent and persistent is not None:
                if adopt(self._databases, number):
                    self.shortest_wait = min(self.shortest_wait, record.durable_timeout_msec)
                persistent.touch(number)
                continue
            opens.update(number, lambda record: None if dead(record.server_id) else record)
        return len(left)

    def _clean_tcons(self, dead: Callable[[ServerId], bool]) -> int:
        tcons = self._databases.tcons
        left = [number for number, record in tcons.items() if dead(record.server_id)]
        for number in left:
            tcons.update(number, lambda record: None if dead(record.server_id) else record)
        return len(left)

    def _clean_sessions(self, dead: Callable[[ServerId], bool]) -> int:
        """A session is as good as its channels: drop the dead ones, and the session with the last."""

        def without_dead(record: SessionGlobal) -> SessionGlobal | None:
            record.channels = [one for one in record.channels if not dead(one.server_id)]
            return record if record.channels else None

        sessions = self._databases.sessions
        left = [
            number
            for number, record in sessions.items()
            if any(dead(channel.server_id) for channel in record.channels)
        ]
        for number in left:
            sessions.update(number, without_dead)
        return len(left)

    def _clean_clients(self, dead: Callable[[ServerId], bool]) -> int:
        clients = self._databases.clients
        left = [key for key, value in clients.traverse_read() if dead(CLIENT_CODEC.decode(value).server_id)]
        for key in left:
            with clients.fetch_locked(key) as record:
                if record.value is not None and dead(CLIENT_CODEC.decode(record.value).server_id):
                    record.delete()
        return len(left)

    def _clean_share_modes(self, dead: Callable[[ServerId], bool]) -> int:
        share_modes = self._databases.share_modes
        owners = {entry.server_id for _, record in share_modes.traverse() for entry in record.entries}
        gone = [owner for owner in owners if dead(owner)]
        return sum(share_modes.remove_server(owner) for owner in gone)

    def _clean_byte_locks(self, dead: Callable[[ServerId], bool]) -> int:
        byte_locks = self._databases.byte_locks
        owners = {lock.server_id for _, locks in byte_locks.traverse() for lock in locks}
        gone = [owner for owner in owners if dead(owner)]
        return sum(byte_locks.remove_server(owner) for owner in gone)

    def _remove_lock_file(self, pid: int) -> None:
        try:
            remove_dead_process(self._databases.lock_directory, pid)
        except OSError as error:
            _log.warning("files of process %d stay: %s", pid, error)


class CleanupState:
    """cleanupd's task: on word of the parent, and now and then.

    Args:
        helper: the process.
    """

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._cleaner = Cleaner(helper.databases)
        helper.on_message = self._from_parent
        helper.answer_common_messages()
        self._sweep()

    def _from_parent(self, message: Message) -> None:
        if isinstance(message, ChildEnded) and not message.clean:
            self._clean(message.pid)

    def _sweep(self) -> None:
        self._clean(None)
        self._helper.loop.call_later(SWEEP_INTERVAL, self._sweep)

    def _clean(self, pid: int | None) -> None:
        try:
            removed = self._cleaner.clean(pid)
        except Exception:  # noqa: BLE001 - the next sweep tries again; no restart loop for a database in trouble
            _log.exception("cleaning up failed")
            return
        if self._cleaner.shortest_wait < NO_WAIT:
            scavenging.wake_by(self._helper.names, self._helper.bus, self._cleaner.shortest_wait)
            self._cleaner.shortest_wait = NO_WAIT
        if removed or pid is not None:
            _log.info("removed %d records of %s", removed, "dead processes" if pid is None else f"process {pid}")


def main(helper: Helper) -> None:
    """Run the daemon."""
    CleanupState(helper)
    helper.run()

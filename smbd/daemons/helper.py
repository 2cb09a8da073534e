"""The frame of a helper daemon: everything that is not its very task."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from messaging.bus import Bus
from messaging.dbwrap.watch import WatchService
from smbd import log
from smbd.config.loadparm import Config
from smbd.control import register_common
from smbd.daemons.channel import Channel, ChannelClosed, Message
from smbd.daemons.names import Names
from smbd.eventloop import EventLoop
from smbd.postfork import Inheritance, enter, join_bus
from smbd.xsrv.databases import Databases

_log = logging.getLogger(__name__)

EXIT_CLEAN: Final = 0
EXIT_FAILED: Final = 1


class Helper:
    """The environment of a helper daemon.

    Attributes:
        name: what it is called by smbcontrol and ps.
        parent_pid: the server's parent.
        loop, bus, watch: its own.
        databases: the server's.
        on_message: called with each message of the parent; set by the daemon.
        on_reload: called with a new configuration; set by a daemon that cares.
    """

    def __init__(self, name: str, inherited: Inheritance, channel: Channel) -> None:
        self.name = name
        self.parent_pid = inherited.parent_pid
        self.databases: Databases = inherited.databases
        self.config: Config = inherited.config
        self._source = inherited.source
        self._channel = channel
        self.on_message: Callable[[Message], None] = lambda _message: None
        self.on_reload: Callable[[Config], None] = lambda _config: None
        self.loop: EventLoop = enter(
            inherited,
            name,
            None,
            on_terminate=self.stop,
            on_hangup=self.reload,
            on_orphaned=self.stop,
        )
        self.bus: Bus = join_bus(inherited, self.loop)
        self.watch = WatchService(self.bus)
        self.databases.watch(self.watch)
        self.names = Names(self.lock_directory)
        self.loop.add_reader(channel.fileno(), self._receive)

    @property
    def lock_directory(self) -> str:
        """The directory of the databases and of the bus."""
        return self.bus.directory

    def answer_common_messages(self) -> None:
        """Let smbcontrol ping, debug, reload and end this process, under its name."""
        register_common(self.bus, on_reload=self.reload, on_shutdown=self.stop)
        self.names.register(self.name, self.bus.server_id, self.bus.server_id.pid)

    def send_parent(self, message: Message) -> bool:
        """Send a message to the parent; False if it cannot be."""
        return self._channel.send(message)

    def run(self) -> None:
        """Serve until `stop`."""
        self.loop.run()

    def stop(self) -> None:
        """End the process in order."""
        self.loop.stop()

    def reload(self) -> None:
        """Read the configuration again and open the log file anew."""
        log.reopen()
        config = self._source.reload()
        if config is not None:
            self.config = config
            log.configure(self._source.log_options(config))
            self.on_reload(config)

    def _receive(self) -> None:
        try:
            for message in self._channel.receive():
                self.on_message(message)
        except ChannelClosed:
            self.loop.remove_reader(self._channel.fileno())
            self.stop()

    def close(self) -> None:
        """Leave the bus."""
        self.watch.close()
        self.bus.close()


def run_helper(
    name: str, main: Callable[[Helper], None], inherited: Inheritance, channel: Channel
) -> int:
    """Run a helper daemon in a freshly forked process; return its exit code, whatever happens inside."""
    try:
        helper = Helper(name, inherited, channel)
        try:
            main(helper)
        finally:
            helper.close()
    except Exception:  # noqa: BLE001 - the end of the process
        _log.exception("%s gives up", name)
        return EXIT_FAILED
    return EXIT_CLEAN

"""notifyd: the side of change notification that no worker can see to.

* It looks, by inotify, for changes that are made beside the server to what somebody watches.
* It tells everybody who watches of a change, where a worker finds too many to do so itself.
* It takes watches of dead workers out of the register.

The register of watches is a database (`vfs.notify.index`), and workers tell each other without notifyd. So when it is
killed only local changes of that moment are missed, and nobody has to register again.
"""

from __future__ import annotations

import logging
from typing import Final

from messaging.msg_types import MSG_SMB_NOTIFY_CLEANUP, MSG_SMB_NOTIFY_REC_CHANGES
from messaging.records import RecordError
from messaging.server_id import ServerId
from smbd.config.loadparm import Config
from smbd.daemons.channel import ChildEnded, Message
from smbd.daemons.helper import Helper
from smbd.daemons.kernel_feed import KernelFeed
from vfs.notify.change import TRIGGER_CODEC, Change
from vfs.notify.notifier import Notifier

NAME: Final = "notifyd"

_log = logging.getLogger(__name__)


class NotifyState:
    """notifyd's task.

    Args:
        helper: the process.
    """

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._index = helper.databases.notify_index
        self._feed: KernelFeed | None = None
        bus = helper.bus
        # It watches nothing itself, and what it tells it need not be told.
        self._notifier = Notifier(self._index, bus, kernel=False, receive=self._trigger)
        bus.register(MSG_SMB_NOTIFY_REC_CHANGES, self._watches_changed)
        bus.register(MSG_SMB_NOTIFY_CLEANUP, lambda _source, _payload: self._clean())
        helper.on_message = self._from_parent
        helper.on_reload = self._configure
        helper.answer_common_messages()
        self._index.publish_notifyd(bus.server_id)
        self._clean()
        self._configure(helper.config)

    def _configure(self, config: Config) -> None:
        wanted = config.globals.change_notify and config.globals.kernel_change_notify
        limit = config.globals.kernel_change_notify_directories
        if not wanted and self._feed is not None:
            self._feed.close()
            self._feed = None
        elif wanted and self._feed is None:
            try:
                self._feed = KernelFeed(self._helper.loop, self._tell, self._helper.databases.share_modes, limit)
            except OSError as error:
                _log.error("local changes cannot be watched: %s", error)
                return
            for directory in list(self._index.directories()):
                self._refresh(directory)
        elif self._feed is not None:
            self._feed.trees.limit = limit

    def _watches_changed(self, _source: ServerId, directory: bytes) -> None:
        self._refresh(directory)

    def _refresh(self, directory: bytes) -> None:
        if self._feed is None:
            return
        interests = self._index.interests(directory)
        if interests:
            self._feed.watch(directory, recursive=any(one.below for one in interests))
        else:
            self._feed.unwatch(directory)

    def _trigger(self, source: ServerId, payload: bytes) -> None:
        try:
            trigger = TRIGGER_CODEC.decode(payload)
        except RecordError as error:
            _log.error("change notification from %s: %s", source, error)
            return
        if self._feed is not None:
            self._feed.told(trigger.changes)
        if trigger.pass_on:
            receivers = self._index.receivers(trigger.changes)
            receivers.pop(source, None)
            self._notifier.send(receivers)

    def _tell(self, changes: list[Change]) -> None:
        self._notifier.send(self._index.receivers(changes))

    def _from_parent(self, message: Message) -> None:
        if isinstance(message, ChildEnded) and not message.clean:
            self._clean()

    def _clean(self) -> None:
        databases = self._helper.databases
        for directory in self._index.forget(lambda server_id: not databases.is_alive(server_id)):
            _log.info("a dead process watched %r", directory)
            self._refresh(directory)


def main(helper: Helper) -> None:
    """Run the daemon."""
    NotifyState(helper)
    helper.run()

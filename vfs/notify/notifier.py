"""A process' part in change notification: its watches, telling the others, being told.

Processes tell each other directly, so that a change is known one message after it was made. When very many want to
know, notifyd tells them, because a request is not to wait for hundreds of messages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from messaging.bus import Bus, Handler
from messaging.errors import MessagingError, PeerGone
from messaging.msg_types import MSG_SMB_NOTIFY_REC_CHANGES, MSG_SMB_NOTIFY_TRIGGER
from messaging.records import RecordError
from messaging.server_id import ServerId
from vfs.fsa.names import to_smb
from vfs.notify.change import (
    DIRECTORY_CHANGES_LOST,
    DIRECTORY_DELETED,
    DIRECTORY_MOVED,
    TRIGGER_CODEC,
    Change,
    Trigger,
    parcels,
    parent_of,
)
from vfs.notify.index import NotifyIndex
from vfs.notify.watch import Watch

_log = logging.getLogger(__name__)

#: Processes told by the one that made the change; fewer than the bus keeps connections.
MAX_TOLD_DIRECTLY: Final = 16
#: Seconds after which notifyd is told what it is to know of; short beside `vfs.notify.local_changes.HOLD`.
NOTIFYD_DELAY: Final = 0.02
#: Changes that it is told of at once.
_ENOUGH: Final = 64


class Notifier:
    """The watches of this process, and its voice.

    Args:
        index: the register of all processes.
        bus: the place of this process on the bus.
        kernel: whether notifyd looks for changes beside the server, so that it has to know those of the server.
        receive: what takes the messages of others; its own method by default.
    """

    def __init__(
        self, index: NotifyIndex, bus: Bus, *, kernel: bool, receive: Handler | None = None
    ) -> None:
        self._index = index
        self._bus = bus
        self._kernel = kernel
        self._watches: dict[bytes, list[Watch]] = {}
        self._recursive = 0  # how many of them look further down
        self._untold: list[Change] = []  # to notifyd
        self.anyone = index.anyone
        """Tells whether any process watches anything."""
        bus.register(MSG_SMB_NOTIFY_TRIGGER, receive or self._receive)

    # watches

    def add(self, watch: Watch) -> None:
        """Begin to watch.

        Raises:
            DbError: the register cannot be changed.
        """
        if not self._watches:
            self._index.enter(self._bus.server_id)
        self._watches.setdefault(watch.directory, []).append(watch)
        self._recursive += watch.recursive
        self._publish(watch.directory)

    def remove(self, watch: Watch) -> None:
        """Watch no longer; harmless if it was not watched.

        Raises:
            DbError: the register cannot be changed.
        """
        watches = self._watches.get(watch.directory, [])
        if watch not in watches:
            return
        watches.remove(watch)
        self._recursive -= watch.recursive
        if not watches:
            del self._watches[watch.directory]
        self._publish(watch.directory)
        if not self._watches:
            self._index.leave(self._bus.server_id)

    def _publish(self, directory: bytes) -> None:
        direct = below = 0
        for watch in self._watches.get(directory, ()):
            direct |= watch.completion_filter
            if watch.recursive:
                below |= watch.completion_filter
        interests = {one.server_id: (one.direct, one.below) for one in self._index.interests(directory)}
        before = _reach(interests.values())
        if interests.pop(self._bus.server_id, (0, 0)) == (direct, below):
            return
        self._index.set_interest(directory, self._bus.server_id, direct, below)
        if self._kernel and before != _reach([*interests.values(), (direct, below)]):
            self._send_notifyd(MSG_SMB_NOTIFY_REC_CHANGES, directory)

    # telling

    def tell(self, changes: Sequence[Change]) -> None:
        """Tell everybody who wants to know; `changes` belong together, in their order."""
        receivers = self._index.receivers(changes)
        if not receivers:
            return
        mine = receivers.pop(self._bus.server_id, None)
        if mine is not None:
            # Not at once: the response to the change goes first.
            self._bus.reactor.call_later(0, lambda: self._deliver(mine))
        if len(receivers) > MAX_TOLD_DIRECTLY and self._send_notifyd(
            MSG_SMB_NOTIFY_TRIGGER, TRIGGER_CODEC.encode(Trigger(list(changes), pass_on=True))
        ):
            return
        self.send(receivers)
        if self._kernel:
            self._tell_notifyd(changes)

    def send(self, receivers: dict[ServerId, list[Change]]) -> None:
        """Send each process the changes that it wants to know."""
        for receiver, changes in receivers.items():
            try:
                for parcel in parcels(changes):
                    self._bus.post(receiver, MSG_SMB_NOTIFY_TRIGGER, TRIGGER_CODEC.encode(Trigger(parcel)))
            except PeerGone:
                continue  # notifyd takes what it left out of the register
            except MessagingError as error:
                _log.warning("change notification for %s is lost: %s", receiver, error)

    def _tell_notifyd(self, changes: Sequence[Change]) -> None:
        """Let notifyd know what is ours, soon: it holds back what the kernel tells, so a message for many will do."""
        untold = self._untold
        if not untold:
            self._bus.reactor.call_later(NOTIFYD_DELAY, self.flush)
        untold += changes
        if len(untold) >= _ENOUGH:
            self.flush()

    def flush(self) -> None:
        """Tell notifyd now what it is to know: before the end of the process, or the kernel's word would count."""
        changes, self._untold = self._untold, []
        if changes:
            for parcel in parcels(changes):
                self._send_notifyd(MSG_SMB_NOTIFY_TRIGGER, TRIGGER_CODEC.encode(Trigger(parcel)))

    def _send_notifyd(self, msg_type: int, payload: bytes) -> bool:
        notifyd = self._index.notifyd()
        if notifyd is None:
            return False
        try:
            self._bus.post(notifyd, msg_type, payload)
        except MessagingError as error:
            _log.debug("notifyd: %s", error)  # it reads the register when it is back
            return False
        return True

    # being told

    def _receive(self, source: ServerId, payload: bytes) -> None:
        try:
            trigger = TRIGGER_CODEC.decode(payload)
        except RecordError as error:
            _log.error("change notification from %s: %s", source, error)
            return
        self._deliver(trigger.changes)

    def _deliver(self, changes: Sequence[Change]) -> None:
        touched: set[Watch] = set()
        for change in changes:
            if change.action < 0:
                self._deliver_own(change, touched)
                continue
            directory = parent_of(change.path)
            self._deliver_in(directory, change, touched)
            while self._recursive and (directory := parent_of(directory)):
                self._deliver_in(directory, change, touched, below=True)
        for watch in touched:
            watch.wake()

    def _deliver_in(self, directory: bytes, change: Change, touched: set[Watch], *, below: bool = False) -> None:
        """Deliver to the watches of one directory that the change is in, or below of."""
        for watch in self._watches.get(directory, ()):
            if watch.completion_filter & change.completion_filter and (watch.recursive or not below):
                watch.add(change.action, to_smb(change.path[len(directory.rstrip(b"/")) + 1 :]))
                touched.add(watch)

    def _deliver_own(self, change: Change, touched: set[Watch]) -> None:
        """Deal with what happened to watched directories themselves."""
        watches = list(self._watches.get(change.path, ()))
        for watch in watches:
            if change.action == DIRECTORY_DELETED:
                watch.directory_deleted()
            elif change.action == DIRECTORY_CHANGES_LOST:
                watch.lose()
                touched.add(watch)
            elif change.action == DIRECTORY_MOVED:
                self.remove(watch)
                watch.directory = change.new_path
                self.add(watch)

    def statistics(self) -> dict[str, int]:
        """Return figures for status tools."""
        return {"directories": len(self._watches), "watches": sum(map(len, self._watches.values()))}


def _reach(filters: Iterable[tuple[int, int]]) -> tuple[bool, bool]:
    """Return whether a directory is watched, and whether what is beneath it."""
    direct = below = 0
    for one, other in filters:
        direct |= one
        below |= other
    return bool(direct | below), bool(below)

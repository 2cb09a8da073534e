"""The register of all watches of all processes: the database notify_index.

It answers two questions of a process that has changed something: does anybody watch anything (one read, no more,
in a server without watches), and which processes care about a change in this directory. So a change that nobody
watches sends no message, and no process has to be asked; a register that lives in the database also survives
notifyd.

| key | value |
|---|---|
| ``/path/of/a/directory`` | one `Interest` for each process that watches it |
| ``?watchers`` | the processes that watch anything |
| ``?below`` | how many of the `Interest` are in what is further down; missing if none: then nobody looks for such |
| ``?notifyd`` | the server id of notifyd |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from messaging.dbwrap.base import Db
from messaging.records import RecordCodec
from messaging.server_id import ServerId
from vfs.notify.change import Change, parent_of


class Interest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one process wants to know about one directory; it sorts out its single watches itself.

    Attributes:
        server_id: the process.
        direct: FILE_NOTIFY_CHANGE_* for changes to what is in the directory.
        below: likewise for what is further down.
    """

    server_id: ServerId
    direct: int
    below: int


INTEREST_CODEC: Final = RecordCodec(list[Interest], 1, "notify_index")
WATCHERS_CODEC: Final = RecordCodec(list[ServerId], 1, "notify_index watchers")
BELOW_CODEC: Final = RecordCodec(int, 1, "notify_index below")
NOTIFYD_CODEC: Final = RecordCodec(ServerId, 1, "notify_index notifyd")

# Paths begin with a slash.
_WATCHERS: Final = b"?watchers"
_BELOW: Final = b"?below"
_NOTIFYD: Final = b"?notifyd"


class NotifyIndex:
    """The register.

    Args:
        db: notify_index.

    Attributes:
        anyone: true if any process watches anything.
    """

    def __init__(self, db: Db) -> None:
        self._db = db
        self._parse = db.parse
        self.anyone: Callable[[], bytes | None] = partial(db.parse, _WATCHERS)

    def interests(self, directory: bytes) -> list[Interest]:
        """Return who watches `directory`."""
        parse = self._parse
        value = parse(directory)
        return [] if value is None else INTEREST_CODEC.decode(value)

    def receivers(self, changes: Sequence[Change]) -> dict[ServerId, list[Change]]:
        """Return which process has to learn which of `changes`."""
        # Once for every change and directory above it, as soon as anybody watches anything: no calls to spare.
        found: dict[ServerId, list[Change]] = {}
        parse, decode = self._parse, INTEREST_CODEC.decode
        anyone_below = parse(_BELOW) is not None
        for change in changes:
            path, wanted = change.path, change.completion_filter
            receivers: set[ServerId] = set()
            if change.action < 0:
                receivers.update([one.server_id for one in self.interests(path)])
            else:
                directory = parent_of(path)
                if (value := parse(directory)) is not None:
                    for one in decode(value):
                        if one.direct & wanted:
                            receivers.add(one.server_id)
                while anyone_below and (directory := parent_of(directory)):
                    if (value := parse(directory)) is not None:
                        receivers.update([one.server_id for one in decode(value) if one.below & wanted])
            for receiver in receivers:
                found.setdefault(receiver, []).append(change)
        return found

    def set_interest(self, directory: bytes, server_id: ServerId, direct: int, below: int) -> None:
        """Replace what the process wants to know about `directory`; nothing if both filters are empty."""
        # Whoever is killed on the way leaves the number too high, which costs time only.
        if below and not any(one.below for one in self.interests(directory) if one.server_id == server_id):
            self._count_below(1)
        with self._db.fetch_locked(directory) as record:
            before = [] if record.value is None else INTEREST_CODEC.decode(record.value)
            entries = [one for one in before if one.server_id != server_id]
            was_below = any(one.below for one in before if one.server_id == server_id)
            if direct | below:
                entries.append(Interest(server_id, direct, below))
            if entries:
                record.store(INTEREST_CODEC.encode(entries))
            else:
                record.delete()
        if was_below and not below:
            self._count_below(-1)

    def _count_below(self, change: int) -> None:
        with self._db.fetch_locked(_BELOW) as record:
            count = change + (0 if record.value is None else BELOW_CODEC.decode(record.value))
            if count > 0:
                record.store(BELOW_CODEC.encode(count))
            else:
                record.delete()

    def enter(self, server_id: ServerId) -> None:
        """Note that a process begins to watch: before its first `set_interest`."""
        self._change_watchers(lambda watchers: [*(one for one in watchers if one != server_id), server_id])

    def leave(self, server_id: ServerId) -> None:
        """Note that a process watches nothing any more."""
        self._change_watchers(lambda watchers: [one for one in watchers if one != server_id])

    def _change_watchers(self, change: Callable[[list[ServerId]], list[ServerId]]) -> None:
        with self._db.fetch_locked(_WATCHERS) as record:
            watchers = change([] if record.value is None else WATCHERS_CODEC.decode(record.value))
            if watchers:
                record.store(WATCHERS_CODEC.encode(watchers))
            else:
                record.delete()

    def directories(self) -> Iterator[bytes]:
        """Yield all directories that are watched."""
        for key, _ in self._db.traverse_read():
            if key.startswith(b"/"):
                yield key

    def forget(self, dead: Callable[[ServerId], bool]) -> list[bytes]:
        """Drop what dead processes have left; return the directories concerned."""
        concerned = []
        for directory in list(self.directories()):
            for one in self.interests(directory):
                if dead(one.server_id):
                    self.set_interest(directory, one.server_id, 0, 0)
                    concerned.append(directory)
        self._change_watchers(lambda watchers: [one for one in watchers if not dead(one)])
        return concerned

    # notifyd

    def notifyd(self) -> ServerId | None:
        """Return the server id that notifyd has published last."""
        value = self._parse(_NOTIFYD)
        return None if value is None else NOTIFYD_CODEC.decode(value)

    def publish_notifyd(self, server_id: ServerId) -> None:
        """Make `server_id` known as notifyd."""
        self._db.store(_NOTIFYD, NOTIFYD_CODEC.encode(server_id))

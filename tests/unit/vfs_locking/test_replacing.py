"""A file that is being replaced: whoever opens it in that moment waits, unless the replacer is dead."""

from __future__ import annotations

import pytest

from messaging.dbwrap.memory import MemoryDb
from messaging.server_id import ServerId
from vfs.file_id import FileId
from vfs.locking.entry import ENTRY_REPLACING, ShareModeEntry
from vfs.locking.share_mode import ShareModes

FILE = FileId(1, 2)
ME, OTHER = ServerId(10), ServerId(11)


def entry(owner: ServerId, flags: int = 0) -> ShareModeEntry:
    return ShareModeEntry(owner, 1, 0, 0, 0, 0, 0, flags)


@pytest.mark.parametrize(
    ("entries", "dead", "expected"),
    [
        ([], (), None),
        ([entry(OTHER)], (), None),
        ([entry(OTHER, ENTRY_REPLACING)], (), OTHER),
        ([entry(ME), entry(OTHER, ENTRY_REPLACING)], (), OTHER),
        ([entry(OTHER, ENTRY_REPLACING)], (OTHER,), None),
    ],
)
def test_who_replaces(entries, dead, expected):
    modes = ShareModes(MemoryDb("locking", 1), lambda server_id: server_id not in dead)
    with modes.lock(FILE) as lock:
        for one in entries:
            lock.add("/share", b"/share/f", one)
    with modes.lock(FILE) as lock:
        assert lock.replaced_by() == expected

"""Durable handles in the object store: what is kept of an open, and when it is given back."""

from __future__ import annotations

import os

import pytest

from messaging.server_id import DISCONNECTED, ServerId
from tests.unit.vfs_fsa.support import ORDINARY, Share, found
from vfs.access import FILE_READ_ATTRIBUTES
from vfs.constants import FILE_CREATE, FILE_DELETE_ON_CLOSE, FILE_OPEN, FILE_SHARE_ALL
from vfs.fsa import close, durable
from vfs.fsa.file_object import FileObject
from vfs.fsa.open import open_now
from vfs.fsa.params import OpenOwner, OpenParams
from vfs.locking.oplock import OPLOCK_BATCH, OPLOCK_EXCLUSIVE, OPLOCK_NONE
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError

HANDLE = 77
LATER = OpenOwner(ServerId(9), 5)


@pytest.fixture
def durable_share(make_share):
    return make_share(durable_handles=True)


def open_batch(share: Share, name: str, *, options: int = 0, level: int = OPLOCK_BATCH) -> FileObject:
    params = OpenParams(name, ORDINARY, 0, FILE_SHARE_ALL, FILE_CREATE, options)
    fo = found(open_now(share.volume, share.token, params, OpenOwner(ServerId(1), 1, b"", level)))
    share.opens.append(fo)
    return fo


def leave(share: Share, name: str = "f") -> durable.DurableCookie:
    raw = durable.disconnect(open_batch(share, name), HANDLE)
    assert raw is not None
    return durable.COOKIE_CODEC.decode(raw)


def come_back(share: Share, cookie: durable.DurableCookie) -> FileObject:
    path = durable.current_path(share.volume, cookie, HANDLE)
    fo = durable.reconnect(share.volume, share.token, LATER, cookie, path, HANDLE)
    share.opens.append(fo)
    return fo


def refused(share: Share, cookie: durable.DurableCookie) -> bool:
    with pytest.raises(NTStatusError) as error:
        come_back(share, cookie)
    return error.value.status == STATUS_OBJECT_NAME_NOT_FOUND


def owners(share: Share) -> list[tuple[ServerId, int]]:
    return [(entry.server_id, entry.open_id) for _, record in share.modes.traverse() for entry in record.entries]


def test_an_open_changes_owner_and_comes_back(durable_share):
    fo = open_batch(durable_share, "f")
    fo.position, fo.mode = 3, 2
    fd, granted = fo.fd, fo.granted_access
    raw = durable.disconnect(fo, HANDLE)
    assert raw is not None
    assert fo.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    assert owners(durable_share) == [(DISCONNECTED, HANDLE)]
    again = come_back(durable_share, durable.COOKIE_CODEC.decode(raw))
    assert owners(durable_share) == [(LATER.server_id, LATER.open_id)]
    assert (again.position, again.mode, again.granted_access, again.name) == (3, 2, granted, "f")
    assert again.oplock is not None
    assert again.oplock.level == OPLOCK_BATCH


def test_who_cannot_be_kept_stays_open(durable_share, make_share):
    exclusive = open_batch(durable_share, "exclusive", level=OPLOCK_EXCLUSIVE)
    nothing = open_batch(durable_share, "nothing", level=OPLOCK_NONE)
    passing = open_batch(durable_share, "passing", options=FILE_DELETE_ON_CLOSE)
    elsewhere = open_batch(make_share(), "elsewhere")
    breaking = open_batch(durable_share, "breaking")
    assert durable.can_be_durable(breaking)
    assert breaking.oplock is not None
    breaking.oplock.breaking_to = OPLOCK_NONE
    for fo in (exclusive, nothing, passing, elsewhere, breaking):
        assert not durable.can_be_durable(fo)
        assert durable.disconnect(fo, HANDLE) is None
        assert not fo.closed


def test_the_file_must_be_the_same_and_unchanged(durable_share):
    path = durable_share.root / "f"
    cookie = leave(durable_share)
    path.write_bytes(b"changed")
    assert refused(durable_share, cookie)
    path.unlink()
    assert refused(durable_share, cookie)
    path.touch()
    assert refused(durable_share, cookie)
    end(durable_share, cookie)


def end(share: Share, cookie: durable.DurableCookie) -> None:
    """What the scavenger does about the share modes."""
    for file_id, _ in list(share.modes.traverse()):
        with share.modes.lock(file_id) as lock:
            lock.remove(DISCONNECTED, HANDLE)
    assert refused(share, cookie)


def test_another_open_takes_its_place(durable_share):
    purged = []
    durable_share.modes.on_purged = lambda key, handle: purged.append((key, handle))
    cookie = leave(durable_share)
    durable_share.open("f", FILE_READ_ATTRIBUTES, FILE_OPEN, pid=2)
    assert purged == []
    other = durable_share.open("f", ORDINARY, FILE_OPEN, pid=2)
    assert purged == [(cookie.file_id, HANDLE)]
    assert all(owner != DISCONNECTED for owner, _ in owners(durable_share))
    close.close_file(other)
    assert refused(durable_share, cookie)

"""When opens, locks and caching exclude each other: the rules of [MS-FSA], pure and without any server code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

READ: Final = 1
HANDLE: Final = 2
WRITE: Final = 4
ALL: Final = READ | HANDLE | WRITE

NONE: Final = 0x00
LEVEL_II: Final = 0x01
EXCLUSIVE: Final = 0x08
BATCH: Final = 0x09
LEASE: Final = 0xFF

#: What the holder of an oplock may cache ([MS-FSA] 2.1.1.10).
STATE: Final = {NONE: 0, LEVEL_II: READ, EXCLUSIVE: READ | WRITE, BATCH: ALL}

READ_DATA: Final = 0x1
WRITE_DATA: Final = 0x2
READ_ATTRIBUTES: Final = 0x80
WRITE_ATTRIBUTES: Final = 0x100
DELETE: Final = 0x10000
READ_CONTROL: Final = 0x20000
SYNCHRONIZE: Final = 0x100000

#: Rights and the sharing that lets others have them ([MS-FSA] 2.1.5.1.2.2).
_SHARING: Final = ((READ_DATA, 1), (WRITE_DATA, 2), (DELETE, 4))
_SHARED: Final = READ_DATA | WRITE_DATA | DELETE
_ATTRIBUTES_ONLY: Final = READ_ATTRIBUTES | WRITE_ATTRIBUTES | SYNCHRONIZE


def share_conflict(access: int, share: int, other_access: int, other_share: int) -> bool:
    """Sharing, [MS-FSA] 2.1.5.1.2.2: each must share what the other one has."""
    if not (access & _SHARED and other_access & _SHARED):
        return False
    return any(
        (access & right and not other_share & allowed) or (other_access & right and not share & allowed)
        for right, allowed in _SHARING
    )


def only_attributes(access: int, *, lease: bool) -> bool:
    """An open that disturbs no caching, [MS-FSA] 2.1.4.12; a lease is not even disturbed by READ_CONTROL."""
    return not access & ~(_ATTRIBUTES_ONLY | (READ_CONTROL if lease else 0))


class Range(NamedTuple):
    """A byte-range lock."""

    open_id: int
    start: int
    length: int
    exclusive: bool

    def meets(self, start: int, length: int) -> bool:
        """Whether it overlaps a range; an empty one overlaps what has it inside."""
        return self.start < start + length and start < self.start + self.length


def lock_refused(held: Iterable[Range], wanted: Range) -> bool:
    """Taking a lock, [MS-FSA] 2.1.5.8: shared ones go together, and on top of one's own exclusive one."""
    return any(
        lock.meets(wanted.start, wanted.length)
        and (wanted.exclusive or (lock.exclusive and lock.open_id != wanted.open_id))
        for lock in held
    )


def access_refused(held: Iterable[Range], open_id: int, start: int, length: int, *, write: bool) -> bool:
    """Mandatory check of reads and writes, [MS-FSA] 2.1.4.10: nobody writes what is locked shared."""
    return any(
        lock.meets(start, length) and (lock.open_id != open_id if lock.exclusive else write) for lock in held
    )

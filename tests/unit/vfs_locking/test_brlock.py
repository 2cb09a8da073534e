"""When byte-range locks exclude each other: by example, and against a model of sets of bytes."""

from __future__ import annotations

import fcntl
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.server_id import ServerId
from vfs.locking.brlock import (
    BRLOCK_CODEC,
    ByteRangeLock,
    ByteRangeLockRecord,
    LockOwner,
    access_conflict,
    find_to_unlock,
    is_valid_range,
    lock_conflict,
)
from vfs.locking.brlock_posix import Piece, pieces

TOP = 1 << 64
OWNERS = [LockOwner(ServerId(pid), open_id) for pid in (1, 2) for open_id in (1, 2)]
ME, MY_OTHER_OPEN, OTHER, _ = OWNERS


def lock(owner, start, length, *, exclusive=True):
    return ByteRangeLock(owner.server_id, owner.open_id, start, length, exclusive)


@pytest.mark.parametrize(
    ("held", "wanted", "free"),
    [
        (lock(ME, 10, 10), lock(OTHER, 20, 10), True),
        (lock(ME, 10, 10), lock(OTHER, 19, 10), False),
        (lock(ME, 10, 10), lock(OTHER, 0, 10), True),
        (lock(ME, 10, 10), lock(OTHER, 0, 11), False),
        (lock(ME, 10, 10), lock(OTHER, 12, 2), False),
        (lock(ME, 10, 10), lock(MY_OTHER_OPEN, 12, 2), False),
        (lock(ME, 10, 10), lock(ME, 12, 2), False),
        (lock(ME, 10, 10), lock(ME, 12, 2, exclusive=False), True),
        (lock(ME, 10, 10), lock(OTHER, 12, 2, exclusive=False), False),
        (lock(ME, 10, 10, exclusive=False), lock(ME, 10, 10, exclusive=False), True),
        (lock(ME, 10, 10, exclusive=False), lock(OTHER, 10, 10, exclusive=False), True),
        (lock(ME, 10, 10, exclusive=False), lock(ME, 10, 10), False),
        (lock(ME, 10, 10, exclusive=False), lock(OTHER, 10, 10), False),
        # nothing at a border is no conflict, nothing in the middle is one
        (lock(ME, 10, 10), lock(OTHER, 10, 0), True),
        (lock(ME, 10, 10), lock(OTHER, 20, 0), True),
        (lock(ME, 10, 10), lock(OTHER, 15, 0), False),
        (lock(ME, 15, 0), lock(OTHER, 10, 10), False),
        (lock(ME, 15, 0), lock(OTHER, 15, 0), True),
        (lock(ME, 0, 0), lock(OTHER, 0, TOP - 1), True),
        # the last byte there is
        (lock(ME, TOP - 1, 1), lock(OTHER, TOP - 1, 1), False),
        (lock(ME, TOP - 1, 1), lock(OTHER, 0, TOP - 1), True),
        (lock(ME, 1, TOP - 1), lock(OTHER, 0, 1), True),
    ],
)
def test_a_lock_beside_another(held, wanted, free):
    assert lock_conflict([held], wanted) is (None if free else held)


@pytest.mark.parametrize(
    ("held", "owner", "may_read", "may_write"),
    [
        (lock(ME, 10, 10), ME, True, True),
        (lock(ME, 10, 10), MY_OTHER_OPEN, False, False),
        (lock(ME, 10, 10), OTHER, False, False),
        (lock(ME, 10, 10, exclusive=False), ME, True, False),
        (lock(ME, 10, 10, exclusive=False), OTHER, True, False),
    ],
)
def test_reading_and_writing_in_a_locked_range(held, owner, may_read, may_write):
    assert (access_conflict([held], owner, 19, 5, write=False) is None) == may_read
    assert (access_conflict([held], owner, 19, 5, write=True) is None) == may_write
    assert access_conflict([held], owner, 20, 5, write=True) is None
    assert access_conflict([held], owner, 5, 5, write=True) is None


@pytest.mark.parametrize(
    ("start", "length", "valid"),
    [
        (0, 0, True),
        (0, TOP - 1, True),
        (TOP - 1, 0, True),
        (TOP - 1, 1, True),
        (TOP - 1, 2, False),
        (1, TOP - 1, True),
        (2, TOP - 1, False),
    ],
)
def test_ranges_end_with_the_64_bit_offsets(start, length, valid):
    assert is_valid_range(start, length) == valid


def test_an_unlock_takes_exactly_its_range_and_an_exclusive_lock_first():
    shared, exclusive = lock(ME, 5, 5, exclusive=False), lock(ME, 5, 5)
    assert find_to_unlock([shared], ME, 5, 4) is None
    assert find_to_unlock([shared], ME, 4, 6) is None
    assert find_to_unlock([shared], OTHER, 5, 5) is None
    assert find_to_unlock([shared], MY_OTHER_OPEN, 5, 5) is None
    assert find_to_unlock([exclusive, shared], ME, 5, 5) == 0
    assert find_to_unlock([shared, exclusive, shared], ME, 5, 5) == 1
    assert find_to_unlock([shared, shared], ME, 5, 5) == 1
    assert find_to_unlock([lock(ME, 7, 0)], ME, 7, 0) == 0


def test_the_record_keeps_64_bits():
    record = ByteRangeLockRecord([lock(ME, TOP - 1, 1), lock(OTHER, 0, TOP - 1, exclusive=False)])
    assert BRLOCK_CODEC.decode(BRLOCK_CODEC.encode(record)) == record


# -- the model: a file of a few bytes, byte by byte. An empty range is the gap before a byte: half a position.

SIZE = 8
offsets = st.integers(0, SIZE)
lengths = st.integers(0, SIZE)
owners = st.sampled_from(OWNERS)
locks = st.builds(lock, owners, offsets, lengths, exclusive=st.booleans())


def points(start, length):
    """The bytes of a range and the gaps between them, doubled: byte n is 2n+1, the gap before it 2n."""
    return set(range(2 * start + 1, 2 * (start + length))) if length else {2 * start}


def touch(one_start, one_length, other_start, other_length):
    """Whether two ranges share a byte, or an empty one lies inside the other: no two empty ones ever do."""
    if not one_length and not other_length:
        return False
    return bool(points(one_start, one_length) & points(other_start, other_length))


def model_lock(held, wanted):
    for one in held:
        if not touch(one.start, one.length, wanted.start, wanted.length):
            continue
        same = (one.server_id, one.open_id) == (wanted.server_id, wanted.open_id)
        if wanted.exclusive or (one.exclusive and not same):
            return False
    return True


def model_access(held, owner, start, length, write):
    for one in held:
        if not touch(one.start, one.length, start, length):
            continue
        if one.exclusive and (one.server_id, one.open_id) != owner:
            return False
        if not one.exclusive and write:
            return False
    return True


@given(st.lists(locks, max_size=6), locks)
def test_lock_conflicts_are_those_of_the_model(held, wanted):
    found = lock_conflict(held, wanted)
    assert (found is None) == model_lock(held, wanted)
    assert found is None or not model_lock([found], wanted)


@given(st.lists(locks, max_size=6), owners, offsets, lengths, st.booleans())
def test_access_conflicts_are_those_of_the_model(held, owner, start, length, write):
    found = access_conflict(held, owner, start, length, write=write)
    assert (found is None) == model_access(held, owner, start, length, write)


@given(st.lists(st.tuples(st.booleans(), locks), max_size=30))
def test_no_history_lets_two_opens_touch_the_same_byte(history):
    held: list[ByteRangeLock] = []
    for unlocks, one in history:
        owner = LockOwner(one.server_id, one.open_id)
        if unlocks:
            index = find_to_unlock(held, owner, one.start, one.length)
            has = any(h.is_of(owner) and (h.start, h.length) == (one.start, one.length) for h in held)
            assert (index is not None) == has
            if index is not None:
                del held[index]
        elif lock_conflict(held, one) is None:
            held.append(one)
    for byte in range(2 * SIZE):
        writers = {
            owner for owner in OWNERS if access_conflict(held, owner, byte, 1, write=True) is None
        }
        covering = [one for one in held if one.start <= byte < one.start + one.length]
        if any(one.exclusive for one in covering):
            assert len(writers) <= 1
            assert len({(one.server_id, one.open_id) for one in covering}) == 1
        elif covering:
            assert not writers
        else:
            assert len(writers) == len(OWNERS)


# -- the mirror


def kind_of(byte, held):
    covering = [one for one in held if one.start <= byte < one.start + one.length]
    if not covering:
        return fcntl.F_UNLCK
    return fcntl.F_WRLCK if any(one.exclusive for one in covering) else fcntl.F_RDLCK


@given(st.lists(st.builds(lock, st.just(ME), offsets, lengths, exclusive=st.booleans()), max_size=6), offsets, lengths)
def test_the_mirror_shows_the_strongest_lock_of_each_byte(held, start, length):
    found = pieces(start, length, held)
    assert [byte for piece in found for byte in range(piece.start, piece.end)] == list(range(start, start + length))
    for piece in found:
        assert {kind_of(byte, held) for byte in range(piece.start, piece.end)} == {piece.kind}
    assert all(one.kind != other.kind for one, other in pairwise(found))


def test_the_mirror_ends_where_fcntl_does():
    limit = 1 << 63
    assert pieces(limit - 5, TOP - limit, [lock(ME, limit - 5, 20)]) == [Piece(limit - 5, limit, fcntl.F_WRLCK)]
    assert pieces(limit, 10, [lock(ME, limit, 10)]) == []
    assert pieces(TOP - 1, 1, [lock(ME, TOP - 1, 1)]) == []

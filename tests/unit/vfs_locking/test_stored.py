"""The stored form of share-mode records: opens that join and part as bytes leave what the long way would."""

from __future__ import annotations

from itertools import product

import pytest

from messaging.records import RecordError, RecordVersionError
from messaging.server_id import ServerId
from vfs.access import DELETE, FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_WRITE_DATA
from vfs.locking.entry import ENTRY_REPLACING, ENTRY_STREAM, DeleteToken, ShareModeEntry, ShareModeRecord
from vfs.locking.oplock import OPLOCK_BATCH
from vfs.locking.sharing import conflicts
from vfs.locking.stored import LOCKING_CODEC, any_name_goes, anyone_caches, joined, new_record, parted

ACCESSES = (FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_WRITE_DATA, DELETE, FILE_READ_DATA | FILE_WRITE_DATA)


def entry(number: int, access: int = FILE_READ_DATA, share: int = 7, **more: object) -> ShareModeEntry:
    return ShareModeEntry(ServerId(number, unique_id=number), number, access, share, 0, 0, 0, **more)  # type: ignore[arg-type]


def alone(one: ShareModeEntry, path: bytes = b"/s/a") -> bytes:
    return new_record("/s", path, one)


def stored(*entries: ShareModeEntry, tokens: list[DeleteToken] | None = None) -> bytes:
    return LOCKING_CODEC.encode(ShareModeRecord("/s", b"/s/a", list(entries), tokens or []))


def test_round_trip() -> None:
    record = ShareModeRecord(
        "/s", b"/s/a", [entry(1), entry(2, name=b"/s/b", oplock_level=OPLOCK_BATCH)], [DeleteToken(b"/s/b", 1, 2, (3,))]
    )
    assert LOCKING_CODEC.decode(LOCKING_CODEC.encode(record)) == record
    assert alone(entry(1)) == stored(entry(1))


def test_who_joins_is_stored_as_the_others_are() -> None:
    record = alone(entry(1))
    for number in (2, 3):
        result = joined(alone(entry(number)), record)
        assert result is not None
        record = result
    assert record == stored(entry(1), entry(2), entry(3))


@pytest.mark.parametrize(("access", "others"), list(product(ACCESSES, repeat=2)))
def test_nobody_joins_where_sharing_forbids_it(access: int, others: int) -> None:
    for share, other_share, third_share in product(range(8), repeat=3):
        third = entry(3, FILE_READ_ATTRIBUTES, third_share)
        result = joined(alone(entry(1, access, share)), stored(entry(2, others, other_share), third))
        assert (result is None) == conflicts(access, share, others, other_share)


@pytest.mark.parametrize("other", [
    stored(entry(2, oplock_level=OPLOCK_BATCH)), stored(entry(2, flags=ENTRY_STREAM)),
    stored(entry(2, flags=ENTRY_REPLACING)), stored(entry(2, handle_id=5)), stored(entry(2), entry(3, name=b"/s/b")),
    stored(entry(2), tokens=[DeleteToken(b"/s/b", 0, 0, ())]), alone(entry(2), b"/s/b"), b"\xff" + bytes(20),
])  # fmt: skip
def test_what_takes_a_closer_look(other: bytes) -> None:
    assert joined(alone(entry(1)), other) is None


def test_who_may_cache_does_not_simply_join() -> None:
    assert joined(alone(entry(1, oplock_level=OPLOCK_BATCH)), stored(entry(2))) is None


@pytest.mark.parametrize("leaves", [0, 1, 2])
def test_who_parts_leaves_the_others(leaves: int) -> None:
    entries = [entry(1), entry(2), entry(3, oplock_level=OPLOCK_BATCH)]
    rest = parted(alone(entries[leaves]), stored(*entries))
    assert rest is not None
    assert LOCKING_CODEC.decode(rest).entries == [one for one in entries if one is not entries[leaves]]


def test_the_last_one_leaves_nothing() -> None:
    both = joined(alone(entry(2, FILE_WRITE_DATA)), alone(entry(1)))
    assert both is not None
    rest = parted(alone(entry(2, FILE_WRITE_DATA)), both)
    assert rest is not None
    # That somebody wrote is still claimed: who minds takes the long way.
    assert joined(alone(entry(3, FILE_READ_DATA, 1)), rest) is None
    assert parted(alone(entry(1)), rest) == b""


@pytest.mark.parametrize("other", [
    stored(entry(2)), stored(entry(1, FILE_WRITE_DATA)), stored(entry(1), tokens=[DeleteToken(b"/s/b", 0, 0, ())]),
    stored(entry(1), entry(3, name=b"/s/b")), alone(entry(1), b"/s/b"), b"\xff" + bytes(20),
])  # fmt: skip
def test_who_has_changed_or_keeps_a_name_does_not_simply_part(other: bytes) -> None:
    assert parted(alone(entry(1)), other) is None


def test_the_summary_tells() -> None:
    assert not anyone_caches(stored(entry(1)))
    assert anyone_caches(stored(entry(1), entry(2, oplock_level=OPLOCK_BATCH)))
    assert not any_name_goes(stored(entry(1)))
    assert any_name_goes(stored(entry(1), tokens=[DeleteToken(b"/s/b", 0, 0, ())]))


def test_damage_is_noticed() -> None:
    good = stored(entry(1), entry(2))
    with pytest.raises(RecordVersionError):
        LOCKING_CODEC.decode(b"\x02" + good[1:])
    for bad in (b"", good[:10], good[:-1], good[:20] + good[21:]):
        with pytest.raises(RecordError):
            LOCKING_CODEC.decode(bad)

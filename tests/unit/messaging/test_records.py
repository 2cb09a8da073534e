from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.dbwrap.check import MAX_PROBLEMS, dbcheck
from messaging.dbwrap.memory import MemoryDb
from messaging.records import RecordCodec, RecordError, RecordVersionError


class Stored(msgspec.Struct, array_like=True):
    number: int
    text: str = ""


CODEC = RecordCodec(Stored, 2, "stored")


@given(st.builds(Stored, number=st.integers(-(2**63), 2**64 - 1), text=st.text(max_size=20)))
def test_round_trip(obj: Stored) -> None:
    data = CODEC.encode(obj)
    assert data[0] == 2
    assert CODEC.decode(data) == obj


def test_another_version_is_refused() -> None:
    with pytest.raises(RecordVersionError) as caught:
        CODEC.decode(b"\x03" + CODEC.encode(Stored(1))[1:])
    assert (caught.value.found, caught.value.known) == (3, 2)


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x02\xc1", b"\x02\x91\xa1x", b"\x02\x90"])
def test_damage_is_told(data: bytes) -> None:
    with pytest.raises(RecordError):
        CODEC.decode(data)


@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        CODEC.decode(data)
    except RecordError:
        pass


@pytest.mark.parametrize("version", [0, 0x80])
def test_versions_leave_room_for_the_marks_of_the_database(version: int) -> None:
    with pytest.raises(ValueError, match="not in 1"):
        RecordCodec(Stored, version, "bad")


def test_dbcheck_finds_bad_records() -> None:
    db = MemoryDb("some.tdb")
    db.store(b"good", CODEC.encode(Stored(1)))
    assert dbcheck(db, CODEC.decode).ok
    assert dbcheck(db, CODEC.decode).lines() == ["some.tdb: 1 records, ok"]
    db.store(b"bad", b"\x09")
    report = dbcheck(db, CODEC.decode, bytes.decode, describe_key=repr)
    assert (report.records, report.bad) == (2, 1)
    assert report.problems == ["some.tdb: b'bad': stored: record version 9 is not the known version 2"]
    db.store(b"\xff", CODEC.encode(Stored(1)))
    assert dbcheck(db, CODEC.decode, bytes.decode).bad == 2


def test_dbcheck_does_not_flood() -> None:
    db = MemoryDb("some.tdb")
    for number in range(MAX_PROBLEMS + 5):
        db.store(b"%d" % number, b"")
    lines = dbcheck(db, CODEC.decode).lines()
    assert lines[-2:] == ["some.tdb: 5 more", "some.tdb: 105 records, 105 bad"]

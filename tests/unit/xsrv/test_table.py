"""The smbXsrv global tables over a database in memory."""

import msgspec
import pytest

from messaging.dbwrap.memory import MemoryDb
from messaging.records import RecordCodec
from smbd.xsrv import table
from smbd.xsrv.table import GlobalTable, TableFull, key_of


class Thing(msgspec.Struct, array_like=True):
    number: int
    name: str = ""


@pytest.fixture
def things():
    return GlobalTable(MemoryDb("things", 1), RecordCodec(Thing, 1, "things"))


def test_an_id_is_allocated_once(things):
    ids = {things.allocate(Thing)[0] for _ in range(100)}
    assert len(ids) == 100
    assert all(things.get(one).number == one for one in ids)


def test_a_taken_id_is_not_given_again(things, monkeypatch):
    sequence = iter([7, 7, 8])
    monkeypatch.setattr(table, "random_id", lambda: next(sequence))
    assert things.allocate(Thing)[0] == 7
    assert things.allocate(Thing)[0] == 8


def test_a_full_table_says_so(things, monkeypatch):
    monkeypatch.setattr(table, "random_id", lambda: 1)
    things.allocate(Thing)
    with pytest.raises(TableFull):
        things.allocate(Thing)


def test_update_replaces_or_deletes(things):
    number, thing = things.allocate(Thing)
    thing.name = "new"
    things.store(number, thing)
    things.update(number, lambda found: Thing(found.number, found.name + "er"))
    assert things.get(number).name == "newer"
    things.update(number, lambda _found: None)
    assert things.get(number) is None
    things.update(number, lambda _found: pytest.fail("there is nothing to update"))


def test_removing_twice_is_harmless(things):
    number, _ = things.allocate(Thing)
    things.remove(number)
    things.remove(number)
    assert list(things.items()) == []


def test_records_of_another_version_are_passed_over(things, caplog):
    number, _ = things.allocate(Thing)
    things.db.store(key_of(number), RecordCodec(Thing, 2, "things").encode(Thing(1)))
    assert things.get(number) is None
    assert list(things.items()) == []
    assert "version 2" in caplog.text

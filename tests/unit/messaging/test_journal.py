"""The journal: what counts, what damage costs, and compaction beside other writers."""

from __future__ import annotations

import pytest

from messaging.dbwrap.base import DbError
from messaging.dbwrap.journal import Journal, pack_frame, unpack_frames


@pytest.fixture
def journal(tmp_path):
    made = Journal(str(tmp_path / "journal"))
    yield made
    made.close()


def write(journal, **changes):
    with journal.locked():
        return journal.append([(key.encode(), value) for key, value in changes.items()])


def test_the_last_value_counts(journal):
    write(journal, a=b"1", b=b"2")
    write(journal, a=b"3")
    write(journal, b=None, c=b"")
    journal.sync()
    assert journal.read() == {b"a": b"3", b"c": b""}
    assert journal.check() == []


def test_without_a_file_there_is_nothing(journal):
    assert journal.read() == {}
    assert journal.check() == []
    assert journal.size() == 0


def test_sizes_are_told(journal):
    first = write(journal, a=b"1")
    assert first == (0, journal.size())
    assert write(journal, a=b"2")[0] == first[1]


@pytest.mark.parametrize("cut", range(1, len(pack_frame(b"key", b"value")) + 1))
def test_a_frame_that_was_cut_off_costs_only_itself(cut):
    whole, other = pack_frame(b"key", b"value"), pack_frame(b"other", None)
    found = [frame for frame in unpack_frames(whole + whole[:-cut] + other) if frame is not None]
    assert found == [(b"key", b"value"), (b"other", None)]


@pytest.mark.parametrize("at", range(len(pack_frame(b"key", b"value"))))
def test_a_damaged_byte_is_noticed(at):
    frame = bytearray(pack_frame(b"key", b"value"))
    frame[at] ^= 0x55
    assert [one for one in unpack_frames(bytes(frame) + pack_frame(b"k", b"v")) if one is not None] == [(b"k", b"v")]


def test_garbage_is_reported_and_passed_over(journal, tmp_path):
    write(journal, a=b"1")
    with (tmp_path / "journal").open("ab") as file:
        file.write(bytes(100))
    write(journal, b=b"2")
    assert journal.read() == {b"a": b"1", b"b": b"2"}
    assert len(journal.check()) == 1


def test_compaction_keeps_what_counts_and_other_writers_follow(journal, tmp_path):
    other = Journal(str(tmp_path / "journal"))
    for number in range(100):
        write(journal, a=b"%d" % number)
    write(other, b=b"2")
    before = journal.size()
    journal.compact()
    assert journal.size() < before / 10
    write(other, c=b"3")  # its descriptor is of the old file
    write(journal, d=b"4")
    other.sync()
    assert journal.read() == {b"a": b"99", b"b": b"2", b"c": b"3", b"d": b"4"}
    assert journal.check() == []
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
    other.close()


def test_what_comes_during_compaction_is_not_lost(journal, tmp_path, monkeypatch):
    other = Journal(str(tmp_path / "journal"))
    write(journal, a=b"1")
    content = journal._content

    def read_slowly(offset=0):
        found = content(offset)
        if offset == 0:
            write(other, a=b"2", b=b"3")
        return found

    monkeypatch.setattr(journal, "_content", read_slowly)
    journal.compact()
    assert other.read() == {b"a": b"2", b"b": b"3"}
    other.close()


def test_a_full_disk_leaves_no_part_behind(journal, monkeypatch):
    write(journal, a=b"1")
    monkeypatch.setattr("messaging.dbwrap.journal.os.write", lambda fd, data: 3)
    with pytest.raises(OSError, match="No space"):
        write(journal, b=b"2")
    monkeypatch.undo()
    assert journal.read() == {b"a": b"1"}
    assert journal.check() == []


def test_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(DbError), Journal(str(tmp_path / "none" / "journal")).locked():
        pass

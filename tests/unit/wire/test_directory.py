"""Directory entries: the encoder against the decoder, limits, alignment and hostile chains."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smbd.wire.errors import WireError
from smbd.wire.fscc.directory import (
    DIRECTORY_INFORMATION_CLASSES,
    DirectoryEncoder,
    DirectoryEntry,
    entry_size,
    unpack_entries,
)
from tests.unit.wire.strategies import SHORT_NAME, TEXT, U32, U64
from vfs import constants

CLASSES = sorted(DIRECTORY_INFORMATION_CLASSES)
ENTRIES = st.lists(
    st.builds(
        DirectoryEntry,
        TEXT,
        SHORT_NAME,
        st.just(0),
        U64,
        U64,
        U64,
        U64,
        U64,
        U64,
        U32,
        U32,
        U64,
    ),
    max_size=5,
)
_WITH_SHORT_NAME = {
    constants.FileBothDirectoryInformation,
    constants.FileIdBothDirectoryInformation,
    63,
    constants.FileId64ExtdBothDirectoryInformation,
    constants.FileIdAllExtdBothDirectoryInformation,
}
_WITHOUT_ID = {
    constants.FileDirectoryInformation,
    constants.FileFullDirectoryInformation,
    constants.FileBothDirectoryInformation,
}


def as_decoded(info_class, entry):
    """Return what of `entry` the class can carry."""
    if info_class == constants.FileNamesInformation:
        return DirectoryEntry(entry.name, file_index=entry.file_index)
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__}
    if info_class not in _WITH_SHORT_NAME:
        fields["short_name"] = ""
    if info_class in _WITHOUT_ID:
        fields["file_id"] = 0
    if info_class in (constants.FileDirectoryInformation, constants.FileIdGlobalTxDirectoryInformation):
        fields["ea_size"] = 0
    return DirectoryEntry(**fields)


def as_filled(entry):
    """Return what the encoder takes: all fields but FileIndex, which the server leaves zero."""
    return (*(getattr(entry, name) for name in DirectoryEntry.__struct_fields__ if name != "file_index"), None)


def encode(encoder, entry):
    return encoder.fill([as_filled(entry)])


@pytest.mark.parametrize("info_class", CLASSES)
@settings(max_examples=10, deadline=None, derandomize=True, database=None)
@given(entries=ENTRIES)
def test_roundtrip(info_class, entries):
    buffer = bytearray(b"\xaa" * 8000)
    encoder = DirectoryEncoder(info_class, buffer, 80, 7000)
    assert all(encode(encoder, entry) for entry in entries)
    data = memoryview(buffer)[80 : 80 + encoder.length]
    assert unpack_entries(info_class, data) == [as_decoded(info_class, entry) for entry in entries]
    padding = -encoder.length & 7
    assert buffer[80 + encoder.length :] == bytes(padding) + b"\xaa" * (8000 - 80 - encoder.length - padding)
    at_once = bytearray(b"\xaa" * 8000)
    encoder = DirectoryEncoder(info_class, at_once, 80, 7000)
    assert encoder.fill(map(as_filled, entries))
    assert at_once == buffer


@pytest.mark.parametrize("info_class", CLASSES)
def test_limit_and_padding(info_class):
    first, second = DirectoryEntry("abc"), DirectoryEntry("de")
    room = ((entry_size(info_class, "abc") + 7) & ~7) + entry_size(info_class, "de")
    buffer = bytearray(b"\xff" * 1000)
    encoder = DirectoryEncoder(info_class, memoryview(buffer), 3, room)
    assert encode(encoder, first)
    before = encoder.length
    assert not encode(encoder, DirectoryEntry("def"))
    assert encoder.length == before
    assert encode(encoder, second)
    assert encoder.length == room
    assert not encode(encoder, DirectoryEntry(""))
    assert b"\xff" not in buffer[3 : 3 + room]
    assert buffer[3 + room :] == b"\xff" * (1000 - 3 - room)


def test_what_does_not_fit_is_the_last_one_taken():
    entries = iter([as_filled(DirectoryEntry(name)) for name in ("a", "long", "b")])
    encoder = DirectoryEncoder(constants.FileNamesInformation, bytearray(40), 0, 22)
    assert not encoder.fill(entries)
    assert encoder.length == entry_size(constants.FileNamesInformation, "a")
    assert [name for name, *_ in entries] == ["b"]


def test_id_both_layout():
    buffer = bytearray(200)
    encoder = DirectoryEncoder(constants.FileIdBothDirectoryInformation, buffer, 0, 200)
    assert encoder.fill([("ab", "A", 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, None)])
    expected = (
        "00000000 00000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000"
        "0600000000000000 0700000000000000 08000000 04000000 09000000 02 00" + "4100" + "00" * 22 + "0000"
        "0a00000000000000 6100 6200"
    )
    assert buffer[: encoder.length].hex() == expected.replace(" ", "")


def test_reparse_tag_in_ea_size():
    for info_class, field in ((37, "ea_size"), (60, "reparse_tag")):
        buffer = bytearray(200)
        encoder = DirectoryEncoder(info_class, buffer, 0, 200)
        encoder.fill([("x", "", 0, 0, 0, 0, 0, 0, 0x400, 0, 1, 0xA000000C, None)])
        (entry,) = unpack_entries(info_class, buffer[: encoder.length])
        assert getattr(entry, field) == 0xA000000C


def test_unknown_class():
    with pytest.raises(WireError):
        DirectoryEncoder(4, bytearray(9), 0, 9)
    with pytest.raises(WireError):
        unpack_entries(4, b"")
    with pytest.raises(WireError):
        entry_size(4, "")


@pytest.mark.parametrize("info_class", CLASSES)
@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_hostile_chain(info_class, data):
    buffer = bytearray(2000)
    encoder = DirectoryEncoder(info_class, buffer, 0, 2000)
    for name in ("one", "two", "three"):
        encode(encoder, DirectoryEntry(name, "SHORT"))
    raw = buffer[: encoder.length]
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        unpack_entries(info_class, raw)
    except WireError:
        pass

"""NDR by hand-made bytes and by round trips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter
from vfs.sid import SID_BUILTIN_ADMINISTRATORS


def test_scalars_are_aligned() -> None:
    writer = NdrWriter()
    writer.u8(1)
    writer.u16(2)
    writer.u32(3)
    assert writer.stub() == bytes.fromhex("0100 0200 03000000")
    reader = NdrReader(writer.stub())
    assert (reader.u8(), reader.u16(), reader.u32(), reader.left) == (1, 2, 3, 0)


def test_referents_of_an_array_follow_all_its_elements_depth_first() -> None:
    writer = NdrWriter()

    def element(text: str) -> None:
        writer.pointer(lambda: writer.pointer(lambda: writer.raw(text.encode())))

    writer.parameter(lambda: writer.array([lambda: element("AAAA"), lambda: element("BBBB")]))
    words = [writer.stub()[at : at + 4] for at in range(0, len(writer.stub()), 4)]
    # pointer, count, two pointers, then pointer and text of the first, pointer and text of the second
    assert words[1] == bytes.fromhex("02000000")
    assert (words[5], words[7]) == (b"AAAA", b"BBBB")
    referents = [words[i] for i in (0, 2, 3, 4, 6)]
    assert len(set(referents)) == 5
    assert bytes(4) not in referents


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_strings_round_trip(text: str) -> None:
    writer = NdrWriter()
    writer.string_pointer(text)
    writer.resolve()
    writer.unicode_string(text)
    writer.resolve()
    reader = NdrReader(writer.stub())
    assert reader.optional_string() == text
    assert reader.unicode_strings(1) == [text]
    assert reader.left == 0


def test_null_pointers() -> None:
    writer = NdrWriter()
    writer.string_pointer(None)
    writer.unicode_string(None)
    writer.optional_u32(None)
    reader = NdrReader(writer.stub())
    assert reader.optional_string() is None
    assert reader.unicode_strings(1) == [None]
    assert reader.optional_u32() is None


def test_sid_round_trips() -> None:
    writer = NdrWriter()
    writer.sid_pointer(SID_BUILTIN_ADMINISTRATORS)
    writer.resolve()
    reader = NdrReader(writer.stub())
    assert reader.pointer()
    assert reader.sid() == SID_BUILTIN_ADMINISTRATORS


@pytest.mark.parametrize(
    ("stub", "read"),
    [
        ("", NdrReader.u32),
        ("ffffffff", lambda reader: reader.conformance(4)),
        ("01000000 00000000 02000000 4100 4200", NdrReader.string),  # actual beyond maximum
        ("02000000 01000000 01000000 4100", NdrReader.string),  # not from the start
        ("01000000 00000000 01000000 4100", NdrReader.string),  # no terminator
        ("00000080 00000000 00000080", NdrReader.string),
        ("02000000 0105", NdrReader.sid),
        ("01000000 0102 000000000005 15000000", NdrReader.sid),  # count differs from conformance
        ("0400 0400 01000000 01000000 00000000 01000000 4100", lambda reader: reader.unicode_strings(1)),
    ],
)
def test_malformed_stubs_are_refused(stub: str, read: object) -> None:
    with pytest.raises(NdrError):
        read(NdrReader(bytes.fromhex(stub)))  # type: ignore[operator]

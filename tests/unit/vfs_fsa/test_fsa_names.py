"""Path names: what is legal, and the round trip to disk."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vfs import ntstatus as nt
from vfs.fsa import mangle, names
from vfs.ntstatus import NTStatusError


@pytest.mark.parametrize(
    ("name", "meant"),
    [("a\\..", ""), ("a/../b", "b"), ("a\\b\\..", "a"), ("a\\b\\..\\..\\c", "c"), ("a\\b\\..\\", "a")],
)
def test_the_parent_directory_takes_a_component_away(name: str, meant: str) -> None:
    parsed = names.parse(name)
    assert (parsed.path, parsed.name) == (meant.replace("\\", "/").encode(), meant)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *((f"a{char}b", nt.STATUS_OBJECT_NAME_INVALID) for char in '"|<>*?\x00\x1f'),
        ("/a", nt.STATUS_INVALID_PARAMETER),
        ("a:s/t", nt.STATUS_OBJECT_NAME_INVALID),
        ("a/../../b", nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("a\\\\b", nt.STATUS_OBJECT_NAME_INVALID),
        ("a\\\\", nt.STATUS_OBJECT_NAME_INVALID),
        ("\\a", nt.STATUS_INVALID_PARAMETER),
        ("\\", nt.STATUS_INVALID_PARAMETER),
        (".", nt.STATUS_OBJECT_NAME_INVALID),
        ("a\\.\\b", nt.STATUS_OBJECT_NAME_INVALID),
        ("..", nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("a\\..:s", nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("a\\b:s\\..", nt.STATUS_OBJECT_NAME_INVALID),
        ("..\\a", nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("a\\..\\..\\b", nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("x" * 256, nt.STATUS_OBJECT_NAME_INVALID),
        ("d\\" + "x" * 256 + "\\f", nt.STATUS_OBJECT_NAME_INVALID),
        ("a:b\\c", nt.STATUS_OBJECT_NAME_INVALID),
        ("a:", nt.STATUS_OBJECT_NAME_INVALID),
        ("a:s:t:u", nt.STATUS_OBJECT_NAME_INVALID),
        ("a:s:$BITMAP", nt.STATUS_OBJECT_NAME_INVALID),
        ("a:s:$INDEX_ALLOCATION", nt.STATUS_OBJECT_NAME_INVALID),
        ("a:s\\", nt.STATUS_OBJECT_NAME_INVALID),
        ("\udcc3\udca9", nt.STATUS_OBJECT_NAME_INVALID),  # would be another spelling of é
    ],
)
def test_illegal(name: str, status: int) -> None:
    with pytest.raises(NTStatusError) as caught:
        names.parse(name)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("name", "path", "stream", "directory", "file"),
    [
        ("", b"", "", False, False),
        ("a\\b c\\d.e", b"a/b c/d.e", "", False, False),
        ("ä", "ä".encode(), "", False, False),
        ("dir\\", b"dir", "", True, False),
        ("a/b\\c", b"a/b/c", "", False, False),
        ("dir/", b"dir", "", True, False),
        ("f::$data", b"f", "", False, True),
        ("f:s", b"f", "s", False, False),
        ("d\\f:s:$DATA", b"d/f", "s", False, False),
        ("d:$i30:$INDEX_ALLOCATION", b"d", "", True, False),
        ("...", b"...", "", False, False),
        ("..a\\b..", b"..a/b..", "", False, False),
        ("x" * 255, b"x" * 255, "", False, False),
        ("\ud800", b"\xed\xa0\x80", "", False, False),
        ("a\udcff", b"a\xff", "", False, False),
    ],
)
def test_legal(name: str, path: bytes, stream: str, directory: bool, file: bool) -> None:
    parsed = names.parse(name)
    assert (parsed.path, parsed.stream) == (path, stream)
    assert (parsed.must_be_directory, parsed.must_be_file) == (directory, file)


@given(st.binary(min_size=1, max_size=20))
def test_every_name_on_disk_has_one_name_for_clients(component: bytes) -> None:
    assume(b"/" not in component)
    shown = names.component_to_str(component)
    assert names.to_unix(shown) == component or "\\" in shown
    shown.encode("utf-16-le", "surrogatepass")


@given(st.text(st.characters(exclude_characters="/\\"), min_size=1, max_size=20))
def test_every_name_of_a_client_comes_back(name: str) -> None:
    try:
        path = names.to_unix(name)
    except NTStatusError:
        assume(False)
    assert names.component_to_str(path) == name


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a", True), ("readme.txt", True), ("READ~1.TXT", True), ("a.b.c", False), ("has space", False),
     ("toolongname", False), ("a.html", False), ("con", False), ("con.txt", False),
     ("ä", False), (".a", False), ("a.", False)],
)  # fmt: skip
def test_is_8_3(name: str, answer: bool) -> None:
    assert mangle.is_8_3(name) == answer


@given(st.text(st.characters(exclude_characters="/\\"), min_size=1, max_size=40))
def test_short_names_are_short_and_stable(name: str) -> None:
    short = mangle.mangle(name)
    assert mangle.is_8_3(short)
    assert mangle.could_be_mangled(short)
    assert mangle.mangle(name) == short
    if name.isascii():
        assert mangle.mangle(name.swapcase()) == short


def test_which_names_get_a_short_one() -> None:
    for mode, name, has in (
        (mangle.MANGLED_NO, "a?b", False),
        (mangle.MANGLED_ILLEGAL, "a?b", True),
        (mangle.MANGLED_ILLEGAL, "long file name", False),
        (mangle.MANGLED_YES, "long file name", True),
        (mangle.MANGLED_YES, "short.txt", False),
        (mangle.MANGLED_ILLEGAL, "aux.h", True),
        (mangle.MANGLED_ILLEGAL, "dot.", True),
    ):
        assert bool(mangle.short_name(name, mode)) == has

"""Names of the disk that clients see and open: composed or not, no UTF-8, illegal on Windows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs.fsa import directory

COMPOSED, DECOMPOSED = "\u00e4", "a\u0308"


def listed(share: Share) -> list[str]:
    return [entry.name for entry in directory.open_scan(share.open(""), "*") if entry.name not in {".", ".."}]


def test_composed_and_decomposed_names_are_two(share: Share) -> None:
    first, second = share.create(COMPOSED), share.create(DECOMPOSED)
    assert sorted(listed(share)) == sorted([COMPOSED, DECOMPOSED])
    assert share.open(COMPOSED).file_id == first.file_id
    assert share.open(DECOMPOSED).file_id == second.file_id


@pytest.mark.parametrize("name", [b"stray-\xff", b"\xe4", b"half-\xed\xa0\x80"])
def test_what_is_no_utf_8_is_opened_as_it_is_listed(share: Share, name: bytes) -> None:
    path = os.fsencode(share.root) + b"/" + name
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
    (shown,) = listed(share)
    assert share.open(shown).file_id.ino == Path(os.fsdecode(path)).stat().st_ino


@pytest.mark.parametrize(
    "name", ['quote"', "a:b", "a|b", "a*b", "who?", "back\\slash", "<", "new\nline", "end.", "blank "]
)
def test_what_is_illegal_on_windows_is_opened_by_its_short_name(share: Share, name: str) -> None:
    (share.root / name).touch()
    (shown,) = listed(share)
    assert share.open(shown).file_id.ino == (share.root / name).stat().st_ino


def test_a_slash_separates_components(share: Share) -> None:
    share.mkdir("directory")
    made = share.create("directory/file")
    assert made.name == "directory\\file"
    assert share.open("directory\\file").file_id == made.file_id

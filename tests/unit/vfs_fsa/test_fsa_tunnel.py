"""Names that are deleted and come back by their short names."""

from __future__ import annotations

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs.fsa import close, mangle, set_info, tunnel

LONG = "A long file name.text"
SHORT = mangle.mangle(LONG)


def delete(share: Share, name: str) -> None:
    fo = share.open(name)
    set_info.set_disposition(fo, delete_file=True)
    close.close_file(fo)


def test_a_deleted_name_comes_back_by_its_short_name(share: Share) -> None:
    share.mkdir("d")
    close.close_file(share.create(f"d\\{LONG}"))
    delete(share, f"d\\{SHORT}")
    assert share.create(f"D\\{SHORT.lower()}").name == f"d\\{LONG}"
    assert share.create(SHORT).name == SHORT, "another directory"


def test_only_for_a_while(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    close.close_file(share.create(LONG))
    delete(share, LONG)
    now = tunnel.time.monotonic()
    monkeypatch.setattr(tunnel.time, "monotonic", lambda: now + 16)
    assert share.create(SHORT).name == SHORT


def test_not_without_short_names(make_share) -> None:
    share = make_share(mangled_names=mangle.MANGLED_NO)
    close.close_file(share.create(LONG))
    delete(share, LONG)
    assert share.create(SHORT).name == SHORT


def test_the_short_name_of_any_file_finds_it() -> None:
    names = ["Another long file name.text", ".hidden file", LONG, "ordinary.txt"]
    assert mangle.find_mangled(SHORT.lower(), names) == LONG
    assert mangle.find_mangled(mangle.mangle(".hidden file"), names) == ".hidden file"
    assert mangle.find_mangled("A00000~0.TEX", names) is None

"""Names that clients see otherwise than they are on disk."""

from __future__ import annotations

import pytest

from vfs.constants import FILE_CREATE, FILE_DIRECTORY_FILE
from vfs.fsa import close, rename, set_info
from vfs.fsa.directory import open_scan
from vfs.modules.base import ModuleError


@pytest.fixture
def share(stacked):
    return stacked("catia", catia__mappings="0x22:0xa8,0x3a:0xf7")


def on_disk(share):
    return sorted(str(path.relative_to(share.root)) for path in share.root.rglob("*"))


def test_a_files_life(share):
    share.open("\xf7dir", disposition=FILE_CREATE, options=FILE_DIRECTORY_FILE)
    file = share.open("\xf7dir\\a\xa8", disposition=FILE_CREATE)
    assert on_disk(share) == [":dir", ':dir/a"']
    assert share.open("\xf7DIR\\A\xa8").file_id == file.file_id
    rename.rename(file, "b\xf7c", False)
    assert file.name == "b\xf7c"
    assert on_disk(share) == [":dir", "b:c"]
    set_info.set_disposition(file, True)
    for one in share.opens:
        close.close_file(one)
    assert on_disk(share) == [":dir"]


@pytest.mark.parametrize("pattern", ["*", "*\xa8*", "A\xa8"])
def test_listing(share, pattern):
    (share.root / 'a"').mkdir()
    entries = list(open_scan(share.open(""), pattern))
    assert [entry.name for entry in entries if entry.name[0] != "."] == ["a\xa8"]


def test_without_mappings_nothing_changes(stacked):
    share = stacked("catia")
    share.open("\xa8", disposition=FILE_CREATE)
    assert on_disk(share) == ["\xa8"]


@pytest.mark.parametrize("mappings", ["x", "0x22", "0x22:0x2f", "0x22:0xa8,0x23:0xa8"])
def test_bad_mappings(stacked, mappings):
    with pytest.raises(ModuleError):
        stacked("catia", catia__mappings=mappings)

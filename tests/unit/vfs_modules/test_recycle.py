"""The recycle bin: where deleted files go, and which do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfs.fsa import close, set_info
from vfs.modules.base import ModuleError


def delete(share, name, data=b"data"):
    path = share.root / name.replace("\\", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    file = share.open(name)
    set_info.set_disposition(file, True)
    close.close_file(file)
    assert not path.exists()


def found(share):
    """All files there are."""
    root: Path = share.root
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_deleted_file_is_moved_and_the_bin_can_be_emptied(stacked):
    share = stacked("recycle")
    delete(share, "directory\\file", b"old")
    delete(share, "file", b"new")
    assert found(share) == [".recycle/file"]
    assert (share.root / ".recycle" / "file").read_bytes() == b"new"
    assert (share.root / ".recycle").stat().st_mode & 0o777 == 0o700
    delete(share, ".recycle\\file")
    assert found(share) == []


def test_trees_and_versions_are_kept_in_a_bin_per_user(stacked):
    share = stacked(
        "recycle",
        expand=lambda text: text.replace("%U", "anna"),
        recycle__repository="bin/%U",
        recycle__keeptree="yes",
        recycle__versions="yes",
        recycle__noversions="*.tmp",
        recycle__directory_mode="0755",
        recycle__subdir_mode="0711",
    )
    for _ in range(3):
        delete(share, "a\\b\\file")
    for _ in range(2):
        delete(share, "file.tmp")
    assert found(share) == [
        "bin/anna/a/b/Copy #1 of file",
        "bin/anna/a/b/Copy #2 of file",
        "bin/anna/a/b/file",
        "bin/anna/file.tmp",
    ]
    assert [(share.root / name).stat().st_mode & 0o777 for name in ("bin/anna", "bin/anna/a")] == [0o755, 0o711]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"recycle__exclude": '"*.TMP" ~$*'}, "file.tmp"),
        ({"recycle__exclude_dir": "/scratch"}, "scratch\\deep\\file"),
        ({"recycle__maxsize": "3"}, "file"),
        ({"recycle__minsize": "1K"}, "file"),
    ],
)
def test_what_is_not_for_the_bin(stacked, options, name):
    share = stacked("recycle", **options)
    delete(share, name)
    assert found(share) == []


def test_what_cannot_be_moved_is_deleted(stacked):
    share = stacked("recycle", "fault_inject", fault_inject__i_know="yes", fault_inject__rename="EXDEV")
    delete(share, "file")
    assert found(share) == []


def test_the_times_tell_when_it_was_deleted(stacked):
    share = stacked("recycle", recycle__touch_mtime="yes")
    path = share.root / "file"
    path.touch()
    os.utime(path, (1, 1))
    share.volume.backend.unlink(b"file")
    assert (share.root / ".recycle" / "file").stat().st_mtime > 1


@pytest.mark.parametrize("repository", ["../outside", "/", "a//b"])
def test_the_bin_lies_in_the_share(stacked, repository):
    with pytest.raises(ModuleError):
        stacked("recycle", recycle__repository=repository)

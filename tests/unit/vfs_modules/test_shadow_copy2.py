"""Previous versions: which there are, and how they are opened."""

from __future__ import annotations

import pytest

from vfs.access import DELETE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_READ_DATA, MAXIMUM_ALLOWED
from vfs.constants import FILE_CREATE, FILE_DELETE_ON_CLOSE, FILE_OPEN, FILE_OPEN_IF, FILE_OVERWRITE
from vfs.fsa import read, set_info, snapshots, times, write
from vfs.modules.base import ModuleError
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_MEDIA_WRITE_PROTECTED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    NTStatusError,
)

OLD, NEW = 1_336_640_400, 1_336_726_800  # 2012-05-10 and 2012-05-11, 09:00 UTC
TIMEWARP = times.to_filetime(OLD * 1_000_000_000)


@pytest.fixture
def share(stacked):
    made = stacked("readonly", "shadow_copy2", readonly__period="2001-01-01T00:00, 2001-01-02T00:00")
    for moment in (OLD, NEW):
        directory = made.root / ".snapshots" / snapshots.label(moment) / "directory"
        directory.mkdir(parents=True)
        (directory / "file").write_text(str(moment))
    (made.root / ".snapshots" / "notes").touch()
    (made.root / "directory").mkdir()
    (made.root / "directory" / "file").write_text("now")
    return made


def contents(file):
    buffer = bytearray(20)
    return buffer[: read.read_into(file, 0, memoryview(buffer))].decode()


def test_labels():
    assert snapshots.label(OLD) == "@GMT-2012.05.10-09.00.00"


def test_newest_first(share, stacked):
    assert share.volume.backend.snapshots() == [NEW, OLD]
    assert stacked("shadow_copy2", shadow__sort="asc").volume.backend.snapshots() == [OLD, NEW]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("directory\\file", {"timewarp": TIMEWARP}),
        ("DIRECTORY\\FILE", {"timewarp": TIMEWARP}),
        ("@GMT-2012.05.10-09.00.00\\directory\\file", {}),
        ("directory\\@GMT-2012.05.10-09.00.00\\file", {}),
    ],
)
@pytest.mark.parametrize("access", [FILE_GENERIC_READ, MAXIMUM_ALLOWED])
@pytest.mark.parametrize("disposition", [FILE_OPEN, FILE_OPEN_IF])
def test_the_file_as_it_was(share, path, more, access, disposition):
    file = share.open(path, access, disposition, **more)
    assert contents(file) == str(OLD)
    assert file.granted_access == FILE_GENERIC_READ
    assert contents(share.open("directory\\file")) == "now"


@pytest.mark.parametrize(
    ("disposition", "options"), [(FILE_CREATE, 0), (FILE_OVERWRITE, 0), (FILE_OPEN, FILE_DELETE_ON_CLOSE)]
)
def test_what_was_is_not_made_or_deleted(share, disposition, options):
    with pytest.raises(NTStatusError) as caught:
        share.open("directory\\file", FILE_READ_DATA | DELETE, disposition, options=options, timewarp=TIMEWARP)
    assert caught.value.status == STATUS_MEDIA_WRITE_PROTECTED


@pytest.mark.parametrize(
    ("access", "change"),
    [
        (FILE_GENERIC_WRITE, lambda file: write.write(file, 0, memoryview(b"new"))),
        (FILE_GENERIC_WRITE, lambda file: set_info.set_end_of_file(file, 0)),
        (DELETE, lambda file: set_info.set_disposition(file, delete_file=True)),
    ],
)
def test_what_was_does_not_change(share, access, change):
    for asked, status in (
        (FILE_READ_DATA | access, STATUS_MEDIA_WRITE_PROTECTED),
        (FILE_READ_DATA, STATUS_ACCESS_DENIED),
    ):
        file = share.open("directory\\file", asked, timewarp=TIMEWARP)
        with pytest.raises(NTStatusError) as caught:
            change(file)
        assert caught.value.status == status
        assert contents(file) == str(OLD)


def test_what_was_not_is_not_found(share, stacked):
    for where, name, moment in (
        (share, "directory\\other", TIMEWARP),
        (share, "directory\\file", TIMEWARP + 10_000_000),
        (stacked(), "directory\\file", TIMEWARP),
    ):
        with pytest.raises(NTStatusError) as caught:
            where.open(name, FILE_READ_DATA, timewarp=moment)
        assert caught.value.status == STATUS_OBJECT_NAME_NOT_FOUND


def test_names_of_other_forms(share, stacked):
    (share.root / "old" / "daily 2012-05-10").mkdir(parents=True)
    other = stacked(
        "shadow_copy2", shadow__snapdir=str(share.root / "old"), shadow__format="daily %Y-%m-%d"
    )
    assert [snapshots.label(moment) for moment in other.volume.backend.snapshots()] == ["@GMT-2012.05.10-00.00.00"]


@pytest.mark.parametrize("directory", ["/elsewhere", "../up", ""])
def test_snapshots_lie_in_the_share(stacked, directory):
    with pytest.raises(ModuleError):
        stacked("shadow_copy2", shadow__snapdir=directory)

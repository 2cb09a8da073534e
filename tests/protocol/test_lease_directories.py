"""Directory leases ([MS-SMB2] 3.3.5.9.11): granted, and broken by changes that others make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol

import pytest

from smbd.wire.constants import (
    SMB2_DIALECT_210,
    SMB2_DIALECT_311,
    SMB2_GLOBAL_CAP_DIRECTORY_LEASING,
    SMB2_GLOBAL_CAP_LEASING,
)
from smbd.wire.fscc.file_info import FileBasicInformation, FileDispositionInformation, FileEndOfFileInformation
from smbd.wire.fscc.name_info import FileLinkInformation, FileRenameInformation
from tests.protocol.leases import (
    H,
    R,
    W,
    answer,
    assert_no_break,
    lease_of,
    next_lease_break,
    open_leased,
    state_of,
)
from tests.smbxcli import Connection, File, Session, Tree
from vfs.access import FILE_LIST_DIRECTORY
from vfs.constants import (
    FILE_ATTRIBUTE_HIDDEN,
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN_IF,
    FILE_OVERWRITE,
)
from vfs.ntstatus import STATUS_SUCCESS

pytestmark = pytest.mark.slow

DELETE = FileDispositionInformation(True)
KEY, CHILD, OTHER = b"directory-key---", b"child-key-------", b"other-key-------"


@pytest.fixture
def other(login: Callable[..., Session]) -> Tree:
    """The same share as another client sees it."""
    return login(client_guid=b"another client--").tree_connect("tmp")


def lease_directory(tree: Tree, name: str, state: int = R | H, **how: int) -> File:
    """Open a directory with a lease, creating it if need be."""
    options = {"access": FILE_LIST_DIRECTORY, "disposition": FILE_OPEN_IF, "options": FILE_DIRECTORY_FILE} | how
    return open_leased(tree, name, KEY, state, **options)


class FileInformation(Protocol):
    info_class: ClassVar[int]

    def pack(self) -> bytes: ...


class Place:
    """A directory with one file in it, leased by `tree`'s client."""

    def __init__(self, tree: Tree, name: str) -> None:
        self.tree = tree
        self.name = name
        tree.mkdir(name)
        tree.put(f"{name}\\file", b"contents")
        self.lease()

    def lease(self) -> None:
        self.directory = lease_directory(self.tree, self.name)
        assert state_of(self.directory) == R | H

    def assert_broken(self) -> None:
        connection = self.tree.session.connection
        told = next_lease_break(connection)
        assert (told.lease_key, told.current_lease_state, told.new_lease_state) == (KEY, R | H, 0)
        assert answer(self.tree, KEY, 0).status == STATUS_SUCCESS

    def assert_kept(self) -> None:
        assert_no_break(self.tree.session.connection)

    def clear(self) -> None:
        self.directory.close()
        for found in self.tree.create(self.name, options=FILE_DIRECTORY_FILE).names():
            if found not in {".", ".."}:
                self.tree.delete(f"{self.name}\\{found}")
        self.tree.delete(self.name, options=FILE_DIRECTORY_FILE)


@pytest.fixture
def place(tree: Tree, name: str) -> Iterator[Place]:
    made = Place(tree, name)
    yield made
    made.clear()


def test_capabilities(connect: Callable[..., Connection]) -> None:
    both = SMB2_GLOBAL_CAP_LEASING | SMB2_GLOBAL_CAP_DIRECTORY_LEASING
    assert connect(dialects=[SMB2_DIALECT_311]).agreement.response.capabilities & both == both
    assert connect(dialects=[SMB2_DIALECT_210]).agreement.response.capabilities & both == SMB2_GLOBAL_CAP_LEASING


@pytest.mark.parametrize(("asked", "granted"), [(R, R), (R | H, R | H), (R | W | H, R | H), (R | W, R), (H, 0), (0, 0)])
def test_granted(tree: Tree, name: str, asked: int, granted: int) -> None:
    with lease_directory(tree, name, asked, epoch=5) as directory:
        lease = lease_of(directory)
        assert lease is not None
        assert (lease.lease_state, lease.epoch) == (granted, 6)


def test_not_to_version_1(tree: Tree, name: str) -> None:
    with lease_directory(tree, name, version=1) as directory:
        assert lease_of(directory) is None
        assert directory.response.oplock_level == 0


CHANGES = {
    "create": lambda tree, name: tree.put(f"{name}\\new", b""),
    "mkdir": lambda tree, name: tree.mkdir(f"{name}\\new"),
    "overwrite": lambda tree, name: tree.create(f"{name}\\file", disposition=FILE_OVERWRITE).close(),
    "delete on close": lambda tree, name: tree.delete(f"{name}\\file"),
    "disposition": lambda tree, name: set_and_close(tree, name, DELETE),
    "rename": lambda tree, name: set_and_close(tree, name, FileRenameInformation(f"{name}\\new")),
    "link": lambda tree, name: set_and_close(tree, name, FileLinkInformation(f"{name}\\new")),
    "attributes": lambda tree, name: set_and_close(
        tree, name, FileBasicInformation(file_attributes=FILE_ATTRIBUTE_HIDDEN)
    ),
    "times": lambda tree, name: set_and_close(tree, name, FileBasicInformation(last_write_time=10**17)),
    "size": lambda tree, name: set_and_close(tree, name, FileEndOfFileInformation(3)),
}


def set_and_close(tree: Tree, name: str, info: FileInformation) -> None:
    with tree.create(f"{name}\\file") as file:
        file.set_info(info.info_class, info.pack())


@pytest.mark.parametrize("change", CHANGES)
def test_broken_by_another_client(place: Place, other: Tree, change: str) -> None:
    CHANGES[change](other, place.name)
    place.assert_broken()


@pytest.mark.parametrize("change", CHANGES)
def test_broken_by_the_same_client_without_the_key(place: Place, change: str) -> None:
    CHANGES[change](place.tree, place.name)
    place.assert_broken()


def test_broken_by_the_close_of_a_written_file(place: Place, other: Tree) -> None:
    file = other.create(f"{place.name}\\file")
    file.write(b"more")
    place.assert_kept()
    file.close()
    place.assert_broken()


def test_renaming_away_breaks_both_directories(place: Place, other: Tree) -> None:
    with other.create(f"{place.name}\\file") as file:
        file.set_info(FileRenameInformation.info_class, FileRenameInformation(f"{place.name}-moved").pack())
    place.assert_broken()
    place.directory.close()
    place.lease()
    with other.create(f"{place.name}-moved") as file:
        file.set_info(FileRenameInformation.info_class, FileRenameInformation(f"{place.name}\\back").pack())
    place.assert_broken()


def test_opening_and_reading_break_nothing(place: Place, other: Tree) -> None:
    assert other.get(f"{place.name}\\file") == b"contents"
    with other.create(place.name, access=FILE_LIST_DIRECTORY, options=FILE_DIRECTORY_FILE) as directory:
        assert "file" in directory.names()
    place.assert_kept()


def test_not_broken_under_the_own_parent_key(place: Place) -> None:
    name = f"{place.name}\\new"
    with open_leased(place.tree, name, CHILD, R, parent=KEY, disposition=FILE_CREATE) as file:
        file.write(b"data")
        file.set_info(FileBasicInformation.info_class, FileBasicInformation(last_write_time=10**17).pack())
    open_leased(place.tree, name, CHILD, R, parent=KEY, options=FILE_DELETE_ON_CLOSE).close()
    place.assert_kept()


def test_broken_under_another_parent_key(place: Place) -> None:
    open_leased(place.tree, f"{place.name}\\new", CHILD, R, parent=OTHER, disposition=FILE_CREATE).close()
    place.assert_broken()


def test_another_client_with_the_same_parent_key(place: Place, other: Tree) -> None:
    open_leased(other, f"{place.name}\\new", CHILD, R, parent=KEY, disposition=FILE_CREATE).close()
    place.assert_broken()


def test_a_deletion_waits_for_the_handle(place: Place, other: Tree) -> None:
    other.delete(f"{place.name}\\file")
    place.assert_broken()
    place.directory.close()
    place.lease()
    with other.create(place.name, options=FILE_DIRECTORY_FILE) as directory:
        waiting = directory.send_set_info(DELETE.info_class, DELETE.pack())
        told = next_lease_break(place.tree.session.connection)
        assert (told.current_lease_state, told.new_lease_state) == (R | H, R)
        assert waiting.response is None
        assert answer(place.tree, KEY, R).status == STATUS_SUCCESS
        assert waiting.recv().status == STATUS_SUCCESS
        directory.set_info(FileDispositionInformation.info_class, FileDispositionInformation(False).pack())

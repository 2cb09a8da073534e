"""Reparse points and symbolic links: set, told, listed, never followed by the server ([MS-FSA] 2.1.5.1, 2.1.5.10)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smbd.wire.constants import (
    FSCTL_DELETE_REPARSE_POINT,
    FSCTL_GET_REPARSE_POINT,
    FSCTL_SET_REPARSE_POINT,
    SMB2_CREATE,
    SMB2_CREATE_FLAG_REPARSEPOINT,
    SYMLINK_FLAG_RELATIVE,
)
from smbd.wire.create import CreateRequest
from smbd.wire.error import ErrorResponse, SymbolicLinkError
from smbd.wire.fscc.directory import unpack_entries
from smbd.wire.fscc.file_info import FileAttributeTagInformation
from smbd.wire.fscc.reparse import (
    IO_REPARSE_TAG_APPEXECLINK,
    IO_REPARSE_TAG_LX_FIFO,
    IO_REPARSE_TAG_NFS,
    IO_REPARSE_TAG_SYMLINK,
    NfsReparse,
    ReparseDataBuffer,
    SymbolicLinkReparse,
)
from smbd.wire.query_directory import QueryDirectoryResponse
from tests.servers import Server, unlike_samba
from tests.smbxcli.errors import StatusError
from tests.smbxcli.tree import Tree
from vfs import ntstatus as nt
from vfs.access import FILE_READ_ATTRIBUTES
from vfs.constants import (
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN_IF,
    FILE_OPEN_REPARSE_POINT,
    NFS_SPECFILE_FIFO,
    FileIdBothDirectoryInformation,
)

pytestmark = [pytest.mark.slow, unlike_samba]

LINK = ReparseDataBuffer(
    IO_REPARSE_TAG_SYMLINK, SymbolicLinkReparse("where\\else", "where\\else", SYMLINK_FLAG_RELATIVE).pack()
).pack()
FIFO = ReparseDataBuffer(IO_REPARSE_TAG_LX_FIFO).pack()


def status_of(action, *arguments, **options) -> int:
    with pytest.raises(StatusError) as caught:
        action(*arguments, **options)
    return caught.value.status


def make(tree: Tree, name: str, point: bytes, options: int = 0) -> None:
    with tree.create(name, disposition=FILE_CREATE, options=options) as file:
        file.ioctl(FSCTL_SET_REPARSE_POINT, point)


def stopped_at(tree: Tree, name: str) -> SymbolicLinkError:
    request = CreateRequest(name=name, desired_access=FILE_READ_ATTRIBUTES, create_disposition=1)
    response = tree.send(SMB2_CREATE, request).recv()
    assert response.status == nt.STATUS_STOPPED_ON_SYMLINK
    error = ErrorResponse.unpack(response.pdu)
    data = error.contexts[0].data if error.contexts else error.data
    return SymbolicLinkError.unpack(data)


@pytest.fixture
def clean(server: Server):
    """Directories that the test leaves behind."""
    yield
    for path in server.share_path("tmp").glob("reparse*"):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


pytestmark.append(pytest.mark.usefixtures("clean"))


def test_the_client_is_told_where_a_link_leads(tree: Tree) -> None:
    make(tree, "reparse-link", LINK)
    told = stopped_at(tree, "reparse-link")
    assert (told.substitute_name, told.flags, told.unparsed_path_length) == ("where\\else", SYMLINK_FLAG_RELATIVE, 0)


@pytest.mark.parametrize("dialects", [[0x0302], [0x0311]])
def test_a_link_on_the_way_tells_how_much_is_left(login, dialects) -> None:
    tree = login(dialects=dialects).tree_connect("tmp")
    make(tree, "reparse-directory", LINK, FILE_DIRECTORY_FILE)
    assert stopped_at(tree, "REPARSE-directory\\a\\b").unparsed_path_length == 2 * len("\\a\\b")
    assert stopped_at(tree, "reparse-directory\\x").unparsed_path_length == 2 * len("\\x")
    assert status_of(tree.create, "reparse-directory\\new", disposition=FILE_CREATE) == nt.STATUS_STOPPED_ON_SYMLINK


def test_other_tags_are_not_the_servers_to_handle(tree: Tree) -> None:
    make(tree, "reparse-fifo", FIFO)
    assert status_of(tree.create, "reparse-fifo") == nt.STATUS_IO_REPARSE_TAG_NOT_HANDLED


def test_a_reparse_point_is_shown(tree: Tree) -> None:
    make(tree, "reparse-shown", FIFO)
    file = tree.create("reparse-shown", options=FILE_OPEN_REPARSE_POINT)
    assert file.response.flags == SMB2_CREATE_FLAG_REPARSEPOINT
    assert file.ioctl(FSCTL_GET_REPARSE_POINT) == FIFO
    tag = FileAttributeTagInformation.unpack(file.query_info(FileAttributeTagInformation.info_class))
    assert (tag.file_attributes & FILE_ATTRIBUTE_REPARSE_POINT, tag.reparse_tag) == (
        FILE_ATTRIBUTE_REPARSE_POINT,
        IO_REPARSE_TAG_LX_FIFO,
    )
    with tree.create("", options=FILE_DIRECTORY_FILE) as root:
        response = root.send_query_directory("reparse-shown", info_class=FileIdBothDirectoryInformation).recv()
    data = response.body(QueryDirectoryResponse).data
    (entry,) = unpack_entries(FileIdBothDirectoryInformation, data)
    assert entry.file_attributes & FILE_ATTRIBUTE_REPARSE_POINT
    assert entry.ea_size == IO_REPARSE_TAG_LX_FIFO


def test_setting_changing_and_deleting(tree: Tree) -> None:
    file = tree.create("reparse-file", disposition=FILE_CREATE)
    assert status_of(file.ioctl, FSCTL_GET_REPARSE_POINT) == nt.STATUS_NOT_A_REPARSE_POINT
    assert status_of(file.ioctl, FSCTL_DELETE_REPARSE_POINT, FIFO) == nt.STATUS_NOT_A_REPARSE_POINT
    file.ioctl(FSCTL_SET_REPARSE_POINT, LINK)
    other = ReparseDataBuffer(
        IO_REPARSE_TAG_SYMLINK, SymbolicLinkReparse("other", "other", SYMLINK_FLAG_RELATIVE).pack()
    ).pack()
    file.ioctl(FSCTL_SET_REPARSE_POINT, other)
    assert file.ioctl(FSCTL_GET_REPARSE_POINT) == other
    assert status_of(file.ioctl, FSCTL_SET_REPARSE_POINT, FIFO) == nt.STATUS_IO_REPARSE_TAG_MISMATCH
    assert status_of(file.ioctl, FSCTL_DELETE_REPARSE_POINT, FIFO) == nt.STATUS_IO_REPARSE_TAG_MISMATCH
    assert status_of(file.ioctl, FSCTL_DELETE_REPARSE_POINT, LINK) == nt.STATUS_IO_REPARSE_DATA_INVALID
    assert status_of(file.ioctl, FSCTL_GET_REPARSE_POINT, b"", 7) == nt.STATUS_BUFFER_TOO_SMALL
    assert file.send_ioctl(FSCTL_GET_REPARSE_POINT, b"", 8).recv().status == nt.STATUS_BUFFER_OVERFLOW
    file.ioctl(FSCTL_DELETE_REPARSE_POINT, ReparseDataBuffer(IO_REPARSE_TAG_SYMLINK).pack())
    file.close()
    with tree.create("reparse-file") as again:
        assert not again.response.file_attributes & FILE_ATTRIBUTE_REPARSE_POINT


@pytest.mark.parametrize(
    ("point", "status"),
    [
        (FIFO[:7], nt.STATUS_IO_REPARSE_DATA_INVALID),
        (FIFO + b"x", nt.STATUS_IO_REPARSE_DATA_INVALID),
        (ReparseDataBuffer(IO_REPARSE_TAG_APPEXECLINK, bytes(16 * 1024)).pack(), nt.STATUS_IO_REPARSE_DATA_INVALID),
        (ReparseDataBuffer(IO_REPARSE_TAG_SYMLINK, b"short").pack(), nt.STATUS_IO_REPARSE_DATA_INVALID),
        (ReparseDataBuffer(1, b"", bytes(16)).pack(), nt.STATUS_IO_REPARSE_TAG_INVALID),
    ],
)
def test_what_is_no_reparse_point(tree: Tree, point: bytes, status: int) -> None:
    with tree.create("reparse-wrong", disposition=FILE_OPEN_IF) as file:
        assert status_of(file.ioctl, FSCTL_SET_REPARSE_POINT, point) == status


def test_tags_of_others_belong_to_their_guid(tree: Tree) -> None:
    first, second = (ReparseDataBuffer(0x1234, b"data", bytes((one,)) * 16).pack() for one in (1, 2))
    with tree.create("reparse-guid", disposition=FILE_CREATE) as file:
        file.ioctl(FSCTL_SET_REPARSE_POINT, first)
        assert status_of(file.ioctl, FSCTL_SET_REPARSE_POINT, second) == nt.STATUS_REPARSE_ATTRIBUTE_CONFLICT


def test_only_an_empty_directory_becomes_one(server: Server, tree: Tree) -> None:
    inside = server.share_path("tmp") / "reparse-full" / "file"
    tree.mkdir("reparse-full")
    tree.put("reparse-full\\file", b"")
    with tree.create("reparse-full", options=FILE_DIRECTORY_FILE) as file:
        assert status_of(file.ioctl, FSCTL_SET_REPARSE_POINT, LINK) == nt.STATUS_DIRECTORY_NOT_EMPTY
    inside.unlink()


def test_special_files_are_reparse_points(server: Server, tree: Tree) -> None:
    os.mkfifo(server.share_path("tmp") / "reparse-pipe", 0o666)
    assert status_of(tree.create, "reparse-pipe") == nt.STATUS_IO_REPARSE_TAG_NOT_HANDLED
    with tree.create("reparse-pipe", access=FILE_READ_ATTRIBUTES, options=FILE_OPEN_REPARSE_POINT) as file:
        point = ReparseDataBuffer.unpack(file.ioctl(FSCTL_GET_REPARSE_POINT))
    assert point.tag == IO_REPARSE_TAG_NFS
    assert NfsReparse.unpack(point.data).kind == NFS_SPECFILE_FIFO


def links(root: Path) -> tuple[Path, Path]:
    """A directory with a file in it, and a link to it."""
    target = root / "reparse-target"
    target.mkdir(mode=0o777)
    link = root / "reparse-symlink"
    link.symlink_to("reparse-target")
    return target, link


def test_symbolic_links_are_followed_unless_asked_not_to(server: Server, tree: Tree) -> None:
    target, link = links(server.share_path("tmp"))
    with tree.create("reparse-symlink", access=FILE_READ_ATTRIBUTES) as followed:
        assert followed.response.file_attributes & FILE_ATTRIBUTE_DIRECTORY
    with tree.create("REPARSE-SYMLINK", access=FILE_READ_ATTRIBUTES, options=FILE_OPEN_REPARSE_POINT) as file:
        point = ReparseDataBuffer.unpack(file.ioctl(FSCTL_GET_REPARSE_POINT))
    assert point.tag == IO_REPARSE_TAG_SYMLINK
    assert SymbolicLinkReparse.unpack(point.data) == SymbolicLinkReparse(
        "reparse-target", "reparse-target", SYMLINK_FLAG_RELATIVE
    )
    assert target.is_dir()
    assert link.is_symlink()


@pytest.mark.parametrize("kind", [0, FILE_DIRECTORY_FILE])
def test_deleting_a_link_leaves_its_target(server: Server, tree: Tree, kind: int) -> None:
    target, link = links(server.share_path("tmp"))
    (target / "file").touch()
    tree.delete("reparse-symlink", kind | FILE_OPEN_REPARSE_POINT)
    assert not link.is_symlink()
    (target / "file").unlink()


def test_a_link_out_of_the_share_is_not_there_but_can_be_deleted(server: Server, tree: Tree) -> None:
    link = server.share_path("tmp") / "reparse-out"
    link.symlink_to("/etc")
    assert status_of(tree.create, "reparse-out") == nt.STATUS_OBJECT_NAME_NOT_FOUND
    assert status_of(tree.create, "reparse-out\\passwd") == nt.STATUS_OBJECT_PATH_NOT_FOUND
    tree.delete("reparse-out", FILE_OPEN_REPARSE_POINT | FILE_DELETE_ON_CLOSE)
    assert not link.is_symlink()

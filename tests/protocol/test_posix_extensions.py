"""The POSIX extensions of SMB 3.1.1: negotiated, in opens, in what is asked and set about files."""

from __future__ import annotations

import os
import stat

import pytest

from smbd.wire.constants import (
    FSCTL_GET_REPARSE_POINT,
    FSCTL_SET_REPARSE_POINT,
    SMB2_0_INFO_FILESYSTEM,
    SMB2_0_INFO_SECURITY,
    SMB2_CREATE,
    SMB2_CREATE_TAG_POSIX,
    SMB2_DIALECT_302,
    SMB2_POSIX_EXTENSIONS_AVAILABLE,
)
from smbd.wire.create import CreateRequest
from smbd.wire.create_contexts import PosixRequest, PosixResponse
from smbd.wire.error import ErrorResponse, SymbolicLinkError
from smbd.wire.fscc.file_info import FileDispositionInformation
from smbd.wire.fscc.fs_info import FilePosixFsInformation
from smbd.wire.fscc.name_info import FileRenameInformation
from smbd.wire.fscc.posix import FilePosixInformation, to_wire_mode, unpack_posix_entries
from smbd.wire.fscc.reparse import (
    IO_REPARSE_TAG_AF_UNIX,
    IO_REPARSE_TAG_DEDUP,
    IO_REPARSE_TAG_LX_BLK,
    IO_REPARSE_TAG_NFS,
    IO_REPARSE_TAG_SYMLINK,
    NfsReparse,
    ReparseDataBuffer,
    SymbolicLinkReparse,
)
from smbd.wire.negotiate_contexts import NegotiateContext
from smbd.wire.query_directory import QueryDirectoryResponse
from tests.servers import DEFAULT_SHARES, server_class, temporary_server
from tests.smbxcli import Connection, Offer, Session, StatusError, Transport, Tree
from tests.smbxcli.file import File
from vfs import ntstatus as nt
from vfs.access import DELETE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_READ_ATTRIBUTES, WRITE_DAC
from vfs.constants import (
    DACL_SECURITY_INFORMATION,
    FILE_CREATE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_OPEN_REPARSE_POINT,
    NFS_SPECFILE_CHR,
    NFS_SPECFILE_FIFO,
    SYMLINK_FLAG_RELATIVE,
)
from vfs.security import SE_DACL_PRESENT, SE_SELF_RELATIVE, Acl, SecurityDescriptor, allow
from vfs.sid import SID_NFS_MODE, SID_NULL, unix_group_sid, unix_user_sid

POSIX_CLASS = FilePosixInformation.info_class
ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE | WRITE_DAC
ODD_NAMES = ["a ", "a.", ". ", " \\ ", "\\", ">", "<?", "a:b", ":x:$DATA", '*|"', "LONG~1.TXT", "\x01"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(server_class().name != "pysmbd", reason="Samba 4.17 does not have them"),
]


@pytest.fixture(scope="module")
def server():
    masks = {"read only": "no", "create mask": "0777", "directory mask": "0777"}
    shares = {
        "tmp": masks,
        "masked": {"read only": "no", "create mask": "0740"},
        "windows": masks | {"smb3 unix extensions": "no"},
        "vetoed": masks | {"veto files": "/secret*/"},
    }
    with temporary_server(shares) as running:
        yield running


def offer(data: bytes = SMB2_CREATE_TAG_POSIX, **fields: object) -> Offer:
    made = Offer(**fields)  # type: ignore[arg-type]
    context = NegotiateContext(SMB2_POSIX_EXTENSIONS_AVAILABLE, data)
    made.contexts = [*made.negotiate_contexts(), context]
    return made


def agreed(connection: Connection) -> list[bytes]:
    contexts = connection.agreement.response.contexts
    return [bytes(one.data) for one in contexts if one.context_type == SMB2_POSIX_EXTENSIONS_AVAILABLE]


@pytest.fixture
def session(server):
    with Connection.open("127.0.0.1", server.port, offer()) as connection:
        yield Session.login(connection, server.user, server.password)


@pytest.fixture
def tree(session) -> Tree:
    return session.tree_connect("tmp")


@pytest.fixture
def root(server):
    path = server.share_path("tmp")
    yield path
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            entry.rmdir()
        else:
            entry.unlink()


def open_posix(tree: Tree, name: str, disposition: int = FILE_OPEN, mode: int = 0o644, **options: object) -> File:
    options.setdefault("access", ACCESS if disposition != FILE_OPEN or name else FILE_GENERIC_READ)
    contexts = {SMB2_CREATE_TAG_POSIX: PosixRequest(mode).pack()}
    return tree.create(name, disposition=disposition, contexts=contexts, **options)  # type: ignore[arg-type]


def answer(file: File) -> PosixResponse:
    return PosixResponse.unpack(file.response.contexts[SMB2_CREATE_TAG_POSIX])


def entries(directory: File, length: int = 65536) -> dict[str, FilePosixInformation]:
    found = {}
    while True:
        response = directory.send_query_directory(info_class=POSIX_CLASS, length=length).recv()
        if response.status == nt.STATUS_NO_MORE_FILES:
            return found
        found |= dict(unpack_posix_entries(bytes(response.body(QueryDirectoryResponse).data)))


def status_of(action, *arguments, **options) -> int:
    with pytest.raises(StatusError) as caught:
        action(*arguments, **options)
    return caught.value.status


def rename(file: File, target: str) -> None:
    file.set_info(FileRenameInformation.info_class, FileRenameInformation(target, replace_if_exists=True).pack())


def delete(file: File) -> None:
    file.set_info(FileDispositionInformation.info_class, FileDispositionInformation(delete_pending=True).pack())


@pytest.mark.parametrize("versions", [SMB2_CREATE_TAG_POSIX, bytes(16) + SMB2_CREATE_TAG_POSIX])
def test_negotiated(server, versions):
    with Connection.open("127.0.0.1", server.port, offer(versions)) as connection:
        assert agreed(connection) == [SMB2_CREATE_TAG_POSIX]


@pytest.mark.parametrize(
    "made", [offer(bytes(16)), offer(dialects=[SMB2_DIALECT_302]), Offer()], ids=["version", "dialect", "silence"]
)
def test_not_negotiated(server, made):
    with Connection.open("127.0.0.1", server.port, made) as connection:
        assert agreed(connection) == []
        tree = Session.login(connection, server.user, server.password).tree_connect("tmp")
        with open_posix(tree, "") as file:
            assert SMB2_CREATE_TAG_POSIX not in file.response.contexts
            assert status_of(file.query_info, POSIX_CLASS) == nt.STATUS_INVALID_INFO_CLASS


@pytest.mark.parametrize("data", [b"", b"01234", bytes(17)])
def test_malformed_negotiate_context(server, data):
    with Connection(Transport.connect("127.0.0.1", server.port), offer(data)) as connection:
        assert status_of(connection.negotiate) == nt.STATUS_INVALID_PARAMETER


def test_not_negotiated_where_the_server_is_not_to():
    with (
        temporary_server(DEFAULT_SHARES, {"smb3 unix extensions": "no"}) as quiet,
        Connection.open("127.0.0.1", quiet.port, offer()) as connection,
    ):
        assert agreed(connection) == []


def test_share_without(session):
    with open_posix(session.tree_connect("windows"), "") as file:
        assert file.response.contexts == {}
        assert status_of(file.query_info, POSIX_CLASS) == nt.STATUS_INVALID_INFO_CLASS
        assert status_of(file.query_info, POSIX_CLASS, info_type=SMB2_0_INFO_FILESYSTEM) == nt.STATUS_INVALID_INFO_CLASS
        response = file.send_query_directory(info_class=POSIX_CLASS).recv()
        assert response.status == nt.STATUS_INVALID_INFO_CLASS


@pytest.mark.parametrize("data", [b"", bytes(3), bytes(5)])
def test_malformed_create_context(tree, data):
    contexts = {SMB2_CREATE_TAG_POSIX: data}
    assert status_of(tree.create, "", contexts=contexts) == nt.STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o751])
def test_mode_of_what_is_made(tree, root, mode):
    with open_posix(tree, "file", FILE_CREATE, mode) as file:
        assert answer(file).mode == mode
    with open_posix(tree, "directory", FILE_CREATE, mode, options=FILE_DIRECTORY_FILE) as directory:
        assert answer(directory).mode == to_wire_mode(stat.S_IFDIR | mode)
    assert stat.S_IMODE((root / "file").stat().st_mode) == mode
    assert stat.S_IMODE((root / "directory").stat().st_mode) == mode


def test_masks_bound_the_mode(session, server):
    with open_posix(session.tree_connect("masked"), "file", FILE_CREATE, 0o777) as file:
        assert answer(file).mode == 0o740
    (server.share_path("masked") / "file").unlink()


def test_answer_tells_links_and_owners(tree, root):
    open_posix(tree, "one", FILE_CREATE).close()
    os.link(root / "one", root / "two")
    status = (root / "one").stat()
    with open_posix(tree, "one") as file:
        told = answer(file)
    assert (told.number_of_links, told.reparse_tag) == (2, 0)
    assert (told.owner, told.group) == (unix_user_sid(status.st_uid), unix_group_sid(status.st_gid))


def test_names_differ_by_case(tree, root):
    open_posix(tree, "name", FILE_CREATE).close()
    assert status_of(open_posix, tree, "NAME") == nt.STATUS_OBJECT_NAME_NOT_FOUND
    open_posix(tree, "NAME", FILE_CREATE).close()
    assert {path.name for path in root.iterdir()} == {"name", "NAME"}
    tree.create("nAmE", access=FILE_READ_ATTRIBUTES).close()  # who does not ask for the extensions finds one of them


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_character(tree, root, name):
    with open_posix(tree, name, FILE_CREATE) as file:
        assert [path.name for path in root.iterdir()] == [name]
        delete(file)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("/x", nt.STATUS_OBJECT_NAME_INVALID),
        ("x/", nt.STATUS_OBJECT_NAME_INVALID),
        ("./x", nt.STATUS_OBJECT_NAME_INVALID),
        ("x\0y", nt.STATUS_OBJECT_NAME_INVALID),
        ("x" * 256, nt.STATUS_OBJECT_NAME_INVALID),
        ("..", nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("x/../y", nt.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("x/y", nt.STATUS_OBJECT_PATH_NOT_FOUND),
    ],
)
def test_no_names(tree, name, status):
    assert status_of(open_posix, tree, name, FILE_OPEN_IF) == status


def test_slashes_part_names(tree, root):
    open_posix(tree, "d", FILE_CREATE, 0o777, options=FILE_DIRECTORY_FILE).close()
    open_posix(tree, "d/f", FILE_CREATE).close()
    assert (root / "d/f").exists()
    (root / "d/f").unlink()


def test_vetoed_names_stay_vetoed(session, server):
    (server.share_path("vetoed") / "SECRET1").touch()
    assert status_of(open_posix, session.tree_connect("vetoed"), "SECRET1") == nt.STATUS_OBJECT_NAME_NOT_FOUND


def test_information_of_a_file(tree, root):
    (root / "f").write_bytes(b"12345")
    status = (root / "f").stat()
    with open_posix(tree, "f", access=FILE_READ_ATTRIBUTES) as file:
        told = FilePosixInformation.unpack(file.query_info(POSIX_CLASS))
        assert status_of(file.query_info, POSIX_CLASS, length=80) == nt.STATUS_INFO_LENGTH_MISMATCH
    assert told.end_of_file == 5
    assert told.inode == status.st_ino
    assert told.device_id == status.st_dev & 0xFFFFFFFF
    assert told.number_of_links == 1
    assert told.mode == stat.S_IMODE(status.st_mode)
    assert (told.owner, told.group) == (unix_user_sid(status.st_uid), unix_group_sid(status.st_gid))
    with tree.create("f", access=FILE_READ_ATTRIBUTES) as file:
        assert status_of(file.query_info, POSIX_CLASS) == nt.STATUS_INVALID_INFO_CLASS


def test_information_of_the_file_system(tree, root):
    found = os.statvfs(root)
    with open_posix(tree, "") as file:
        data = file.query_info(POSIX_CLASS, info_type=SMB2_0_INFO_FILESYSTEM)
    told = FilePosixFsInformation.unpack(data)
    assert (told.block_size, told.total_blocks) == (found.f_frsize, found.f_blocks)
    assert told.total_file_nodes == found.f_files


@pytest.mark.parametrize("length", [65536, 200])
def test_listing(tree, root, length):
    for name, mode in (("a", 0o600), ("b?", 0o755), ("A", 0o640)):
        (root / name).touch()
        (root / name).chmod(mode)
    (root / "link").symlink_to("a")
    with open_posix(tree, "") as directory:
        found = entries(directory, length)
    assert {name: one.mode for name, one in found.items() if name not in {".", ".."}} == {
        "a": 0o600,
        "b?": 0o755,
        "A": 0o640,
        "link": to_wire_mode(stat.S_IFLNK | 0o777),
    }
    assert found["a"].inode == (root / "a").stat().st_ino
    assert found["link"].inode == (root / "link").lstat().st_ino
    assert found["link"].reparse_tag == IO_REPARSE_TAG_SYMLINK
    assert found["."].inode == root.stat().st_ino
    above = found[".."]
    assert (above.inode, above.device_id, above.owner, above.group) == (0, 0, SID_NULL, SID_NULL)


def test_buffer_for_no_entry(tree):
    with open_posix(tree, "") as directory:
        response = directory.send_query_directory(info_class=POSIX_CLASS, length=100).recv()
        assert response.status == nt.STATUS_BUFFER_OVERFLOW


@pytest.mark.parametrize("target", ["target", "dir/target", "/dir/target", "a\\b"])
def test_links_are_not_followed(tree, root, target):
    (root / "link").symlink_to(target)
    flags = 0 if target.startswith("/") else SYMLINK_FLAG_RELATIVE
    contexts = {SMB2_CREATE_TAG_POSIX: PosixRequest(0).pack()}
    request = CreateRequest(
        name="link", desired_access=FILE_READ_ATTRIBUTES, create_disposition=FILE_OPEN, contexts=contexts
    )
    response = tree.send(SMB2_CREATE, request).recv()
    assert response.status == nt.STATUS_STOPPED_ON_SYMLINK
    error = ErrorResponse.unpack(response.pdu)
    found = SymbolicLinkError.unpack(error.contexts[0].data)
    assert (found.substitute_name, found.flags) == (target, flags)
    with open_posix(tree, "link", access=FILE_READ_ATTRIBUTES, options=FILE_OPEN_REPARSE_POINT) as link:
        assert answer(link).reparse_tag == IO_REPARSE_TAG_SYMLINK
        assert answer(link).mode == to_wire_mode(stat.S_IFLNK | 0o777)
        point = SymbolicLinkReparse.unpack(ReparseDataBuffer.unpack(link.ioctl(FSCTL_GET_REPARSE_POINT)).data)
    assert (point.substitute_name, point.flags) == (target, flags)


@pytest.mark.parametrize(
    ("tag", "data", "kind"),
    [
        (IO_REPARSE_TAG_NFS, NfsReparse(NFS_SPECFILE_FIFO).pack(), stat.S_IFIFO),
        (IO_REPARSE_TAG_NFS, NfsReparse(NFS_SPECFILE_CHR, "", 1, 3).pack(), stat.S_IFCHR),
        (IO_REPARSE_TAG_LX_BLK, b"", stat.S_IFBLK),
        (IO_REPARSE_TAG_AF_UNIX, b"", stat.S_IFSOCK),
        (IO_REPARSE_TAG_SYMLINK, SymbolicLinkReparse("a", "a", SYMLINK_FLAG_RELATIVE).pack(), stat.S_IFLNK),
        (IO_REPARSE_TAG_NFS, b"", stat.S_IFREG),
        (IO_REPARSE_TAG_DEDUP, b"", stat.S_IFREG),
    ],
)
def test_mode_tells_what_a_reparse_point_stands_for(tree, root, tag, data, kind):
    with open_posix(tree, "point", FILE_CREATE, 0o640) as file:
        file.ioctl(FSCTL_SET_REPARSE_POINT, ReparseDataBuffer(tag, data).pack())
        assert FilePosixInformation.unpack(file.query_info(POSIX_CLASS)).mode == to_wire_mode(kind | 0o640)
    with open_posix(tree, "point", options=FILE_OPEN_REPARSE_POINT) as file:
        assert answer(file).mode == to_wire_mode(kind | 0o640)
    with open_posix(tree, "") as directory:
        assert entries(directory)["point"].mode == to_wire_mode(kind | 0o640)


def test_name_goes_though_others_have_it_open(tree, root):
    with open_posix(tree, "f", FILE_CREATE) as other:
        other.write(b"stays")
        with open_posix(tree, "f") as deleting:
            delete(deleting)
        assert not (root / "f").exists()
        open_posix(tree, "f", FILE_CREATE).close()
        assert other.read(5) == b"stays"
    assert (root / "f").exists()


def test_name_stays_while_others_without_the_extensions_have_it(tree, root):
    with tree.create("f", disposition=FILE_CREATE):
        with open_posix(tree, "f") as deleting:
            delete(deleting)
        assert (root / "f").exists()
        assert status_of(open_posix, tree, "f") == nt.STATUS_DELETE_PENDING
    assert not (root / "f").exists()


def test_rename_over_what_is_open(tree, root):
    with open_posix(tree, "old", FILE_CREATE) as replaced, open_posix(tree, "new", FILE_CREATE) as file:
        replaced.write(b"old")
        rename(file, "old")
        assert [path.name for path in root.iterdir()] == ["old"]
        assert replaced.read(3) == b"old"
        delete(replaced)  # it has no name any more
    assert [path.name for path in root.iterdir()] == ["old"]


def test_rename_over_what_others_have_open(tree):
    with tree.create("old", disposition=FILE_CREATE), open_posix(tree, "new", FILE_CREATE) as file:
        assert status_of(rename, file, "old") == nt.STATUS_ACCESS_DENIED
    tree.delete("old")
    tree.delete("new")


def test_rename_to_any_name(tree, root):
    open_posix(tree, "d", FILE_CREATE, 0o777, options=FILE_DIRECTORY_FILE).close()
    with open_posix(tree, "f", FILE_CREATE) as file:
        rename(file, "d/:?")
        assert (root / "d/:?").exists()
        rename(file, "F")
        assert {path.name for path in root.iterdir()} == {"d", "F"}
        rename(file, "a\\b")
        assert {path.name for path in root.iterdir()} == {"d", "a\\b"}


@pytest.mark.parametrize("mode", [0o400, 0o754, 0o4711, 0o1640])
def test_chmod(tree, root, mode):
    acl = Acl((allow(SID_NFS_MODE.child(0o100000 | mode), 0),))
    descriptor = SecurityDescriptor(None, None, acl, None, SE_SELF_RELATIVE | SE_DACL_PRESENT).pack()
    with open_posix(tree, "f", FILE_CREATE) as file:
        file.send_set_info(
            0, descriptor, info_type=SMB2_0_INFO_SECURITY, additional=DACL_SECURITY_INFORMATION
        ).recv().check()
        assert FilePosixInformation.unpack(file.query_info(POSIX_CLASS)).mode == mode
    assert stat.S_IMODE((root / "f").stat().st_mode) == mode

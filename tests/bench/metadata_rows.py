"""Rows of echo, open, close, names, attributes, listings."""

from __future__ import annotations

import struct

from smbd.wire.close import CloseRequest
from smbd.wire.constants import (
    SMB2_CLOSE,
    SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB,
    SMB2_CREATE,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST,
    SMB2_CREATE_QUERY_ON_DISK_ID,
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_DHANDLE_FLAG_PERSISTENT,
    SMB2_ECHO,
    SMB2_LEASE_HANDLE_CACHING,
    SMB2_LEASE_READ_CACHING,
    SMB2_LEASE_WRITE_CACHING,
    SMB2_OPLOCK_LEVEL_LEASE,
    SMB2_OPLOCK_LEVEL_NONE,
    SMB2_QUERY_DIRECTORY,
    SMB2_QUERY_INFO,
    SMB2_RELATED_FILE_ID,
    SMB2_SET_INFO,
    SMB2_WRITE,
)
from smbd.wire.create import CreateRequest
from smbd.wire.create_context_durable import DurableHandleRequestV2, DurableHandleResponseV2
from smbd.wire.create_context_lease import LeaseContextV2
from smbd.wire.echo import EchoRequest
from smbd.wire.query_directory import QueryDirectoryRequest
from smbd.wire.query_info import QueryInfoRequest
from smbd.wire.read_write import WriteRequest
from smbd.wire.set_info import SetInfoRequest
from tests.bench.lab import Lab
from tests.bench.operations import GCM, PLAIN, Guard, Operation
from tests.bench.rawclient import FILE_ID, SERIAL, LoadError, Step
from tests.bench.row import CPU, WALL, Row, at_most
from tests.smbxcli import Tree
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import (
    DELETE,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
)
from vfs.constants import (
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NON_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FileAllInformation,
    FileBasicInformation,
    FileIdBothDirectoryInformation,
)
from vfs.ntstatus import STATUS_NO_MORE_FILES, STATUS_OBJECT_NAME_NOT_FOUND

OPEN = "Echo, open, close, names"
ATTRIBUTES = "Attributes and listings"
PERSISTENT = "Persistent handles"
_READ_WRITE = FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES
_LEASE = SMB2_LEASE_READ_CACHING | SMB2_LEASE_HANDLE_CACHING | SMB2_LEASE_WRITE_CACHING
_LISTED = 1000
_LANES = 128
_BASIC = struct.Struct("<QQQQI4x")
_LAST_WRITE_TIME = 133_000_000_000_000_000


def create(
    tree: Tree,
    name: str,
    access: int = _READ_WRITE,
    disposition: int = FILE_OPEN,
    options: int = FILE_NON_DIRECTORY_FILE,
    oplock: int = SMB2_OPLOCK_LEVEL_NONE,
    contexts: dict[bytes, bytes] | None = None,
    status: int = 0,
) -> Step:
    """A CREATE whose FileId the following steps use."""
    return Step(tree, (SMB2_CREATE, _create(name, access, disposition, options, oplock, contexts)),
                learns=not status, status=status)  # fmt: skip


def _create(
    name: str,
    access: int,
    disposition: int = FILE_OPEN,
    options: int = FILE_NON_DIRECTORY_FILE,
    oplock: int = SMB2_OPLOCK_LEVEL_NONE,
    contexts: dict[bytes, bytes] | None = None,
) -> CreateRequest:
    return CreateRequest(
        name=name,
        desired_access=access,
        share_access=SHARE_ALL,
        create_disposition=disposition,
        create_options=options,
        requested_oplock_level=oplock,
        contexts=contexts or {},
    )


def close(tree: Tree, flags: int = 0) -> Step:
    """The CLOSE of what was opened."""
    return Step(tree, (SMB2_CLOSE, CloseRequest(*FILE_ID, flags)))


def lane_files(lab: Lab) -> None:
    """A file for each lane of each connection."""
    lab.fill("lanes", _LANES)


def lane_file(lane: int) -> str:
    """The name of a lane's file."""
    return rf"lanes\file-{lane:08}"


def _big(lab: Lab) -> None:
    lab.fill("big", lab.load.many, "File-{:08}.txt")


def _listed(lab: Lab) -> None:
    lab.fill("listed", _LISTED)


def _some(lab: Lab) -> None:
    lab.fill("some", lab.load.some)


def _new(lab: Lab) -> None:
    lab.empty("new")


def _echo(tree: Tree, _lane: int) -> list[Step]:
    return [Step(tree, (SMB2_ECHO, EchoRequest()))]


def _open_close(tree: Tree, lane: int) -> list[Step]:
    return [create(tree, lane_file(lane)), close(tree)]


def _open_lease(tree: Tree, lane: int) -> list[Step]:
    contexts = {
        SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST: b"",
        SMB2_CREATE_QUERY_ON_DISK_ID: b"",
        SMB2_CREATE_REQUEST_LEASE: LeaseContextV2(struct.pack("<QQ", 1, lane), _LEASE).pack(),
    }
    opened = create(tree, lane_file(lane), oplock=SMB2_OPLOCK_LEVEL_LEASE, contexts=contexts)
    return [opened, close(tree, SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB)]


def _open_missing(name: str):
    def steps(tree: Tree, _lane: int) -> list[Step]:
        return [create(tree, name, status=STATUS_OBJECT_NAME_NOT_FOUND)]

    return steps


def _open_wrong_case(tree: Tree, lane: int) -> list[Step]:
    return [create(tree, rf"BIG\fILE-{lane:08}.TXT"), close(tree)]


def _create_write(tree: Tree, lane: int) -> list[Step]:
    name = rf"new\{lane:03}-{SERIAL}"
    write = Step(tree, (SMB2_WRITE, WriteRequest(*FILE_ID, bytes(4096), 0)))
    return [create(tree, name, disposition=FILE_CREATE), write, close(tree)]


def _unlink(tree: Tree, _lane: int) -> list[Step]:
    options = FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE
    return [create(tree, rf"doomed\file-{SERIAL}", DELETE | FILE_READ_ATTRIBUTES, options=options), close(tree)]


def _doomed(lab: Lab) -> int:
    lab.discard("doomed")
    lab.fill("doomed", lab.load.unlinks)
    return lab.load.unlinks


def _query(tree: Tree, _lane: int) -> list[Step]:
    return [Step(tree, (SMB2_QUERY_INFO, QueryInfoRequest(*FILE_ID, 1, FileAllInformation, output_buffer_length=4096)))]


def _set(tree: Tree, _lane: int) -> list[Step]:
    data = _BASIC.pack(0, 0, _LAST_WRITE_TIME, 0, 0)
    return [Step(tree, (SMB2_SET_INFO, SetInfoRequest(*FILE_ID, 1, FileBasicInformation, data)))]


def _opened(tree: Tree, lane: int) -> list[Step]:
    return [create(tree, lane_file(lane))]


def _list(name: str):
    def steps(tree: Tree, _lane: int) -> list[Step]:
        query = QueryDirectoryRequest(*FILE_ID, FileIdBothDirectoryInformation, "*", 65536, 0)
        return [
            create(tree, name, FILE_READ_DATA | FILE_READ_ATTRIBUTES, options=FILE_DIRECTORY_FILE),
            Step(tree, (SMB2_QUERY_DIRECTORY, query), until=STATUS_NO_MORE_FILES),
            close(tree),
        ]

    return steps


def _stat(tree: Tree, _lane: int) -> list[Step]:
    related = (SMB2_RELATED_FILE_ID, SMB2_RELATED_FILE_ID)
    return [Step(
        tree,
        (SMB2_CREATE, _create(rf"some\file-{SERIAL}", FILE_READ_ATTRIBUTES, options=0)),
        (SMB2_QUERY_INFO, QueryInfoRequest(*related, 1, FileAllInformation, output_buffer_length=4096)),
        (SMB2_CLOSE, CloseRequest(*related, 0)),
    )]  # fmt: skip


def _durable(flags: int):
    def steps(tree: Tree, lane: int) -> list[Step]:
        guid = struct.pack("<QQ", 2, lane)
        contexts = {
            SMB2_CREATE_REQUEST_LEASE: LeaseContextV2(struct.pack("<QQ", 3, lane), _LEASE).pack(),
            SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2: DurableHandleRequestV2(0, flags, guid).pack(),
        }
        name = f"persistent-{lane:03}"
        return [create(tree, name, oplock=SMB2_OPLOCK_LEVEL_LEASE, contexts=contexts), close(tree)]

    return steps


def _on_ca(lab: Lab) -> None:
    with lab.session() as session:
        tree = session.tree_connect("ca")
        for lane in range(_LANES):
            tree.create(f"persistent-{lane:03}", disposition=FILE_OPEN_IF).close()
        wanted = DurableHandleRequestV2(0, SMB2_DHANDLE_FLAG_PERSISTENT, bytes(16)).pack()
        with tree.create(
            "persistent-000", disposition=FILE_OPEN_IF, contexts={SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2: wanted}
        ) as opened:
            granted = opened.response.contexts.get(SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2)
    if granted is None or not DurableHandleResponseV2.unpack(granted).flags & SMB2_DHANDLE_FLAG_PERSISTENT:
        raise LoadError("no persistent handle is granted")


def _echo_rows(guard: Guard, suffix: str, limit: float) -> list[Row]:
    word = "" if guard is PLAIN else ", encrypted"
    deep = Operation(f"echo-32{suffix}", f"echo{word}, 32 at a time", OPEN, at_most(limit, CPU, WALL), _echo,
                     depth=32, wide=False, guard=guard)  # fmt: skip
    return [Operation(f"echo{suffix}", f"echo{word}", OPEN, at_most(limit), _echo, guard=guard), deep]


def metadata_rows() -> list[Row]:
    """All of them."""
    return [
        *_echo_rows(PLAIN, "", 1.0),
        *_echo_rows(GCM, "-sealed", 1.1),
        Operation("open", "open + close of a file, read-write", OPEN, at_most(0.6), _open_close, ready=lane_files),
        Operation("open-lease", "the same with lease, MxAc, QFid", OPEN, at_most(0.6), _open_lease, ready=lane_files),
        Operation("missing", "open of a missing name", OPEN, at_most(0.4), _open_missing(r"lanes\no such name.txt"),
                  ready=lane_files),
        Operation("missing-100k", "open of a missing name among 100,000", OPEN, at_most(0.1),
                  _open_missing(r"BIG\No Such Name.TXT"), ready=_big),
        Operation("case-100k", "open + close in the wrong case among 100,000", OPEN, at_most(1, CPU, WALL),
                  _open_wrong_case, ready=_big),
        Operation("create", "create + write 4 KiB + close", OPEN, at_most(0.5), _create_write,
                  reset=_new),
        Operation("unlink", "unlink (open for deletion + close)", OPEN, at_most(0.5), _unlink, reset=_doomed),
        Operation("query-info", "query info (FileAllInformation)", ATTRIBUTES, at_most(0.95), _query, opening=_opened,
                  ready=lane_files),
        Operation("set-info", "set info (last write time)", ATTRIBUTES, at_most(0.95), _set, opening=_opened,
                  ready=lane_files),
        Operation("list-1k", "list a directory of 1,000, per entry", ATTRIBUTES, at_most(0.6), _list("listed"),
                  ready=_listed, entries=lambda _lab: _LISTED, wide=False),
        Operation("list-100k", "list a directory of 100,000, per entry", ATTRIBUTES, at_most(0.6), _list("big"),
                  ready=_big, entries=lambda lab: lab.load.many, wide=False),
        Operation("stat", "stat of 10,000 files (open, query, close in one)", ATTRIBUTES, at_most(1.0), _stat,
                  ready=_some, wrap=lambda lab: lab.load.some),
    ]  # fmt: skip


def persistent_rows() -> list[Row]:
    """A persistent open beside a durable one of the same file, which Samba cannot."""
    only = frozenset({"pysmbd"})
    return [
        Operation(name, title, PERSISTENT, None, _durable(flags), ready=_on_ca, share="ca", only=only)
        for name, title, flags in (
            ("durable-open", "open + close, lease and durable handle, on a `ca` share", 0),
            ("persistent-open", "open + close, persistent handle", SMB2_DHANDLE_FLAG_PERSISTENT),
        )
    ]


"""Every operation of the file system fails once in every way, under a real client.

The client gets the status that belongs to the failure, and nothing stays behind: no descriptor, no share-mode entry, no
lock, no file that nobody asked for. Afterwards all goes on as if nothing had been.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from smbd.wire.constants import (
    FSCTL_GET_REPARSE_POINT,
    FSCTL_QUERY_ALLOCATED_RANGES,
    FSCTL_SET_SPARSE,
    FSCTL_SET_ZERO_DATA,
    FSCTL_SRV_COPYCHUNK,
    FSCTL_SRV_ENUMERATE_SNAPSHOTS,
    FSCTL_SRV_REQUEST_RESUME_KEY,
    SMB2_0_INFO_FILESYSTEM,
    SMB2_0_INFO_SECURITY,
    SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
)
from smbd.wire.fscc.ea import FullEaInformation, pack_full_ea
from smbd.wire.fscc.file_info import (
    FileAllocationInformation,
    FileBasicInformation,
    FileDispositionInformation,
    FileEndOfFileInformation,
)
from smbd.wire.fscc.name_info import FileLinkInformation, FileRenameInformation
from smbd.wire.fsctl import CopyChunk, CopyChunkRequest
from smbd.wire.fsctl_file import AllocatedRange, SetZeroData
from smbd.wire.lock import LockElement
from tests.process.smbd_support import logged_in, run
from tests.servers import ALICE, PysmbdServer
from tests.smbxcli.errors import StatusError
from vfs.access import DELETE, FILE_READ_ATTRIBUTES
from vfs.constants import (
    DACL_SECURITY_INFORMATION,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN_IF,
    FILE_OPEN_REPARSE_POINT,
    FILE_WRITE_THROUGH,
    OWNER_SECURITY_INFORMATION,
    FileAllInformation,
    FileFsSizeInformation,
    FileFullEaInformation,
)
from vfs.modules.base import OPERATIONS
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BAD_NETWORK_NAME,
    STATUS_DIRECTORY_NOT_EMPTY,
    from_errno,
    status_name,
)
from vfs.security_sddl import from_sddl

pytestmark = pytest.mark.slow

FAULTS = (
    *(("EIO", skip) for skip in (0, 1, 3, 8)),
    *((name, skip) for name in ("ENOSPC", "EDQUOT", "EACCES", "EINTR") for skip in (0, 2)),
)
"""What happens to each operation: the errno, and how often it works before."""
ELSEWHERE = frozenset({"close", "close_parent", "exists", "symlink", "fchown"})
"""Operations that cannot fail, that nothing calls through the modules, or that have a test of their own."""
SNAPSHOT = "@GMT-2012.05.10-09.00.00"


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory(prefix="smbd-") as scratch:
        Path(scratch).chmod(0o755)
        share = {
            "read only": "no",
            "vfs objects": "acl_xattr streams_xattr fault_inject shadow_copy2",
            "fault_inject:i_know": "yes",
            "fault_inject:file": "DIR/faults",
        }
        shares = {"tmp": share, "owned": {**share, "admin users": ALICE}, "closed": {"vfs objects": "nonsense"}}
        with PysmbdServer(Path(scratch) / "server", shares=shares, options={"log level": "1"}) as running:
            yield running
            running.check_alive()
            assert "InternalError" not in "".join(running.logs().values())


@pytest.fixture(scope="module")
def tree(server):
    with logged_in(server) as session:
        yield session.tree_connect("tmp")


class Faults:
    """The settings of the module, which it reads again whenever there are others."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set(self, text: str) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(text + "\n")
        fresh.replace(self._path)

    def clear(self) -> None:
        self.set("# none")


@pytest.fixture
def faults(server):
    made = Faults(server.directory / "faults")
    yield made
    made.clear()


class Client:
    """Does what clients do with files and notes the statuses of what fails."""

    def __init__(self, tree, root: Path) -> None:
        self._tree = tree
        self._root = root
        self.failures: list[int] = []

    def attempt(self, action: Callable, *arguments, **options):
        try:
            return action(*arguments, **options)
        except StatusError as error:
            self.failures.append(error.status)
            return None

    def open(self, name: str, **options):
        return self.attempt(self._tree.create, name, **options)

    def work(self) -> None:
        self._directory()
        file = self.open("directory\\file", disposition=FILE_OPEN_IF)
        if file is not None:
            self._contents(file)
            self._set(file, FileBasicInformation(last_write_time=1 << 56, file_attributes=FILE_ATTRIBUTE_HIDDEN))
            self._set(file, FileEndOfFileInformation(50))
            self._space(file)
            self._extras(file)
            self._set(file, FileLinkInformation("linked"))
            self._set(file, FileRenameInformation("renamed"))
            self.attempt(file.close, SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB)
        through = self.open("directory\\through", disposition=FILE_OPEN_IF, options=FILE_WRITE_THROUGH)
        if through is not None:
            self.attempt(through.write, b"x")
            self.attempt(through.close)
        self._snapshot()
        stream = self.open("directory\\other:stream", disposition=FILE_OPEN_IF)
        if stream is not None:
            self.attempt(stream.write, b"s" * 100_000)
            self.attempt(stream.read, 100)
            self.attempt(stream.close)
        self._listing()
        self._symbolic_link()
        for name in ("linked", "RENAMED", "directory\\file", "directory\\other", "directory\\through", "directory"):
            self._remove(name)

    def _directory(self) -> None:
        directory = self.open("directory", disposition=FILE_OPEN_IF, options=FILE_DIRECTORY_FILE)
        if directory is not None:
            self.attempt(directory.close)

    def _set(self, file, information) -> None:
        self.attempt(file.set_info, information.info_class, information.pack())

    def _contents(self, file) -> None:
        lock = LockElement(0, 10, SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY)
        self.attempt(lambda: file.send_lock(lock).recv().check())
        self.attempt(file.write, b"x" * 100_000)
        self.attempt(file.read, 100_000)
        self.attempt(file.flush)
        self.attempt(file.query_info, FileAllInformation)

    def _space(self, file) -> None:
        self._set(file, FileAllocationInformation(200_000))
        self.attempt(file.ioctl, FSCTL_SET_SPARSE)
        self.attempt(file.ioctl, FSCTL_SET_ZERO_DATA, SetZeroData(0, 10).pack())
        self.attempt(file.ioctl, FSCTL_QUERY_ALLOCATED_RANGES, AllocatedRange(0, 50).pack())
        self.attempt(file.query_info, FileFsSizeInformation, info_type=SMB2_0_INFO_FILESYSTEM)
        key = self.attempt(file.ioctl, FSCTL_SRV_REQUEST_RESUME_KEY)
        if key is not None:
            chunks = CopyChunkRequest(key[:24], [CopyChunk(0, 20, 10)])
            self.attempt(file.ioctl, FSCTL_SRV_COPYCHUNK, chunks.pack(), 12)

    def _extras(self, file) -> None:
        for value in (b"value", b""):
            self.attempt(file.set_info, FileFullEaInformation, pack_full_ea([FullEaInformation(b"NAME", value)]))
        self.attempt(file.ioctl, FSCTL_SRV_ENUMERATE_SNAPSHOTS, b"", 16)
        self.attempt(set_security, file, DACL_SECURITY_INFORMATION, "D:(A;;FA;;;WD)")

    def _snapshot(self) -> None:
        old = self._root / ".snapshots" / SNAPSHOT
        old.mkdir(parents=True, exist_ok=True)
        (old / "file").touch()
        file = self.open(f"{SNAPSHOT}\\file", access=FILE_READ_ATTRIBUTES)
        if file is not None:
            self.attempt(file.close)

    def _symbolic_link(self) -> None:
        with contextlib.suppress(FileExistsError):
            (self._root / "symlink").symlink_to("directory")
        file = self.open("symlink", access=DELETE | FILE_READ_ATTRIBUTES, options=FILE_OPEN_REPARSE_POINT)
        if file is not None:
            self.attempt(file.ioctl, FSCTL_GET_REPARSE_POINT)
            self._set(file, FileDispositionInformation(True))
            self.attempt(file.close)

    def _listing(self) -> None:
        directory = self.open("directory", options=FILE_DIRECTORY_FILE)
        if directory is not None:
            self.attempt(directory.names)
            self.attempt(directory.close)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(StatusError):  # what was not made is not there
            file = self._tree.create(name)
            self._set(file, FileDispositionInformation(True))
            self.attempt(file.close)


def set_security(file, information: int, sddl: str) -> None:
    descriptor = from_sddl(sddl).pack()
    file.send_set_info(0, descriptor, info_type=SMB2_0_INFO_SECURITY, additional=information).recv().check()


def descriptors(server) -> int:
    """How many are open; the log is opened when there is something to say."""
    found = [one.readlink() for pid in server.worker_pids() for one in Path(f"/proc/{pid}/fd").iterdir()]
    return sum("log" not in one.parts for one in found)


def left_open(server) -> list[str]:
    done = run("smbstatus", server, "-j", "-L", "-B")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    return [*shown["open_files"], *shown.get("byte_range_locks", ())]


def empty(root: Path) -> None:
    for path in root.iterdir():
        if path.name != ".pysmbd.streams":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def test_a_share_with_an_unknown_module_is_closed(server):
    with logged_in(server) as session, pytest.raises(StatusError) as caught:
        session.tree_connect("closed")
    assert caught.value.status == STATUS_BAD_NETWORK_NAME
    assert "share closed cannot be used: unknown module nonsense" in "".join(server.logs().values())
    assert "nobody can connect: unknown module nonsense" in run("testparm", server).stderr


def test_nothing_fails_without_faults(server, tree, faults):
    faults.clear()
    client = Client(tree, server.share_path("tmp"))
    client.work()
    assert client.failures == []


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in ELSEWHERE])
def test_a_failing_operation_leaves_nothing_behind(server, tree, faults, operation):
    root = server.share_path("tmp")
    client = Client(tree, server.share_path("tmp"))
    client.work()
    before = descriptors(server)
    for name, skip in FAULTS:
        what = f"{operation} {name} after {skip}"
        client.failures.clear()
        faults.set(f"{operation} = {name},skip {skip},count 1")
        client.work()
        faults.clear()
        # A deletion that is left undone shows in the directory, which is not empty then.
        allowed = {from_errno(getattr(errno, name)), STATUS_ACCESS_DENIED, STATUS_DIRECTORY_NOT_EMPTY}
        # What is refused is tried again as root where rights that were granted demand it, or in another mode.
        assert client.failures or skip or name != "EIO", f"{what}: nothing failed"
        first = client.failures[0] if client.failures else STATUS_ACCESS_DENIED  # the others are consequences
        assert first in allowed, f"{what}: {status_name(first)}"
        assert descriptors(server) == before, what
        assert [path for path in root.rglob("*") if path.name.startswith(".pysmbd-")] == [], what
        empty(root)
        client.failures.clear()
        client.work()
        assert client.failures == [], what
    assert left_open(server) == []


def test_an_owner_that_cannot_be_set(server, faults):
    with logged_in(server) as session:
        owned = session.tree_connect("owned")
        file = owned.create("owned", disposition=FILE_CREATE)
        for code in ("EIO", "ENOSPC", "EDQUOT", "EACCES", "EINTR"):
            faults.set(f"fchown = {code}")
            with pytest.raises(StatusError) as caught:
                set_security(file, OWNER_SECURITY_INFORMATION, "O:S-1-22-1-1")
            assert caught.value.status == from_errno(getattr(errno, code))
            faults.clear()
        set_security(file, OWNER_SECURITY_INFORMATION, "O:S-1-22-1-1")
        assert (server.share_path("owned") / "owned").stat().st_uid == 1


def test_a_deletion_that_fails_at_the_close_is_told(tree, faults):
    for operation, options in (("unlink", 0), ("rmdir", FILE_DIRECTORY_FILE)):
        file = tree.create("stays", disposition=FILE_CREATE, options=options | FILE_DELETE_ON_CLOSE)
        faults.set(f"{operation} = EIO,count 1")
        with pytest.raises(StatusError) as caught:
            file.close()
        assert caught.value.status == from_errno(errno.EIO)
        faults.clear()
        tree.delete("stays", options)


def test_short_transfers_are_gone_on_with(tree, faults):
    faults.set("pwrite = short 1000\npreadv = short 700")
    data = os.urandom(50_000)
    with tree.create("short", disposition=FILE_CREATE) as file:
        assert file.write(data) == len(data)
        assert file.read(50_000) == data[:700]
        faults.clear()
        assert file.read(50_000) == data
    tree.delete("short")


def test_a_create_that_fails_half_way_is_undone(server, tree, faults):
    root = server.share_path("tmp")
    for operation in ("fsetxattr", "stat"):
        faults.set(f"{operation} = EIO,match new")
        with pytest.raises(StatusError):
            tree.create("new", disposition=FILE_CREATE)
        faults.clear()
        assert not (root / "new").exists(), operation

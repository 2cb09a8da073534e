"""Modules of a share as a client of a real server meets them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from smbd.wire.constants import FSCTL_SRV_ENUMERATE_SNAPSHOTS
from smbd.wire.create_contexts import TimewarpToken
from smbd.wire.fsctl import SnapshotArray
from tests.process.smbd_support import logged_in
from tests.servers import PysmbdServer
from vfs.access import GENERIC_READ
from vfs.constants import FILE_DIRECTORY_FILE
from vfs.fsa import times

pytestmark = pytest.mark.slow

MOMENT = 1_336_640_400
LABEL = "@GMT-2012.05.10-09.00.00"


@pytest.fixture(scope="module")
def server():
    share = {
        "read only": "no",
        "vfs objects": "full_audit recycle shadow_copy2",
        "full_audit:prefix": "%u %S",
        "full_audit:success": "unlinkat renameat",
        "recycle:repository": "bin/%U",
    }
    with tempfile.TemporaryDirectory(prefix="smbd-") as scratch:
        Path(scratch).chmod(0o755)
        with PysmbdServer(Path(scratch) / "server", shares={"tmp": share}, options={"log level": "1"}) as running:
            snapshot = running.share_path("tmp") / ".snapshots" / LABEL
            snapshot.mkdir(parents=True)
            (snapshot / "file").write_bytes(b"then")
            yield running
            running.check_alive()


@pytest.fixture
def tree(server):
    with logged_in(server) as session:
        yield session.tree_connect("tmp")


def test_what_is_deleted_is_in_the_users_bin_and_in_the_log(server, tree):
    root = server.share_path("tmp")
    tree.put("doomed", b"data")
    tree.delete("doomed")
    assert (root / "bin" / server.user / "doomed").read_bytes() == b"data"
    assert f"{server.user} tmp|unlinkat|ok|{root}/doomed" in "".join(server.logs().values())


def test_previous_versions(tree):
    tree.put("file", b"now")
    with tree.create("", access=GENERIC_READ, options=FILE_DIRECTORY_FILE) as directory:
        count = SnapshotArray.unpack(directory.ioctl(FSCTL_SRV_ENUMERATE_SNAPSHOTS, max_output=16))
        assert (count.number_of_snapshots, count.snapshots, count.array_size) == (1, [], 2 * len(LABEL) + 4)
        assert SnapshotArray.unpack(directory.ioctl(FSCTL_SRV_ENUMERATE_SNAPSHOTS)).snapshots == [LABEL]
    context = TimewarpToken(times.to_filetime(MOMENT * 1_000_000_000))
    with tree.create("file", access=GENERIC_READ, contexts={context.tag: context.pack()}) as file:
        assert file.read(10) == b"then"
    assert tree.get("file") == b"now"

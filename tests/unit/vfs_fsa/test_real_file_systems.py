"""What only some file systems can, on real ones: images that are mounted where root, the kernel and mkfs allow it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from smbd.smb2 import quota as smb2_quota
from smbd.wire.fscc.quota import QueryQuotaInfo, QuotaInformation, pack_quotas, unpack_quotas
from tests.unit.vfs_fsa.support import Share
from tests.unit.vfs_fsa.test_quota import ADMINISTRATOR, QUOTA_FILE
from vfs.fsa import extents, fsctl, quota, read, write
from vfs.sid import unix_user_sid

MIB = 1 << 20
MKFS = {
    "btrfs": (("mkfs.btrfs", "-q"), 128 * MIB),
    "xfs": (("mkfs.xfs", "-q", "-m", "reflink=1"), 320 * MIB),
    "ext4": (("mkfs.ext4", "-q", "-O", "quota", "-E", "quotatype=usrquota"), 64 * MIB),
}
TOOLS = "/usr/sbin:/usr/bin:/sbin:/bin"


def run(*command: str | Path) -> None:
    done = subprocess.run(command, env={"PATH": TOOLS}, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]}: {done.stderr.strip() or done.returncode}")


@pytest.fixture
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    (mkfs, *options), size = MKFS[request.param]
    if os.geteuid():
        pytest.skip("only root mounts file systems")
    if shutil.which(mkfs, path=TOOLS) is None:
        pytest.skip(f"no {mkfs}")
    image, root = tmp_path / "image", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(size)
    root.mkdir()
    run(mkfs, *options, image)
    run("mount", "-t", request.param, "-o", "loop", image, root)
    try:
        yield root
    finally:
        subprocess.run(["/bin/umount", root], check=True)


@pytest.fixture
def share(mounted: Path) -> Iterator[Share]:
    made = Share(mounted)
    before = Path.cwd()
    yield made
    made.close_all()
    os.chdir(before)


def contents(fo, offset: int, length: int) -> bytes:
    buffer = memoryview(bytearray(length))
    assert read.read_into(fo, offset, buffer) == length
    return bytes(buffer)


def free(root: Path) -> int:
    os.sync()
    found = os.statvfs(root)
    return found.f_bfree * found.f_frsize


@pytest.mark.parametrize("mounted", ["btrfs", "xfs"], indirect=True)
def test_duplicated_extents_take_no_space(share: Share) -> None:
    source, target = share.create("source"), share.create("target")
    data = os.urandom(8 * MIB)
    write.write(source, 0, memoryview(data))
    before = free(share.root)
    write.write(target, 9 * MIB - 1, memoryview(b"e"))
    extents.duplicate(source, target, 0, MIB, 8 * MIB)
    assert before - free(share.root) < MIB
    assert contents(target, MIB, 8 * MIB - 1) == data[:-1]
    write.write(source, 0, memoryview(b"changed"))
    assert contents(target, MIB, 7) == data[:7]


@pytest.mark.parametrize("mounted", ["btrfs", "xfs"], indirect=True)
def test_the_last_block_of_a_file_may_be_asked_for_as_a_whole(share: Share) -> None:
    source, target = share.create("source"), share.create("target")
    write.write(source, 0, memoryview(b"s" * 4106))
    write.write(target, 0, memoryview(b"t" * 4106))
    extents.duplicate(source, target, 4096, 4096, 4096)
    assert contents(target, 4095, 11) == b"t" + b"s" * 10


@pytest.mark.parametrize("mounted", ["btrfs", "xfs"], indirect=True)
def test_holes_are_no_allocated_ranges(share: Share) -> None:
    fo = share.create("file")
    fsctl.set_sparse(fo, True)
    write.write(fo, 0, memoryview(b"x" * 2 * MIB))
    fsctl.set_zero_data(fo, MIB, MIB + MIB // 2)
    assert contents(fo, MIB, MIB // 2) == bytes(MIB // 2)
    ranges = fsctl.query_allocated_ranges(fo, 0, 2 * MIB)
    assert ranges == [(0, MIB), (MIB + MIB // 2, MIB // 2)]


@pytest.mark.parametrize("mounted", ["ext4"], indirect=True)
def test_quotas_of_users(share: Share) -> None:
    file = share.open(QUOTA_FILE, 0x1F01FF, token=ADMINISTRATOR)
    assert quota.are_kept(file)
    sid = unix_user_sid(1234)
    smb2_quota.set_limits(file, pack_quotas([QuotaInformation(sid, 0, 0, 2 * MIB, 4 * MIB)]))
    owned = share.create("owned")
    os.chown(share.root / "owned", 1234, 1234)
    write.write(owned, 0, memoryview(b"x" * MIB))
    os.sync()
    (found,) = unpack_quotas(smb2_quota.query(file, QueryQuotaInfo(sids=[sid]).pack(), 65536))
    assert (found.quota_threshold, found.quota_limit) == (2 * MIB, 4 * MIB)
    assert MIB <= found.quota_used < MIB + 64 * 1024
    everybody = unpack_quotas(smb2_quota.query(file, QueryQuotaInfo(restart_scan=True).pack(), 65536))
    assert found.quota_used in [one.quota_used for one in everybody]
    smb2_quota.set_limits(file, pack_quotas([QuotaInformation(sid, 0, 0, quota.NO_LIMIT, quota.NO_LIMIT)]))
    (found,) = unpack_quotas(smb2_quota.query(file, QueryQuotaInfo(sids=[sid]).pack(), 65536))
    assert found.quota_limit == quota.NO_LIMIT

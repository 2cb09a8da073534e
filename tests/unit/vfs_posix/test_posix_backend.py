"""The backend on a real file system: reach, links, names, attributes."""

from __future__ import annotations

import errno
import os
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from vfs.posix import name_cache
from vfs.posix.backend import LinkRefusedError, NoSuchName, PosixBackend
from vfs.posix.descriptors import DT_DIR, DT_LNK, DT_REG
from vfs.posix.syscalls import fstatx, statx_or_none


@pytest.fixture
def tree(tmp_path):
    share = tmp_path / "share"
    (share / "Dir" / "Sub").mkdir(parents=True)
    (share / "Dir" / "File.txt").write_bytes(b"inside")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"outside")
    for name, target in {
        "rel": "Dir", "abs": str(share / "Dir"), "absfile": str(share / "Dir" / "File.txt"),
        "back": "../share/Dir", "out": str(outside), "outrel": "../outside", "outfile": str(outside / "secret"),
        "dangling": "nothing", "loop": "loop", "root": str(share), "magic": "/proc/self/root",
    }.items():  # fmt: skip
        (share / name).symlink_to(target)
    return share


@pytest.fixture
def backend(tree):
    backend = PosixBackend(str(tree))
    yield backend
    backend.close()


def read(backend, path):
    fd = backend.open(path, os.O_RDONLY)
    try:
        assert not os.get_inheritable(fd)
        return os.read(fd, 100)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    "path",
    [b"Dir/File.txt", b"rel/File.txt", b"abs/File.txt", b"absfile", b"back/File.txt", b"root/abs/File.txt"],
)
def test_links_inside_work(backend, path):
    assert read(backend, path) == b"inside"
    assert backend.resolve(path) == path


@pytest.mark.parametrize(
    "path",
    [
        b"out/secret", b"outrel/secret", b"outfile", b"loop", b"magic/etc/passwd", b"../outside/secret",
        b"/etc/passwd", b"Dir/../../outside/secret",
    ],
)
def test_nothing_leads_out(backend, path):
    with pytest.raises(FileNotFoundError):
        backend.open(path, os.O_RDONLY)
    assert backend.open_existing(path, os.O_RDONLY) is None
    assert isinstance(backend.resolve(path), NoSuchName)


def test_no_link_is_followed_if_forbidden(tree):
    backend = PosixBackend(str(tree), follow_symlinks=False, wide_links=True)
    assert read(backend, b"Dir/File.txt") == b"inside"
    for path in (b"rel/File.txt", b"absfile", b"outfile"):
        with pytest.raises(LinkRefusedError):
            backend.open(path, os.O_RDONLY)
    backend.close()


def test_wide_links_lead_out_but_paths_do_not(tree):
    backend = PosixBackend(str(tree), wide_links=True)
    assert read(backend, b"out/secret") == b"outside"
    assert read(backend, b"outrel/secret") == b"outside"
    for path in (b"../outside/secret", b"/etc/passwd"):
        with pytest.raises(OSError):
            backend.open(path, os.O_RDONLY)
    backend.close()
    backend.close()


def test_missing_parts_are_told_apart(backend):
    missing = backend.resolve(b"DIR/new")
    assert missing == NoSuchName(missing_last=True, parent=b"Dir", populated=True)
    assert missing.new_path(b"DIR/new") == b"Dir/new"
    assert backend.resolve(b"new").new_path(b"new") == b"new"
    for path in (b"none/new", b"Dir/File.txt/x", b"out/x"):
        assert backend.resolve(path) == NoSuchName(missing_last=False)
    for path in (b"dangling", b"outfile"):
        assert backend.resolve(path).occupied


def test_only_a_missing_name_is_no_error(backend):
    fd = backend.open_existing(b"Dir/File.txt", os.O_RDONLY)
    assert os.read(fd, 100) == b"inside"
    os.close(fd)
    assert backend.open_existing(b"Dir/none", os.O_RDONLY) is None
    for path, flags, error in (
        (b"Dir/File.txt/x", os.O_RDONLY, NotADirectoryError),
        (b"Dir", os.O_RDWR, IsADirectoryError),
        (b"Dir/" + b"x" * 300, os.O_RDONLY, OSError),
    ):
        with pytest.raises(error) as failed:
            backend.open_existing(path, flags)
        with pytest.raises(error) as told:
            backend.open(path, flags)
        assert (failed.value.errno, failed.value.filename) == (told.value.errno, path)


def test_case_insensitive(backend):
    assert backend.resolve(b"dir/FILE.TXT") == b"Dir/File.txt"
    assert backend.resolve(b"DIR/sub") == b"Dir/Sub"
    assert backend.resolve(b"ABS/file.txt", tried=True) == b"abs/File.txt"
    assert backend.resolve(b"") == b""


_FREE = (b"Dir/none", b"DIR/none", b"none")
_SPELLINGS = [
    *_FREE,
    b"DIR/FILE.TXT", b"dir/file.txt", b"Dir/FILE.txt", b"Dir/File.txt", b"DIR", b"DIR/SUB", b"DIR/SUB/NONE", b"NONE/X",
    b"REL/FILE.TXT", b"rel/FILE.TXT", b"OUT/SECRET", b"out/SECRET", b"OUTFILE", b"DANGLING", b"DANGLING/X", b"LOOP/X",
    b"dir/file.txt/below", b"BOTH/FILE", b"both/FILE", b"Dir/NUL\0", b"",
]  # fmt: skip


def test_what_the_tables_tell_is_what_the_directories_say(backend, tree, monkeypatch):
    (tree / "Both").mkdir()
    (tree / "bOTH").mkdir()
    (tree / "bOTH" / "file").touch()
    monkeypatch.setattr(name_cache, "_TICK_NS", -1)
    monkeypatch.setattr(name_cache, "_COARSE_TICK_NS", -1)

    asked = b""

    def outcome(path):
        nonlocal asked
        asked = path
        try:
            return backend.resolve(path)
        except OSError as error:
            return error.errno

    known_directory = backend._known_directory
    monkeypatch.setattr(backend, "_known_directory", lambda _path: None)
    expected = {path: outcome(path) for path in _SPELLINGS}
    opened = backend._open_directory
    long_way = set()

    def open_directory(path):
        long_way.add(asked)
        return opened(path)

    monkeypatch.setattr(backend, "_known_directory", known_directory)
    monkeypatch.setattr(backend, "_open_directory", open_directory)
    assert {path: outcome(path) for path in _SPELLINGS} == expected
    assert not {b"DIR/FILE.TXT", b"Dir/FILE.txt", b"DIR/SUB", *_FREE} & long_way
    (tree / "Dir" / "File.txt").rename(tree / "Dir" / "fILE.txt")
    os.utime(tree / "Dir", ns=(1, 1))  # as if it had been long ago
    assert outcome(b"DIR/FILE.TXT") == b"Dir/fILE.txt"


def test_case_sensitive(tree):
    backend = PosixBackend(str(tree), case_sensitive=True)
    assert backend.resolve(b"Dir/FILE.txt").missing_last
    assert not backend.resolve(b"dir/File.txt").missing_last
    backend.close()


def test_nul_is_refused(backend):
    for call in (
        lambda: backend.open(b"Dir/File.txt\0x", os.O_RDONLY),
        lambda: backend.unlink(b"Dir/File.txt\0x"),
        lambda: backend.stat_at(backend.root_fd, b"Dir\0x"),
        lambda: backend.mkdir(b"x/..", 0o777),
        lambda: backend.unlink(b""),
    ):
        with pytest.raises(OSError) as error:
            call()
        assert error.value.errno in {errno.EINVAL, errno.ENOENT}


def test_create_with_mode(backend, tree):
    old = os.umask(0)
    try:
        os.close(backend.open(b"Dir/new", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640))
        backend.mkdir(b"abs/made", 0o750)
        backend.mkdir(b"Dir/group", 0o2750)
    finally:
        os.umask(old)
    assert (tree / "Dir/new").stat().st_mode & 0o7777 == 0o640
    assert (tree / "Dir/made").stat().st_mode & 0o7777 == 0o750
    assert (tree / "Dir/group").stat().st_mode & 0o7777 == 0o2750
    with pytest.raises(FileExistsError):
        backend.open(b"dangling", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)


def test_status_is_that_of_stat(backend, tree):
    info = (tree / "Dir/File.txt").stat()
    stat = backend.stat_path(b"Dir/File.txt")
    assert (stat.dev, stat.ino, stat.mode, stat.nlink) == (info.st_dev, info.st_ino, info.st_mode, info.st_nlink)
    assert (stat.size, stat.blocks, stat.uid, stat.gid) == (6, info.st_blocks, info.st_uid, info.st_gid)
    assert (stat.atime_ns, stat.mtime_ns, stat.ctime_ns) == (info.st_atime_ns, info.st_mtime_ns, info.st_ctime_ns)
    assert 0 < stat.btime_ns <= stat.ctime_ns
    assert stat.is_regular
    assert backend.stat_path(b"").is_directory
    assert backend.stat_at(backend.root_fd, b"rel").is_symlink
    with pytest.raises(FileNotFoundError):
        backend.stat_at(backend.root_fd, b"none")
    with pytest.raises(OSError):
        backend.stat(9999)


def test_names(backend, tree):
    backend.rename(b"Dir/File.txt", b"Dir/b", replace=False)
    os.close(backend.open(b"Dir/a", os.O_CREAT | os.O_RDWR, 0o600))
    with pytest.raises(FileExistsError):
        backend.rename(b"Dir/a", b"Dir/b", replace=False)
    backend.rename(b"Dir/b", b"top", replace=True)
    backend.link(b"top", b"Dir/second")
    fd = backend.open(b"top", os.O_PATH)
    with pytest.raises(FileExistsError):
        backend.link(fd, b"Dir/second")
    backend.link(fd, b"Dir/a", replace=True)
    backend.link(fd, b"Dir/second", replace=True)
    os.close(fd)
    assert (tree / "top").stat().st_nlink == 3
    assert {path.name for path in (tree / "Dir").iterdir()} == {"Sub", "a", "second"}
    backend.unlink(b"Dir/a")
    backend.rmdir(b"Dir/Sub")
    backend.symlink(b"second", b"Dir/link")
    assert backend.readlink(b"Dir/link") == b"second"
    backend.unlink(b"outfile")
    assert (tree.parent / "outside" / "secret").exists()
    with pytest.raises(LinkRefusedError):
        backend.rename(b"top", b"out/top", replace=True)


def test_listdir(backend, tree):
    os.close(os.open(os.fsencode(tree / "Dir") + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY))
    (tree / "Dir" / "l").symlink_to("x")
    fd = backend.open(b"Dir", os.O_RDONLY | os.O_DIRECTORY)
    expected = {b"Sub": DT_DIR, b"File.txt": DT_REG, b"\xff\xfe": DT_REG, b"l": DT_LNK}
    assert dict(backend.listdir(fd)) == expected
    assert dict(backend.listdir(fd)) == expected
    os.close(fd)


@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_PATH])
def test_attributes_by_descriptor(backend, flags):
    fd = backend.open(b"Dir/File.txt", flags)
    assert backend.fgetxattr(fd, "user.x") is None
    assert not backend.fremovexattr(fd, "user.x")
    backend.fsetxattr(fd, "user.x", b"1")
    assert backend.fgetxattr(fd, "user.x") == b"1"
    assert "user.x" in backend.flistxattr(fd)
    assert backend.fremovexattr(fd, "user.x")
    backend.fchmod(fd, 0o604)
    backend.fchown(fd, -1, os.getegid())
    backend.utimens(fd, None, 1_000_000_000_123_456_789)
    backend.utimens(fd, 7, None)
    stat = backend.stat(fd)
    assert (stat.mode & 0o777, stat.atime_ns, stat.mtime_ns) == (0o604, 7, 1_000_000_000_123_456_789)
    assert backend.fstatvfs(fd).f_bsize > 0
    os.close(fd)


def test_space(backend):
    fd = backend.open(b"sparse", os.O_CREAT | os.O_RDWR, 0o600)
    backend.ftruncate(fd, 1 << 20)
    assert backend.seek_data(fd, 0) is None
    os.pwrite(fd, b"x" * 65536, 1 << 18)
    assert backend.seek_data(fd, 0) == 1 << 18
    assert backend.seek_hole(fd, 1 << 18) == (1 << 18) + 65536
    assert backend.seek_hole(fd, 1 << 21) is None
    backend.punch_hole(fd, 1 << 18, 65536)
    assert backend.seek_data(fd, 0) is None
    backend.fallocate(fd, 0, 1 << 21)
    assert backend.stat(fd).size == 1 << 20
    backend.fallocate(fd, 0, 1 << 21, keep_size=False)
    assert backend.stat(fd).size == 1 << 21
    os.pwrite(fd, b"data", 10)
    other = backend.open(b"copy", os.O_CREAT | os.O_RDWR, 0o600)
    assert backend.copy_range(fd, 10, other, 3, 4) == 4
    assert os.pread(other, 10, 0) == b"\0\0\0data"
    assert backend.copy_range(other, 5, fd, 0, 100) == 2
    backend.fsync(fd)
    os.close(fd)
    os.close(other)


def _flip(path, inside, outside, deadline):
    """Turn `path` between a directory and a link that leads out, as fast as possible."""
    while time.monotonic() < deadline:
        path.rename(inside)
        path.symlink_to(outside)
        path.unlink()
        inside.rename(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [b"d/secret", b"viaabs/d/secret"])
def test_no_race_leads_out(tree, name):
    (tree / "d").mkdir()
    (tree / "d" / "secret").write_bytes(b"inside")
    (tree / "viaabs").symlink_to(tree)
    backend = PosixBackend(str(tree))
    deadline = time.monotonic() + 0.9
    child = get_context("fork").Process(
        target=_flip, args=(tree / "d", tree / "aside", tree.parent / "outside", deadline)
    )
    child.start()
    seen = {b"inside": 0, None: 0}
    while time.monotonic() < deadline:
        try:
            data = read(backend, name)
        except OSError:
            data = None
        seen[data] += 1  # a KeyError is the escape
        try:
            path = name.rpartition(b"/")[0] + b"/made"
            os.close(backend.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            backend.unlink(path)
        except OSError:
            pass
    child.join()
    assert child.exitcode == 0
    assert seen[b"inside"]
    assert [path.name for path in (tree.parent / "outside").iterdir()] == ["secret"]
    backend.close()


def test_a_status_that_has_not_changed_is_the_same_object(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1")
    with path.open("rb") as file:
        before = fstatx(file.fileno())
        assert fstatx(file.fileno(), before) is before
        path.write_bytes(b"12")
        after = fstatx(file.fileno(), before)
    assert (before.size, after.size) == (1, 2)
    parent = os.open(tmp_path, os.O_PATH)
    before = statx_or_none(parent, b"file")
    assert statx_or_none(parent, b"file", before) is before
    path.chmod(0o600 if path.stat().st_mode & 0o077 else 0o644)
    assert statx_or_none(parent, b"file", before).mode == path.stat().st_mode
    assert statx_or_none(parent, b"none", before) is None
    os.close(parent)


def test_a_directory_in_the_place_of_another_has_names_of_its_own(backend, tree, monkeypatch):
    monkeypatch.setattr(name_cache, "_TICK_NS", -1)
    monkeypatch.setattr(name_cache, "_COARSE_TICK_NS", -1)
    assert backend.resolve(b"Dir/FILE.TXT") == backend.resolve(b"DIR/FILE.TXT") == b"Dir/File.txt"
    (tree / "Dir").rename(tree / "Old")
    assert not backend.resolve(b"Dir/FILE.TXT").missing_last
    (tree / "Dir").mkdir()
    (tree / "Dir" / "Other").touch()
    assert backend.resolve(b"Dir/FILE.TXT").missing_last
    assert backend.resolve(b"Dir/OTHER") == b"Dir/Other"

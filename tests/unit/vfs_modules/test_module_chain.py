"""The interface of stackable modules: what is passed on, in which order, and what is refused."""

from __future__ import annotations

import contextlib
from importlib.metadata import EntryPoint

import pytest

from vfs.access import FILE_READ_DATA
from vfs.constants import FILE_CREATE
from vfs.fsa import read, rename, write
from vfs.fsa.directory import open_scan
from vfs.modules import loader
from vfs.modules.base import INTERFACE_VERSION, OPERATIONS, ModuleError, ModuleOptions, VfsModule, split_words
from vfs.ntstatus import (
    STATUS_DISK_FULL,
    STATUS_IO_DEVICE_ERROR,
    STATUS_MEDIA_WRITE_PROTECTED,
    NTStatusError,
)
from vfs.posix.backend import PosixBackend


class Counting(VfsModule):
    interface_version = INTERFACE_VERSION
    calls: list[str] = []  # noqa: RUF012 - emptied by each test

    def unlink(self, path, parent=None):
        self.calls.append(self.options.text("name"))
        self.next.unlink(path, parent)


class Old(VfsModule):
    interface_version = INTERFACE_VERSION + 1


def options(module="test", **texts):
    return ModuleOptions(module, "share", {f"{module}:{name}": text for name, text in texts.items()}.get)


@pytest.fixture
def backend(tmp_path):
    made = PosixBackend(str(tmp_path))
    yield made
    made.close()


@pytest.fixture
def entry_points(monkeypatch):
    known = {}

    def find(group, name):
        return [known[name]] if group == loader.ENTRY_POINT_GROUP and name in known else []

    def add(name, value):
        known[name] = EntryPoint(name, value, loader.ENTRY_POINT_GROUP)

    monkeypatch.setattr(loader, "entry_points", find)
    loader.find_module.cache_clear()
    yield add
    loader.find_module.cache_clear()


def test_without_modules_the_backend_is_the_plain_one(backend):
    assert loader.stack(backend, [], "share", {}.get) is backend
    assert loader.stack(backend, ["acl_xattr", "streams_xattr"], "share", {}.get) is backend


def test_what_is_not_overridden_is_the_next_ones_own(backend):
    chain = VfsModule(Counting(backend, options()), options())
    assert {name for name in OPERATIONS if getattr(chain, name) != getattr(backend, name)} == {"unlink"}
    assert chain.preadv is PosixBackend.preadv
    assert (chain.root, chain.root_fd, chain.direct) == (backend.root, backend.root_fd, True)


def test_a_module_that_reads_is_not_bypassed(backend):
    class Reads(VfsModule):
        def preadv(self, fd, buffers, offset, flags=0):
            return self.next.preadv(fd, buffers, offset, flags)

    assert not VfsModule(Reads(backend, options()), options()).direct


def test_the_first_of_the_list_is_the_outermost(backend, entry_points, tmp_path):
    for name in ("a", "b"):
        entry_points(name, f"{__name__}:Counting")
    Counting.calls.clear()
    chain = loader.stack(backend, ["a", "acl_xattr", "b"], "share", {"a:name": "outer", "b:name": "inner"}.get)
    (tmp_path / "file").touch()
    chain.unlink(b"file")
    assert Counting.calls == ["outer", "inner"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "unknown module x"),
        ("nowhere.at.all:Module", "module x fails to load"),
        (f"{__name__}:options", "no VfsModule"),
        (f"{__name__}:Old", "version 2 of the interface"),
    ],
)
def test_unusable_modules(backend, entry_points, value, message):
    if value:
        entry_points("x", value)
    with pytest.raises(ModuleError, match=message):
        loader.stack(backend, ["x"], "share", {}.get)


def test_options():
    found = options(flag="Yes", size="2K", mode="0700", words='a "b c", d', bad="x")
    assert found.boolean("flag", False)
    assert found.boolean("none", True)
    assert (found.number("size"), found.number("mode"), found.number("none", 3)) == (2048, 0o700, 3)
    assert found.words("words") == ["a", "b c", "d"] == split_words('a,"b c" d')
    for read_option in (found.number, lambda name: found.boolean(name, False)):
        with pytest.raises(ModuleError):
            read_option("bad")


def test_faults_need_consent(backend):
    with pytest.raises(ModuleError, match="i_know"):
        loader.stack(backend, ["fault_inject"], "share", {}.get)
    with pytest.raises(ModuleError, match="neither"):
        loader.stack(backend, ["fault_inject"], "s", {"fault_inject:i_know": "yes", "fault_inject:open": "EWHAT"}.get)


def test_a_fault_happens_when_and_where_it_is_asked_for(stacked):
    share = stacked("fault_inject", fault_inject__i_know="yes", fault_inject__pwrite="EIO,skip 1,count 1,match two")
    other, file = (share.open(name, disposition=FILE_CREATE) for name in ("one", "two"))
    for fo in (other, other, file):
        write.write(fo, 0, memoryview(b"data"))
    with pytest.raises(NTStatusError) as caught:
        write.write(file, 0, memoryview(b"data"))
    assert caught.value.status == STATUS_IO_DEVICE_ERROR
    assert write.write(file, 0, memoryview(b"data")) == 4


def test_short_transfers(stacked):
    share = stacked(
        "fault_inject", fault_inject__i_know="yes", fault_inject__pwrite="short 3", fault_inject__preadv="short 2"
    )
    file = share.open("file", disposition=FILE_CREATE)
    assert write.write(file, 0, memoryview(b"0123456789")) == 10
    assert (share.root / "file").read_bytes() == b"0123456789"
    buffer = bytearray(10)
    assert read.read_into(file, 0, memoryview(buffer)) == 2


def test_a_disk_that_fills_up_in_the_middle(stacked):
    share = stacked("fault_inject", fault_inject__i_know="yes", fault_inject__pwrite="short 0")
    file = share.open("file", disposition=FILE_CREATE)
    with pytest.raises(NTStatusError) as caught:
        write.write(file, 0, memoryview(b"data"))
    assert caught.value.status == STATUS_DISK_FULL


def test_settings_of_a_file_are_looked_at_again(stacked, tmp_path):
    settings = tmp_path / "faults"
    share = stacked("fault_inject", fault_inject__i_know="yes", fault_inject__file=str(settings))
    directory = share.open("")
    settings.write_text("names_in = EIO\n")
    with pytest.raises(NTStatusError):
        open_scan(directory, "*")
    settings.unlink()
    assert [entry.name for entry in open_scan(directory, "*")] == [".", ".."]


def test_a_rename_that_fails_half_way_is_undone(stacked):
    share = stacked("fault_inject", fault_inject__i_know="yes", fault_inject__rename="EIO,skip 1,count 1")
    (share.root / "TARGET").touch()
    file = share.open("file", disposition=FILE_CREATE)
    with pytest.raises(NTStatusError):
        rename.rename(file, "target", True)
    assert (share.root / "file").exists()
    rename.rename(file, "target", True)
    assert [path.name for path in share.root.iterdir()] == ["target"]


def test_readonly(stacked):
    share = stacked()
    (share.root / "file").write_bytes(b"data")
    frozen = stacked("readonly")
    reader = frozen.open("file", FILE_READ_DATA)
    assert read.read_into(reader, 0, memoryview(bytearray(4))) == 4
    with pytest.raises(NTStatusError) as caught:
        frozen.open("new", disposition=FILE_CREATE)
    assert caught.value.status == STATUS_MEDIA_WRITE_PROTECTED


@pytest.mark.parametrize(
    ("period", "frozen"),
    [
        ("00:00, 23:59:59.999999", True),
        ("2001-01-01T00:00, 2001-01-02T00:00", False),
        ("2001-01-01T00:00, 2999-01-01T00:00", True),
    ],
)
def test_a_period(stacked, period, frozen):
    share = stacked("readonly", readonly__period=period)
    with pytest.raises(OSError, match="Read-only") if frozen else contextlib.nullcontext():
        share.volume.backend.mkdir(b"directory", 0o755)
    assert (share.root / "directory").exists() is not frozen


def test_a_period_has_two_times(backend):
    with pytest.raises(ModuleError, match="two times"):
        loader.stack(backend, ["readonly"], "share", {"readonly:period": "soon"}.get)

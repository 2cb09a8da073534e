"""The client of the Linux kernel (cifs): where root may mount and it exists."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TOOLS = "/usr/sbin:/usr/bin:/sbin:/bin"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env={"PATH": TOOLS}, capture_output=True, text=True, check=False)


def has_cifs() -> bool:
    if shutil.which("modprobe", path=TOOLS):
        run("modprobe", "cifs")
    return any(line.split()[-1] == "cifs" for line in Path("/proc/filesystems").read_text().splitlines())


def names_in(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


@pytest.fixture
def mount(interop_server, tmp_path) -> Iterator:
    if os.geteuid():
        pytest.skip("only root mounts file systems")
    if not has_cifs():
        pytest.skip("this kernel has no cifs client")
    with contextlib.ExitStack() as undo:

        def made(*options: str) -> Path:
            where = tmp_path / f"mount{len(list(tmp_path.iterdir()))}"
            where.mkdir()
            all_options = (
                "ip=127.0.0.1",
                f"port={interop_server.port}",
                f"username={interop_server.user}",
                f"password={interop_server.password}",
                "vers=3.1.1",
                "nosharesock",
                *options,
            )
            done = run("mount", "-i", "-t", "cifs", "//127.0.0.1/tmp", where, "-o", ",".join(all_options))
            assert not done.returncode, done.stderr
            undo.callback(run, "umount", where)
            return where

        yield made


def test_contents(mount, empty_share) -> None:
    where = mount()
    data = os.urandom(3_000_000)
    (where / "dir").mkdir()
    (where / "dir" / "file").write_bytes(data)
    assert (empty_share / "dir" / "file").read_bytes() == data
    assert (where / "DIR" / "FILE").read_bytes() == data
    (where / "dir" / "file").rename(where / "dir" / "other")
    assert names_in(where / "dir") == ["other"]
    (where / "dir" / "other").unlink()
    (where / "dir").rmdir()
    assert list(empty_share.iterdir()) == []

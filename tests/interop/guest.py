"""A Linux of another version than this machine's, emulated: a kernel, busybox, and no disk.

For the kernel's SMB client of that version. The kernel's package need not be installed: `PYSMBD_TEST_KERNEL` names the
directory that it was unpacked to (`dpkg-deb -x linux-image-*.deb DIRECTORY`).
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Final

#: The machine that runs the emulator, and so the server, as the guest sees it.
HOST: Final = "10.0.2.2"
_ADDRESS: Final = "10.0.2.15"

_QEMU: Final = "qemu-system-x86_64"
_BUSYBOX: Final = Path("/usr/bin/busybox")
#: What is loaded, with all that it needs, if the kernel has it as a module.
_MODULES: Final = (
    "virtio_pci", "virtio_net", "cifs", "nls_utf8",
    "ccm", "gcm", "ctr", "ecb", "cmac", "hmac", "md5", "sha256_generic", "sha512_generic", "aes_generic",
    "ghash_generic",
)  # fmt: skip
_DIRECTORIES: Final = ("bin", "dev", "mnt", "modules", "proc", "sys", "tmp")
#: Without cmpxchg16b, which QEMU 7.2 does not emulate as newer kernels use it.
_PROCESSOR: Final = "max,-cx16"
_BEGIN: Final = "-- script begins"
_END: Final = "-- script ends"
_INIT: Final = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /modules/$module.ko; done
ifconfig lo up
ifconfig eth0 {address} netmask 255.255.255.0 up
echo "{begin}"
sh /script 2>&1
echo "{end}"
poweroff -f
"""


class Guest:
    """The kernel found, ready to run scripts.

    Attributes:
        version: major and minor number.
    """

    def __init__(self, image: Path, modules: Path) -> None:
        """Take the kernel `image` with the modules below `modules`."""
        self._image = image
        self._modules = {path.name.partition(".ko")[0].replace("-", "_"): path for path in modules.rglob("*.ko*")}
        major, minor = re.match(r"(\d+)\.(\d+)", modules.name).groups()  # type: ignore[union-attr]
        self.version = int(major), int(minor)

    def run(self, script: str, timeout: float) -> str:
        """Start the kernel, run the shell script and return what it printed.

        Raises:
            AssertionError: the kernel did not come as far as the end of the script.
            subprocess.TimeoutExpired: it took longer than `timeout` seconds.
        """
        with tempfile.TemporaryDirectory(prefix="guest-") as scratch:
            initramfs = Path(scratch) / "initramfs"
            initramfs.write_bytes(self._initramfs(script))
            command = (
                _QEMU, "-accel", "tcg", "-cpu", _PROCESSOR, "-m", "512", "-no-reboot", "-nodefaults",
                "-display", "none", "-serial", "stdio", "-kernel", self._image, "-initrd", initramfs,
                "-append", "console=ttyS0 quiet loglevel=0 panic=-1",
                "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net",
            )  # fmt: skip
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
            )
        printed = done.stdout.replace("\r", "")
        before, begun, rest = printed.partition(_BEGIN + "\n")
        output, ended, _ = rest.partition(_END + "\n")
        assert begun, f"the kernel did not start: {before[-2000:]} {done.stderr}"
        assert ended, f"the script did not end: {output[-2000:]} {done.stderr}"
        return output

    def _initramfs(self, script: str) -> bytes:
        loaded: dict[str, bytes] = {}
        for module in _MODULES:
            self._load(module, loaded)
        init = _INIT.format(modules=" ".join(loaded), address=_ADDRESS, begin=_BEGIN, end=_END)
        files = {
            "init": init.encode(),
            "script": script.encode(),
            "bin/busybox": _BUSYBOX.read_bytes(),
            **{f"modules/{name}.ko": data for name, data in loaded.items()},
        }
        return _archive(files)

    def _load(self, module: str, loaded: dict[str, bytes]) -> None:
        """Add the module behind those that it needs."""
        path = self._modules.get(module)
        if path is None or module in loaded:
            return
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        for needed in re.findall(rb"\0depends=([^\0]+)", data):
            for name in needed.decode().split(","):
                self._load(name.replace("-", "_"), loaded)
        loaded[module] = data


def find() -> Guest | str:
    """Return the newest kernel there is, or why there is none."""
    if shutil.which(_QEMU) is None or not _BUSYBOX.exists():
        return f"no {_QEMU} or no {_BUSYBOX}"
    root = Path(os.environ.get("PYSMBD_TEST_KERNEL", "/"))
    found = []
    for image in (root / "boot").glob("vmlinuz-*"):
        modules = root / "lib" / "modules" / image.name.removeprefix("vmlinuz-")
        if any(modules.rglob("cifs.ko*")) and os.access(image, os.R_OK):
            found.append(Guest(image, modules))
    return max(found, key=lambda one: one.version, default=f"no kernel with cifs in {root / 'boot'}")


def _archive(files: dict[str, bytes]) -> bytes:
    """Return an initramfs: a cpio archive in the format ``newc``."""
    entries = [
        *((name, stat.S_IFDIR | 0o755, b"") for name in _DIRECTORIES),
        *((name, stat.S_IFREG | 0o755, data) for name, data in files.items()),
        ("TRAILER!!!", 0, b""),
    ]
    out = bytearray()
    for inode, (name, mode, data) in enumerate(entries):
        path = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, two pairs of device numbers, length of the name, checksum
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        for part in (b"070701" + b"".join(b"%08X" % field for field in fields) + path, data):
            out += part
            out += bytes(-len(out) % 4)
    return bytes(out)

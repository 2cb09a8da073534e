"""A network of its own for a test server and its smbtorture, where connections can be blocked.

Tests of multi-channel block connections by iptables. In a network namespace that harms nobody, a rule that a killed
test left behind goes with it, and the server has the ports to itself.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess

_CLONE_NEWNET = 0x40000000

#: The port that some tests connect to whatever they are told; here it is free.
PORT = 445
#: What smbtorture is told so that it can block connections.
OPTIONS = ("torture:use_iptables=yes", "torture:iptables_command=iptables")


def unavailable() -> str | None:
    """Say why there can be no network of its own, or None."""
    if os.geteuid() != 0:
        return "only root can make a network namespace"
    for command in ("ip", "iptables"):
        if shutil.which(command) is None:
            return f"{command} is not installed"
    tried = subprocess.run(["unshare", "--net", "iptables", "--list"], capture_output=True, text=True, check=False)
    return f"iptables: {tried.stderr.strip()}" if tried.returncode else None


def isolate() -> None:
    """Move the calling thread, and what it starts from now on, into a new network with nothing but loopback.

    Raises:
        OSError: the kernel refuses.
        subprocess.CalledProcessError: loopback cannot be brought up.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

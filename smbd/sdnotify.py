"""Telling systemd how the server is (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names.

Without that variable nothing is sent. The variable is taken out of the environment, so that no child speaks for us.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Final

_log = logging.getLogger(__name__)

_VARIABLE: Final = "NOTIFY_SOCKET"


class Notifier:
    """The connection to the service manager, if there is one."""

    def __init__(self) -> None:
        self._address = os.environ.pop(_VARIABLE, "")

    @property
    def enabled(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._address)

    def environment(self) -> dict[str, str]:
        """Return what lets a process that takes over speak for the service."""
        return {_VARIABLE: self._address} if self._address else {}

    def ready(self, status: str) -> None:
        """Say that connections are accepted (after the start and after a reload)."""
        self._send(f"READY=1\nMAINPID={os.getpid()}\nSTATUS={status}")

    def main_process(self) -> None:
        """Say that this process is the main one of the service from now on."""
        self._send(f"MAINPID={os.getpid()}")

    def reloading(self) -> None:
        """Say that the configuration is being read again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the server goes down."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def status(self, text: str) -> None:
        """Show a line in ``systemctl status``."""
        self._send(f"STATUS={text}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the null byte of the abstract name space.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(message.encode(), address)
        except OSError as error:
            _log.warning("cannot notify the service manager at %s: %s", self._address, error)

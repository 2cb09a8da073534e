"""``announce.py COMMAND... 3<TEXT``: become the command, and print the text when that says that it is ready.

The command says so as to systemd, by a datagram (sd_notify(3)). If it ends before, nothing is printed: it has told why.
The text may hold a password, so it is no argument.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys

_TEXT = 3


def main() -> None:
    """Wait in a child process, so that this one becomes the command."""
    command = sys.argv[1:]
    with open(_TEXT) as file:
        text = file.read()
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind("")  # the kernel chooses a name, which begins with a null byte
    daemon = os.pidfd_open(os.getpid())
    if os.fork():
        os.environ["NOTIFY_SOCKET"] = "@" + receiver.getsockname()[1:].decode()
        os.execvp(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while receiver in select.select([receiver, daemon], [], [])[0]:
        if b"READY=1" in receiver.recv(4096).split(b"\n"):
            sys.stdout.write(text)
            return


main()

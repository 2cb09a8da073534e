"""The start of the server that goes on in place of this one (SIGUSR2): the same command, with ``--take-over``.

It is a child of this process, so it belongs to the same service of a service manager, whom it tells that it is the main
process before it stops this one.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Final

_log = logging.getLogger(__name__)

TAKE_OVER: Final = "--take-over"


class Successor:
    """At most one at a time."""

    def __init__(self) -> None:
        self._pid = 0

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it, unless one is on its way; it reports on standard error if it cannot take over.

        Args:
            environment: what it gets beside that of this process.
        """
        if self.is_coming:
            return
        command = [word for word in sys.orig_argv if word != TAKE_OVER]
        try:
            # The installed release decides, not what this process has loaded.
            self._pid = os.posix_spawnp(command[0], [*command, TAKE_OVER], {**os.environ, **environment}, setsid=True)
        except OSError as error:
            _log.error("%s: %s: nobody takes over", command[0], error.strerror)

    @property
    def is_coming(self) -> bool:
        """Whether it was started and has not given up."""
        if self._pid:
            try:
                ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            except ChildProcessError:
                ended = True  # and has been reaped
            if ended:
                self._pid = 0
        return self._pid != 0

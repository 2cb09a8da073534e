"""scavenger: removes the handles of clients that did not come back in time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from messaging.msg_types import MSG_SMB_SCAVENGER
from messaging.server_id import ServerId
from smbd.daemons.helper import Helper
from smbd.xsrv import scavenging

if TYPE_CHECKING:
    from smbd.eventloop import Timer

NAME: Final = scavenging.NAME

_log = logging.getLogger(__name__)

#: Seconds between looks that nobody has asked for.
SWEEP_INTERVAL: Final = 300.0


class ScavengerState:
    """The scavenger's task: one timer, for the handle that is due next.

    Args:
        helper: the process.
    """

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._timer: Timer | None = None
        self._due = float("inf")
        helper.bus.register(MSG_SMB_SCAVENGER, self._disconnected)
        helper.answer_common_messages()
        self._sweep()

    def _disconnected(self, source: ServerId, payload: bytes) -> None:
        if len(payload) != scavenging.TIMEOUT.size:
            _log.error("message of %d bytes from %s", len(payload), source)
            return
        (milliseconds,) = scavenging.TIMEOUT.unpack(payload)
        self._look_in(milliseconds / 1000)

    def _look_in(self, seconds: float) -> None:
        due = self._helper.loop.now() + seconds
        if due >= self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._helper.loop.call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._due = float("inf")
        self._timer = None
        following: float | None = None
        try:
            removed, following = scavenging.sweep(self._helper.databases)
        except Exception:  # noqa: BLE001 - the next sweep tries again; no restart loop for a database in trouble
            _log.exception("removing expired handles failed")
        else:
            if removed:
                _log.info("removed %d handles whose clients did not come back", removed)
        self._look_in(SWEEP_INTERVAL if following is None else min(max(following, 0.0), SWEEP_INTERVAL))


def main(helper: Helper) -> None:
    """Run the daemon."""
    ScavengerState(helper)
    helper.run()

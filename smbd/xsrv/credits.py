"""The window of message ids of a connection ([MS-SMB2] 3.3.1.1, 3.3.1.2, 3.3.4.1.2).

A credit is the right to use one message id. The ids that were granted but not used form the window; a
request takes as many consecutive ids as its CreditCharge. An id outside the window, or used twice, means
that the peer cannot count, and costs it the connection.
"""

from __future__ import annotations

from smbd.wire.constants import SMB2_NEGOTIATE, SMB2_SESSION_SETUP
from vfs.ntstatus import STATUS_SUCCESS


class CreditWindow:
    """The message ids that one connection may use.

    Attributes:
        maximum: how many ids the window may span (`smb2 max credits`).
        low: the lowest id not used yet.
        high: the first id not granted yet.
    """

    __slots__ = ("_used", "high", "low", "maximum")

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.low = 0
        self.high = 1
        self._used = 0  # bit n: id low + n was used; bit 0 is never set

    def start_at(self, message_id: int) -> None:
        """Begin with `message_id`, the one id that is granted: what came before was used on another process."""
        self.low, self.high = message_id, message_id + 1

    def take(self, message_id: int, charge: int) -> bool:
        """Use `charge` ids from `message_id` on; False if any of them is not in the window."""
        if message_id == self.low and not self._used:
            if message_id + charge > self.high:
                return False
            self.low = message_id + charge
            return True
        if message_id < self.low or message_id + charge > self.high:
            return False
        bits = ((1 << charge) - 1) << (message_id - self.low)
        if self._used & bits:
            return False
        used = self._used | bits
        if used & 1:
            # The ids up to the lowest zero bit are all used: the window begins behind them.
            run = (used ^ (used + 1)).bit_length() - 1
            self.low += run
            used >>= run
        self._used = used
        return True

    def grant(self, command: int, status: int, requested: int, charge: int) -> int:
        """Decide how many credits a response grants, and widen the window by them.

        What was charged comes back, and what was asked for is given as far as the maximum allows. Before a
        client has proved who it is, it only gets back what it used.
        """
        granted = charge + requested - 1 if requested else 0
        if command <= SMB2_SESSION_SETUP and granted and (command == SMB2_NEGOTIATE or status != STATUS_SUCCESS):
            granted = charge
        high = self.high
        room = self.maximum - high + self.low
        if granted > room:  # noqa: PLR1730 - in each response; min() is slower
            granted = room
        if granted <= 0:
            # A client without a single credit could never ask again.
            granted = 1 if high == self.low + self._used.bit_count() else 0
        self.high = high + granted
        return granted

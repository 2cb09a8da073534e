"""Message ids and credits of a connection from the client's side ([MS-SMB2] 3.2.4.1.2, 3.2.4.1.5)."""

from __future__ import annotations

from typing import Final

_BYTES_PER_CREDIT: Final = 65536


class Window:
    """The ids that may be used next, and how many.

    Everything is open to be overridden: a test that wants to violate the window writes to the attributes, or
    names its own message id when it sends.

    Attributes:
        next_id: the message id of the next request.
        credits: how many ids from ``next_id`` on the server has granted and nobody used.
        wanted: how many credits we try to keep in hand.
    """

    def __init__(self) -> None:
        self.next_id = 0
        self.credits = 1
        self.wanted = 64

    def take(self, charge: int) -> int:
        """Use up ``charge`` ids (at least one) and return the first.

        The account may go below zero: what the server makes of that is its business.
        """
        first = self.next_id
        used = max(charge, 1)
        self.next_id += used
        self.credits -= used
        return first

    def request(self, charge: int) -> int:
        """The CreditRequest of a request that uses ``charge``: replaces it, and adds while we are short."""
        return max(charge, 1) + (self.wanted if self.credits < self.wanted else 0)

    def grant(self, granted: int) -> None:
        """Add what a response granted."""
        self.credits += granted


def charge_for(payload: int) -> int:
    """The CreditCharge of a request that sends or expects ``payload`` bytes."""
    return max(1, (payload + _BYTES_PER_CREDIT - 1) // _BYTES_PER_CREDIT)

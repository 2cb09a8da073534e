"""What can go wrong with a message."""

from __future__ import annotations

from messaging.server_id import ServerId


class MessagingError(Exception):
    """The messaging layer cannot do what it was asked."""


class PeerGone(MessagingError):  # noqa: N818 - a fact about the peer, and the established name
    """The process that a message was meant for is dead."""

    def __init__(self, server_id: ServerId) -> None:
        super().__init__(f"process {server_id} is gone")
        self.server_id = server_id


class PeerBusy(MessagingError):  # noqa: N818 - a fact about the peer
    """The process lives but has not read its messages for so long that no more are queued for it."""

    def __init__(self, server_id: ServerId) -> None:
        super().__init__(f"process {server_id} does not read its messages")
        self.server_id = server_id

"""The creates of a client that it may replay, by CreateGuid ([MS-SMB2] 3.3.1.10, Open.CreateGuid, IsReplayEligible).

A client whose channel breaks does not know what became of the creates that were on their way. It sends them again on
another channel; the same GUID must then not open the file twice. All channels of a client end in one process
(`smbd.xsrv.handover`), so its creates are remembered there. An open is forgotten with its first use: who knows its
FileId has the response. Handles that outlive the process, or wait for its client, are in `smbd.xsrv.replay_index`;
without multi-channel, when a client may have several processes, so are its other durable handles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vfs.ntstatus import STATUS_FILE_NOT_AVAILABLE, NTStatusError

if TYPE_CHECKING:
    from smbd.xsrv.open import Open
    from smbd.xsrv.replay_index import ReplayIndex

UNUSED: Final = -1
"""`Open.channel_sequence` of an open that its client has not used yet."""


class ReplayCache:
    """What became of the creates of one client that it may send again; `None` stands for those in progress."""

    __slots__ = ("_client_guid", "_creates", "_index")

    def __init__(self) -> None:
        self._creates: dict[bytes, Open | None] = {}
        self._index: ReplayIndex | None = None
        self._client_guid = b""

    def publish(self, index: ReplayIndex, client_guid: bytes) -> None:
        """Let the other processes of the client know of its durable handles: each of its connections has its own."""
        self._index = index
        self._client_guid = client_guid

    def __len__(self) -> int:
        return len(self._creates)

    def find(self, create_guid: bytes) -> Open | None:
        """Return the open that the create `create_guid` has made; None if there is no such create.

        Raises:
            NTStatusError: STATUS_FILE_NOT_AVAILABLE: it is in progress, the client is to ask again.
        """
        if create_guid not in self._creates:
            return None
        opened = self._creates[create_guid]
        if opened is None:
            raise NTStatusError(STATUS_FILE_NOT_AVAILABLE, "the create is still in progress")
        return opened

    def begin(self, create_guid: bytes) -> None:
        """Note that the create `create_guid` is in progress."""
        self._creates[create_guid] = None

    def abandon(self, create_guid: bytes) -> None:
        """Note that the create `create_guid` has failed: sent again it is a new one."""
        self._creates.pop(create_guid, None)

    def finish(self, opened: Open, create_guid: bytes) -> None:
        """Note that the create `create_guid` made `opened`, which nobody has used yet."""
        opened.create_guid = create_guid
        opened.channel_sequence = UNUSED
        self._creates[create_guid] = opened
        if self._index is not None and opened.durable:
            self._index.enter(self._client_guid, create_guid, opened.persistent_id)

    def remember(self, opened: Open, create_guid: bytes) -> None:
        """Note that the create `create_guid` made `opened`, used or not: a persistent handle taken up again."""
        opened.create_guid = create_guid
        self._creates[create_guid] = opened

    def forget(self, opened: Open) -> None:
        """Note that `opened` was used, or is gone: its create cannot be replayed any more."""
        if self._creates.get(opened.create_guid) is opened:
            del self._creates[opened.create_guid]
            if self._index is not None and not opened.persistent:
                self._index.leave(self._client_guid, opened.create_guid, opened.persistent_id)

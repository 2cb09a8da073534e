"""Context handles ([C706] 2.3.5): what a client holds of a server's object, valid on one pipe only."""

from __future__ import annotations

import secrets
from typing import Final, Generic, TypeVar

from smbd.rpc.errors import NCA_S_FAULT_CONTEXT_MISMATCH, NCA_S_FAULT_REMOTE_NO_MEMORY, RpcFault
from smbd.rpc.ndr import CONTEXT_HANDLE_SIZE

T = TypeVar("T")

#: Far more than a client needs on one pipe; the bound keeps a hostile one from eating memory.
MAX_HANDLES: Final = 1024
_ATTRIBUTES_SIZE: Final = 4
NULL_HANDLE: Final = bytes(CONTEXT_HANDLE_SIZE)


class HandleTable(Generic[T]):
    """The open handles of one pipe."""

    def __init__(self) -> None:
        self._objects: dict[bytes, T] = {}

    def open(self, item: T) -> bytes:
        """Return a new handle for `item`.

        Raises:
            RpcFault: there are too many.
        """
        if len(self._objects) >= MAX_HANDLES:
            raise RpcFault(NCA_S_FAULT_REMOTE_NO_MEMORY, "too many context handles")
        handle = bytes(_ATTRIBUTES_SIZE) + secrets.token_bytes(CONTEXT_HANDLE_SIZE - _ATTRIBUTES_SIZE)
        self._objects[handle] = item
        return handle

    def get(self, handle: bytes) -> T:
        """Return what a handle stands for.

        Raises:
            RpcFault: nothing, on this pipe.
        """
        found = self._objects.get(handle)
        if found is None:
            raise RpcFault(NCA_S_FAULT_CONTEXT_MISMATCH, "unknown context handle")
        return found

    def close(self, handle: bytes) -> None:
        """Forget a handle.

        Raises:
            RpcFault: there is no such handle.
        """
        self.get(handle)
        del self._objects[handle]

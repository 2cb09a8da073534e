"""What clients do. Steps name opens and waiting requests by the id of the step that made them.

So a step stays what it is when others are left out; one whose open does not exist is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Step:
    """One request of one client."""

    id: int
    client: int

    def __str__(self) -> str:
        parts = [
            f"{one.name}={_show(one.name, getattr(self, one.name))}"
            for one in fields(self)
            if one.name not in {"id", "client"}
        ]
        return f"#{self.id:<4} client {self.client}: {type(self).__name__:9} {' '.join(parts)}"


def _show(name: str, value: object) -> object:
    if name == "access" and isinstance(value, int):
        return hex(value)
    return f"#{value}" if name in {"handle", "request"} else value


@dataclass(frozen=True)
class Create(Step):
    """CREATE; `lease` is the number of the key, -1 for none. Odd keys are leases of version 2."""

    name: str
    access: int
    share: int
    disposition: int
    delete_on_close: bool = False
    oplock: int = 0
    lease: int = -1
    state: int = 0


@dataclass(frozen=True)
class Close(Step):
    """CLOSE."""

    handle: int


@dataclass(frozen=True)
class AckOplock(Step):
    """Acknowledge an oplock break."""

    handle: int
    level: int


@dataclass(frozen=True)
class AckLease(Step):
    """Acknowledge a lease break."""

    key: int
    state: int


@dataclass(frozen=True)
class Lock(Step):
    """LOCK; elements are (offset, length, exclusive)."""

    handle: int
    elements: tuple[tuple[int, int, bool], ...]
    wait: bool = False


@dataclass(frozen=True)
class Unlock(Step):
    """LOCK with elements that unlock: (offset, length)."""

    handle: int
    elements: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Read(Step):
    """READ."""

    handle: int
    offset: int
    length: int


@dataclass(frozen=True)
class Write(Step):
    """WRITE of `length` bytes that all are `value`."""

    handle: int
    offset: int
    length: int
    value: int


@dataclass(frozen=True)
class Disposition(Step):
    """SET_INFO: make it delete-pending, or not."""

    handle: int
    delete: bool


@dataclass(frozen=True)
class Rename(Step):
    """SET_INFO: another name."""

    handle: int
    name: str
    replace: bool


@dataclass(frozen=True)
class Cancel(Step):
    """CANCEL of a request that waits."""

    request: int


@dataclass(frozen=True)
class Kill(Step):
    """The client's worker is killed with SIGKILL; the client comes back with a new connection."""

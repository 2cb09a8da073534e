"""What the model knows: files, opens, leases, and requests that wait."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.rules import LEASE, STATE, Range
from tests.model.steps import Lock, Step


@dataclass(eq=False)
class Lease:
    """One lease of one client, on one file."""

    client: int
    key: int
    file: File
    state: int
    epoch: int
    breaking: bool = False
    requested: int = 0
    required: int = 0


@dataclass(eq=False)
class Open:
    """One open; what it holds is an oplock level, or a share in a lease."""

    id: int
    client: int
    file: File
    access: int
    share: int
    delete_on_close: bool
    level: int = 0
    lease: Lease | None = None
    breaking_to: int | None = None
    closed: bool = False

    @property
    def caches(self) -> int:
        """What it may cache now."""
        if self.level == LEASE:
            return self.lease.state if self.lease else 0
        return STATE[self.level]


@dataclass(eq=False)
class File:
    """One file, by whatever name it has now."""

    name: str
    opens: list[Open] = field(default_factory=list)
    locks: list[Range] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    delete_pending: bool = False


@dataclass(eq=False)
class Waiting:
    """A request that was answered with STATUS_PENDING.

    Attributes:
        step: what was asked for.
        client: who asked.
        on: the file that it waits to change.
        woken: something changed since it looked.
        checked: nobody is in the way of the rename any more; it only has to be done.
    """

    step: Step
    client: int
    on: File
    woken: bool = False
    checked: bool = False

    @property
    def locks(self) -> bool:
        """It waits for locks, not for opens."""
        return isinstance(self.step, Lock)

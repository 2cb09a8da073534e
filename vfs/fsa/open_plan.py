"""What follows from the parameters of an open alone: worked out once for each of the few combinations in use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from vfs.access import (
    DELETE,
    FILE_APPEND_DATA,
    FILE_EXECUTE,
    FILE_READ_DATA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    FILE_WRITE_EA,
    MAXIMUM_ALLOWED,
    map_generic,
)
from vfs.constants import FILE_DELETE_ON_CLOSE, FILE_DIRECTORY_FILE, FILE_OPEN_REPARSE_POINT, FILE_SUPERSEDE
from vfs.fsa.open_checks import OVERWRITES, check_params

if TYPE_CHECKING:
    from vfs.fsa.params import OpenParams
    from vfs.volume import Volume

MAX_PLANS: Final = 256
"""Clients use a few dozens; hostile variety must not grow the table."""
_FLAGS: Final = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
_READ: Final = FILE_READ_DATA | FILE_EXECUTE

_MODES_READ: Final = (os.O_RDONLY,)
_MODES_WRITE: Final = (os.O_RDWR, os.O_WRONLY, os.O_RDONLY)
_MODES_READ_WRITE: Final = (os.O_RDWR, os.O_RDONLY)
_MODES_STATUS: Final = (os.O_RDONLY, os.O_PATH)
_MODES_PATH: Final = (os.O_PATH,)
_MODES_ANY: Final = (os.O_RDWR, os.O_RDONLY, os.O_WRONLY, os.O_PATH)


class OpenPlan(msgspec.Struct, frozen=True, gc=False):
    """How to open what exists.

    Attributes:
        desired: the access asked for, generic bits mapped.
        needed: the same with what the disposition needs.
        modes: access modes to try for that, best first, where nothing speaks against any.
        flags: of openat2 beside the mode.
        directory: it must be a directory.
        deletes: the file goes with its last close.
        overwrites: the disposition replaces the data of what exists.
        itself: if it is a reparse point, that is to be opened.
    """

    desired: int
    needed: int
    modes: tuple[int, ...]
    flags: int
    directory: bool
    deletes: bool
    overwrites: bool
    itself: bool

    def modes_in(self, volume: Volume) -> tuple[int, ...]:
        """Return the access modes to try on `volume`, best first."""
        if self.directory:
            return self.modes
        if volume.read_only:
            return _MODES_READ if self.needed & _READ else _MODES_STATUS
        if self.modes is _MODES_STATUS and volume.kernel_oplocks is not None:
            # A descriptor that can read would break the lease that is behind an oplock.
            return _MODES_PATH
        return self.modes


_plans: Final[dict[tuple[int, int, int, int, int], OpenPlan]] = {}


def plan_of(params: OpenParams) -> OpenPlan:
    """Check what can be checked without looking at the file and return what to do.

    Raises:
        NTStatusError: as `check_params`.
    """
    key = (
        params.desired_access,
        params.file_attributes,
        params.share_access,
        params.create_disposition,
        params.create_options,
    )
    plan = _plans.get(key)
    if plan is None:
        check_params(params)
        if len(_plans) >= MAX_PLANS:
            _plans.clear()
        plan = _plans[key] = _make(params)
    return plan


def _make(params: OpenParams) -> OpenPlan:
    options = params.create_options
    desired = needed = map_generic(params.desired_access)
    overwrites = params.create_disposition in OVERWRITES
    if overwrites:
        needed |= FILE_WRITE_DATA | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES
        if params.create_disposition == FILE_SUPERSEDE:
            needed |= DELETE
    directory = bool(options & FILE_DIRECTORY_FILE)
    return OpenPlan(
        desired,
        needed,
        _modes(needed, directory),
        _FLAGS | os.O_DIRECTORY if directory else _FLAGS,
        directory,
        bool(options & FILE_DELETE_ON_CLOSE),
        overwrites,
        bool(options & FILE_OPEN_REPARSE_POINT),
    )


def _modes(needed: int, directory: bool) -> tuple[int, ...]:
    if directory:
        return _MODES_READ if needed & FILE_READ_DATA else _MODES_STATUS
    if needed & MAXIMUM_ALLOWED and not needed & (_READ | _WRITE):
        return _MODES_ANY
    if needed & _WRITE or needed & MAXIMUM_ALLOWED:
        return _MODES_READ_WRITE if needed & _READ else _MODES_WRITE
    return _MODES_READ if needed & _READ else _MODES_STATUS

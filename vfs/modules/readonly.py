"""A share that nobody changes for some time: ``readonly:period = FROM, TO`` (hours as ``20:00``); always without it.

Samba's module takes the words of its date parser; here a period is two ISO times (``2026-01-01T00:00``) or two times
of the day, which may enclose midnight.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from datetime import datetime
from datetime import time as time_of_day
from typing import Any, Final

from vfs.modules.base import INTERFACE_VERSION, ModuleError, ModuleOptions, VfsModule
from vfs.posix.backend import PosixBackend

_CHANGES: Final = (
    "mkdir",
    "unlink",
    "rmdir",
    "rename",
    "link",
    "symlink",
    "pwrite",
    "ftruncate",
    "fallocate",
    "punch_hole",
    "copy_range",
    "fsetxattr",
    "fremovexattr",
    "fchmod",
    "fchown",
    "utimens",
)
_OPENS_FOR_CHANGE: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class ReadOnly(VfsModule):
    """Refuses every change with EROFS while the period lasts."""

    interface_version = INTERFACE_VERSION

    def __init__(self, next: PosixBackend, options: ModuleOptions) -> None:  # noqa: A002 - the interface's name
        super().__init__(next, options)
        self._period = _parse(options.text("period"))
        for name in _CHANGES:
            setattr(self, name, self._guard(getattr(next, name)))

    def _guard(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._check()
            return operation(*arguments, **options)

        return call

    def _check(self) -> None:
        if self._period is None or self._period(datetime.fromtimestamp(time.time()).astimezone()):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def open(self, path: bytes, flags: int, mode: int = 0) -> int:
        """Open for reading; for writing as long as the period has not begun.

        Raises:
            OSError: EROFS, or as the next module says.
        """
        if flags & _OPENS_FOR_CHANGE and not flags & os.O_PATH:
            self._check()
        return self.next.open(path, flags, mode)


def _parse(text: str) -> Callable[[datetime], bool] | None:
    """Return what tells whether a moment lies in the period; None for all moments.

    Raises:
        ModuleError: the text is no period.
    """
    if not text:
        return None
    first, _, last = (part.strip() for part in text.partition(","))
    try:
        if "T" in text:
            begin, end = (datetime.fromisoformat(part).astimezone() for part in (first, last))
            return lambda now: begin <= now <= end
        opens, closes = time_of_day.fromisoformat(first), time_of_day.fromisoformat(last)
    except ValueError:
        raise ModuleError(f"readonly:period = {text}: two times are needed, as in 20:00, 06:00") from None
    if opens <= closes:
        return lambda now: opens <= now.time() <= closes
    return lambda now: now.time() >= opens or now.time() <= closes

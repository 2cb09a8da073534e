"""Failures on demand, for tests: ``fault_inject:OPERATION = errno[,count N][,skip N][,probability P][,match TEXT]``.

Instead of an errno stand ``delay MILLISECONDS`` or ``short BYTES`` (of a read or write). As a test changes its mind
while a tree connect lasts, ``fault_inject:file`` may name a file with such settings, one a line, that is looked at
again whenever it is another file or has another time. The module refuses to load unless ``fault_inject:i_know = yes``.
"""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vfs.modules.base import INTERFACE_VERSION, OPERATIONS, ModuleError, ModuleOptions, VfsModule
from vfs.posix.backend import PosixBackend

_CONTENTS: Final = frozenset({"preadv", "pwrite"})


class Fault:
    """What happens to one operation.

    Attributes:
        code: the errno it fails with, 0 if it does not fail.
        delay: seconds it takes longer.
        short: so many bytes it does at most; None for all.
        count: how often this happens yet; None for ever.
        skip: how often it does not happen before.
        probability: how likely it happens.
        match: happens to paths with this in them only.
    """

    __slots__ = ("code", "count", "delay", "match", "probability", "short", "skip")

    def __init__(self, text: str) -> None:
        self.code = 0
        self.delay = 0.0
        self.short: int | None = None
        self.count: int | None = None
        self.skip = 0
        self.probability = 1.0
        self.match = b""
        for part in text.split(","):
            word, _, value = part.strip().partition(" ")
            self._set(word, value.strip())

    def _set(self, word: str, value: str) -> None:
        try:
            if word == "delay":
                self.delay = float(value) / 1000
            elif word == "probability":
                self.probability = float(value)
            elif word in {"short", "count", "skip"}:
                setattr(self, word, int(value))
            elif word == "match":
                self.match = os.fsencode(value)
            else:
                self.code = getattr(errno, word)
        except (AttributeError, ValueError):
            raise ModuleError(f"{word} {value}: neither an errno nor delay, short, count, skip, probability") from None

    def happens(self, subject: Callable[[], bytes]) -> bool:
        """Tell whether it is this time's turn.

        Args:
            subject: returns the path that the operation is done to.
        """
        if self.count == 0 or (self.match and self.match not in subject()):
            return False
        if self.probability < 1 and random.random() >= self.probability:  # noqa: S311 - no secret
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.count is not None:
            self.count -= 1
        return True


class FaultInject(VfsModule):
    """Lets operations fail, linger or do less than they were asked for."""

    interface_version = INTERFACE_VERSION

    def __init__(self, next: PosixBackend, options: ModuleOptions) -> None:  # noqa: A002 - the interface's name
        super().__init__(next, options)
        if not options.boolean("i_know", False):
            raise ModuleError("it makes files fail: only for tests, who say fault_inject:i_know = yes")
        self._file = options.text("file")
        self._seen: tuple[int, int] | None = None
        self.faults = {name: Fault(text) for name in OPERATIONS if (text := options.text(name))}
        self.direct = self.stamps_attributes = False
        for name in OPERATIONS:
            if self._file or name in self.faults:
                setattr(self, name, self._wrap(name, getattr(next, name)))

    def _wrap(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self._file:
                self._look()
            fault = self.faults.get(name)
            if fault is None or not fault.happens(lambda: self._subject(arguments)):
                return operation(*arguments, **options)
            return self._fail(fault, name, operation, arguments, options)

        return call

    def _fail(
        self,
        fault: Fault,
        name: str,
        operation: Callable[..., Any],
        arguments: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Any:
        if fault.delay:
            time.sleep(fault.delay)
        if fault.short is not None and name in _CONTENTS:
            arguments = _shortened(name, arguments, fault.short)
        if fault.code:
            if name in {"close", "close_fd", "close_parent"}:
                operation(*arguments, **options)  # a descriptor is gone even if closing it fails
            raise OSError(fault.code, f"injected: {os.strerror(fault.code)}")
        return operation(*arguments, **options)

    def _subject(self, arguments: tuple[Any, ...]) -> bytes:
        first = arguments[0] if arguments else b""
        if not isinstance(first, int):
            return b"\0".join(part for part in arguments if isinstance(part, bytes))
        try:
            return self.path_of(first)
        except OSError:
            return b""

    def _look(self) -> None:
        """Read the file of settings if it is another one than before."""
        path = Path(self._file)
        try:
            found = path.stat()
        except FileNotFoundError:
            self._seen, self.faults = None, {}
            return
        if (found.st_ino, found.st_mtime_ns) != self._seen:
            self._seen = found.st_ino, found.st_mtime_ns
            lines = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
            self.faults = {name.strip(): Fault(text.strip()) for name, _, text in lines}


def _shortened(name: str, arguments: tuple[Any, ...], limit: int) -> tuple[Any, ...]:
    fd, data, *rest = arguments
    if name == "preadv":
        return fd, (memoryview(data[0])[:limit],), *rest
    return fd, memoryview(data)[:limit], *rest

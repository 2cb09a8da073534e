"""A line in the log for each operation: ``PREFIX|OPERATION|ok|ARGUMENTS`` or ``PREFIX|OPERATION|fail (REASON)|...``.

The names of operations, in `full_audit:success`, `full_audit:failure` and in the lines, are those of Samba's module, so
that whatever reads its lines reads these. They go to the logger ``smbd.audit.full_audit``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, Final

from vfs.modules.base import INTERFACE_VERSION, ModuleError, ModuleOptions, VfsModule
from vfs.posix.backend import PosixBackend

_audit = logging.getLogger("smbd.audit.full_audit")

_NAMES: Final = {
    "open": "openat",
    "mkdir": "mkdirat",
    "unlink": "unlinkat",
    "rmdir": "unlinkat",
    "rename": "renameat",
    "link": "linkat",
    "symlink": "symlinkat",
    "readlink": "readlinkat",
    "stat": "fstat",
    "stat_at": "fstatat",
    "stat_path": "stat",
    "names_in": "readdir",
    "listdir": "fdopendir",
    "preadv": "pread",
    "pwrite": "pwrite",
    "close_fd": "close",
    "fsync": "fsync",
    "fdatasync": "fsync",
    "ftruncate": "ftruncate",
    "fallocate": "fallocate",
    "copy_range": "offload_write",
    "utimens": "fntimes",
    "fchmod": "fchmod",
    "fchown": "fchown",
    "fstatvfs": "fstatvfs",
    "fgetxattr": "fgetxattr",
    "fsetxattr": "fsetxattr",
    "fremovexattr": "fremovexattr",
    "flistxattr": "flistxattr",
    "close": "disconnect",
}
"""The operations that are told of, by what Samba calls them."""
_CONNECT: Final = "connect"
_KNOWN: Final = frozenset(_NAMES.values()) | {_CONNECT}
_PRIORITIES: Final = {
    "EMERG": logging.CRITICAL,
    "ALERT": logging.CRITICAL,
    "CRIT": logging.CRITICAL,
    "ERR": logging.ERROR,
    "WARNING": logging.WARNING,
    "NOTICE": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
}
_WRITES: Final = os.O_WRONLY | os.O_RDWR


class FullAudit(VfsModule):
    """Tells of operations."""

    interface_version = INTERFACE_VERSION

    def __init__(self, next: PosixBackend, options: ModuleOptions) -> None:  # noqa: A002 - the interface's name
        super().__init__(next, options)
        self._prefix = options.expand(options.text("prefix", "%u|%I"))
        self._success = _chosen(options.words("success", "none"))
        self._failure = _chosen(options.words("failure", "none"))
        self._level = _PRIORITIES.get(options.text("priority", "NOTICE").upper(), logging.INFO)
        self.direct = next.direct and "pread" not in self._success
        self.stamps_attributes = next.stamps_attributes and not self._success & {"fgetxattr", "flistxattr"}
        for operation, name in _NAMES.items():
            if name in self._success or name in self._failure:
                setattr(self, operation, self._wrap(operation, name, getattr(next, operation)))
        if _CONNECT in self._success:
            self._tell(_CONNECT, "ok", options.share_name)

    def _wrap(self, operation: str, name: str, call_next: Callable[..., Any]) -> Callable[..., Any]:
        succeeds, fails = name in self._success, name in self._failure

        def call(*arguments: Any, **options: Any) -> Any:
            # A descriptor has no path any more when it is closed.
            subject = self._describe(operation, arguments) if operation in {"close_fd", "close"} else None
            try:
                result = call_next(*arguments, **options)
            except OSError as error:
                if fails and not isinstance(error, BlockingIOError):  # not in memory: it is tried again
                    self._tell(name, f"fail ({error.strerror})", subject or self._describe(operation, arguments))
                raise
            if succeeds:
                self._tell(name, "ok", subject or self._describe(operation, arguments))
            return result

        return call

    def _tell(self, name: str, outcome: str, subject: str) -> None:
        _audit.log(self._level, "%s|%s|%s|%s", self._prefix, name, outcome, subject)

    def _describe(self, operation: str, arguments: tuple[Any, ...]) -> str:
        """Return the arguments of an operation as the log shows them: paths are absolute ones."""
        if operation == "close":
            return self.options.share_name
        if operation == "stat_at":
            directory, name = arguments
            return self._show(directory) + "/" + _printable(os.fsdecode(name))
        paths = "|".join(self._show(one) for one in arguments[: 2 if operation in {"rename", "link"} else 1])
        if operation == "open":
            return ("w|" if arguments[1] & _WRITES else "r|") + paths
        return paths

    def _show(self, subject: object) -> str:
        if isinstance(subject, int):
            try:
                subject = self.path_of(subject)
            except OSError:
                return "(closed)"
        if not isinstance(subject, bytes):
            return str(subject)
        return _printable(os.fsdecode(os.path.join(self.real_root, subject)))  # noqa: PTH118 - bytes


def _printable(text: str) -> str:
    """Return a name that cannot end its line or begin another."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _chosen(words: list[str]) -> frozenset[str]:
    """Return the operations that a list means: names, ``all``, ``none``, and ``!name`` for all but that.

    Raises:
        ModuleError: there is no such operation.
    """
    chosen: set[str] = set()
    for word in words:
        name = word.removeprefix("!").lower()
        if name == "none":
            chosen.clear()
        elif name == "all":
            chosen |= _KNOWN
        elif name not in _KNOWN:
            raise ModuleError(f"there is no operation {name}")
        elif word[0] == "!":
            chosen.discard(name)
        else:
            chosen.add(name)
    return frozenset(chosen)

"""What a stackable module is: a backend that lies on another one and passes on whatever it does not change.

The operations are the methods of `PosixBackend`. An operation that a module does not override is bound to that of the
next one when the module is made, so passing it on costs nothing, however many modules there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vfs.posix.backend import PosixBackend

INTERFACE_VERSION: Final = 1
"""Changes whenever an operation changes in a way that existing modules would get wrong."""

OPERATIONS: Final = tuple(
    name
    for kind in reversed(PosixBackend.__mro__[:-1])
    for name in vars(kind)
    if name[0] != "_" and callable(getattr(kind, name)) and name != "open_existing"
)
"""The names of all operations of a backend: `open_existing` is no other one than `open`."""

_SUFFIXES: Final = {"k": 10, "m": 20, "g": 30, "t": 40}
_TRUE: Final = frozenset({"yes", "true", "on", "1"})
_FALSE: Final = frozenset({"no", "false", "off", "0"})


class ModuleError(Exception):
    """A module cannot be used: it is unknown, fails to load or refuses its options."""


class ModuleOptions:
    """The parametric options ``MODULE:option`` of one share.

    Args:
        module: begins the names of the options.
        share_name: the share.
        lookup: returns the text of ``module:option``, or the default given.
        expand: replaces the %-variables of the tree connect.
    """

    def __init__(
        self,
        module: str,
        share_name: str,
        lookup: Callable[[str, str], str],
        expand: Callable[[str], str] = str,
    ) -> None:
        self.module = module
        self.share_name = share_name
        self.expand = expand
        self._lookup = lookup

    def text(self, name: str, default: str = "") -> str:
        """Return an option as it is written, without replacing variables."""
        return self._lookup(f"{self.module}:{name}", default)

    def words(self, name: str, default: str = "") -> list[str]:
        """Return an option that is a list of words; quotes hold a word together."""
        return split_words(self.text(name, default))

    def boolean(self, name: str, default: bool) -> bool:
        """Return an option that is yes or no.

        Raises:
            ModuleError: it is something else.
        """
        word = self.text(name).strip().lower()
        if not word:
            return default
        if word not in _TRUE | _FALSE:
            raise ModuleError(f"{self.module}:{name} = {word} is neither yes nor no")
        return word in _TRUE

    def number(self, name: str, default: int = 0) -> int:
        """Return an option that is a number; ``0x`` and ``0`` begin hexadecimal and octal ones, K M G T end sizes.

        Raises:
            ModuleError: it is something else.
        """
        word = self.text(name).strip().lower()
        if not word:
            return default
        shift = _SUFFIXES.get(word[-1], 0)
        digits = word[:-1] if shift else word
        base = 8 if digits[:1] == "0" and digits.isdigit() else 0
        try:
            return int(digits, base) << shift
        except ValueError:
            raise ModuleError(f"{self.module}:{name} = {word} is no number") from None


def split_words(text: str) -> list[str]:
    """Split a list as smb.conf has them: at blanks and commas outside of quotes."""
    words: list[str] = []
    for index, part in enumerate(text.split('"')):
        words += [part] if index % 2 else part.replace(",", " ").split()
    return [word for word in words if word]


class VfsModule(PosixBackend):
    """A module that changes nothing: the base of all others.

    Override the operations that matter and call those of `next` in them, not those of ``super()``, which would leave
    out the modules in between. Failures are `OSError` with the errno that the client's status is made of.

    Attributes:
        interface_version: for each module to say: the `INTERFACE_VERSION` it was written for.
        options_prefix: what its options begin with, if that is not the module's name.
        next: the backend beneath.
        options: the module's own options.
        direct: descriptors may be read behind the module's back (``sendfile``).
        stamps_attributes: what `fgetxattr` and `flistxattr` read changes only together with the change time of the
            file; taken for untrue if the module overrides one of them.
    """

    interface_version = 0
    options_prefix = ""

    def __init__(self, next: PosixBackend, options: ModuleOptions) -> None:  # noqa: A002 - what it is called in stacks
        self.next = next
        self.options = options
        self.direct = next.direct and type(self).preadv is VfsModule.preadv
        self.keeps_snapshots = next.keeps_snapshots
        self.stamps_attributes = next.stamps_attributes and (
            type(self).fgetxattr is VfsModule.fgetxattr and type(self).flistxattr is VfsModule.flistxattr
        )
        self.shown_name, self.disk_name = next.shown_name, next.disk_name
        for name in OPERATIONS:
            if getattr(type(self), name) is getattr(VfsModule, name):
                setattr(self, name, getattr(next, name))

    def open_existing(self, path: bytes, flags: int) -> int | None:
        """Open with the module's `open`, so that this is all it has to override.

        Raises:
            OSError: as `open`, but for a missing name.
        """
        try:
            return self.open(path, flags)
        except FileNotFoundError:
            return None

    def __getattr__(self, name: str) -> Any:
        # Only what is no operation gets here: root, root_fd, names, ...
        return getattr(self.next, name)

    def path_of(self, fd: int) -> bytes:
        """Return the share-relative path of a descriptor, as far as the kernel knows it.

        Raises:
            OSError: there is no such descriptor.
        """
        return self.relative(os.fsencode(Path(f"/proc/self/fd/{fd}").readlink()))

    def relative(self, path: bytes) -> bytes:
        """Return the share-relative path of an absolute one; one outside of the share is returned as it is."""
        prefix = self.real_root.rstrip(b"/") + b"/"
        if path.startswith(prefix):
            return path[len(prefix) :]
        return b"" if path == self.real_root else path

"""The entry of a directory listing as it nearly always is, made without calls that are not needed.

Plain is a regular file or directory with a name that Windows can spell, stored DOS attributes and no EAs. For all else,
and on shares where more has to be looked at, `vfs.fsa.directory` makes the entry. Both say the same of a plain one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from vfs.constants import (
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILETIME_UNIX_EPOCH,
)
from vfs.fsa import allocation, attributes, ea
from vfs.fsa.allocation import BLOCK
from vfs.fsa.mangle import DEVICE_BEGINS, ILLEGAL_CHARACTER, MANGLED_YES
from vfs.posix import dosattrib
from vfs.posix.backend import PosixBackend
from vfs.posix.syscalls import statx_brief

if TYPE_CHECKING:
    from vfs.fsa.stat import Entry
    from vfs.volume import Volume

_S_IFMT: Final = 0o170000
_S_IFDIR: Final = 0o040000
_PLAIN: Final = frozenset({_S_IFDIR, 0o100000})
_TICKS_PER_SECOND: Final = 10_000_000
_NS_PER_TICK: Final = 100
#: What hidden names and those of devices begin with.
_SUSPICIOUS: Final = frozenset(".") | {letter for name in DEVICE_BEGINS for letter in (name[0], name[0].lower())}
_XATTR: Final = dosattrib.XATTR_NAME
_STORED: Final = attributes.STORED


def maker(volume: Volume, fd: int, *, with_ea_size: bool) -> Callable[[str], Entry | None] | None:
    """Return what makes the entry of a name in the directory `fd`, which is the working directory; None if nothing can.

    It returns None for an entry that is not plain, and raises OSError as the kernel says.
    """
    options = volume.options
    if (
        not options.store_dos_attributes
        or options.dos_filetime_resolution
        or options.mangled_names == MANGLED_YES
        or volume.hidden is not None
        or volume.backend.shown_name is not None
        or getattr(volume.backend.stat_at, "__func__", None) is not PosixBackend.stat_at  # a module's
        or options.posix
    ):
        return None
    looks_for_eas = with_ea_size and options.ea_support
    rounds_up, attribute_block = options.allocation_roundup_size, volume.attribute_block
    illegal, listxattr, getxattr = ILLEGAL_CHARACTER.search, os.listxattr, os.getxattr
    unpack, no_eas, allocated = attributes.unpack_plain, ea.NO_EAS, allocation.of_data

    def make(name: str) -> Entry | None:
        # Dots, hidden names, and those that have to be mangled.
        first = name[0]
        if first in _SUSPICIOUS and (first == "." or name[:3].upper() in DEVICE_BEGINS):
            return None
        if name[-1] in " ." or illegal(name) is not None:
            return None
        raw = name.encode()
        (
            mode, inode, end_of_file, blocks,
            accessed, accessed_ns, changed, changed_ns, written, written_ns,
        ) = statx_brief(fd, raw)  # fmt: skip
        kind = mode & _S_IFMT
        if kind not in _PLAIN:
            return None
        try:
            if looks_for_eas and listxattr(raw, follow_symlinks=False) != no_eas:
                return None
            plain = unpack(getxattr(raw, _XATTR, follow_symlinks=False))
        except OSError:
            return None
        if plain is None:
            return None
        file_attributes, creation_time = plain
        file_attributes &= _STORED
        if not creation_time or file_attributes & FILE_ATTRIBUTE_REPARSE_POINT:
            return None
        access_time = accessed * _TICKS_PER_SECOND + accessed_ns // _NS_PER_TICK + FILETIME_UNIX_EPOCH
        write_time = written * _TICKS_PER_SECOND + written_ns // _NS_PER_TICK + FILETIME_UNIX_EPOCH
        change_time = changed * _TICKS_PER_SECOND + changed_ns // _NS_PER_TICK + FILETIME_UNIX_EPOCH
        if access_time < 0 or write_time < 0 or change_time < 0:
            return None
        if kind == _S_IFDIR:
            file_attributes |= FILE_ATTRIBUTE_DIRECTORY
            end_of_file = allocation_size = 0
        else:
            allocation_size = blocks * BLOCK
            if rounds_up or allocation_size - attribute_block >= end_of_file:
                allocation_size = allocated(volume, end_of_file, blocks)
        return (
            name, "", creation_time, access_time, write_time, change_time, end_of_file, allocation_size,
            file_attributes or FILE_ATTRIBUTE_NORMAL, 0, inode, 0, None,
        )  # fmt: skip

    return make

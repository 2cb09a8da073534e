"""Extended attributes, kept as user.* xattrs ([MS-FSA] 2.1.5.12, 2.1.5.15.5; [MS-FSCC] 2.4.16)."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from vfs.access import FILE_READ_EA, FILE_WRITE_EA
from vfs.constants import EA_NAME_MAX, EA_VALUE_MAX, FILE_NOTIFY_CHANGE_EA
from vfs.fsa.params import EaEntry
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_EA_TOO_LARGE,
    STATUS_EAS_NOT_SUPPORTED,
    STATUS_INVALID_EA_NAME,
    STATUS_INVALID_PARAMETER,
    NTStatusError,
    from_oserror,
)
from vfs.posix import credentials, dosattrib

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.volume import Volume

_PREFIX: Final = "user."
_PRIVATE: Final = re.compile(
    r"user\.(?:DOSATTRIB|SAMBA_PAI|SmbReparse|DosStream\..*|org\.netatalk\..*)\Z", re.IGNORECASE | re.DOTALL
)
"""xattrs that Samba and this server keep for themselves."""
NO_EAS: Final = [dosattrib.XATTR_NAME]
"""The xattrs of most files."""
_ILLEGAL: Final = re.compile(rb'[\x00-\x1f"*+,/:;<=>?\[\\\]|]')
_KNOWN_FLAGS: Final = 0x80
_ENTRY_OVERHEAD: Final = 5
_LIST_OVERHEAD: Final = 4


def _visible(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(_PREFIX) and _PRIVATE.match(name) is None]


def _names(fo: FileObject) -> list[str]:
    return _without_descriptor(fo.volume, _visible(fo.volume.backend.flistxattr(fo.fd)))


def _without_descriptor(volume: Volume, names: list[str]) -> list[str]:
    options = volume.options
    if options.acl_xattr and options.acl_xattr_name in names:
        # `acl_xattr:security_acl_name` may lie among the EAs: who could set it would be above the descriptor.
        names.remove(options.acl_xattr_name)
    return names


def _check_supported(fo: FileObject) -> None:
    if not fo.volume.options.ea_support:
        raise NTStatusError(STATUS_EAS_NOT_SUPPORTED, "ea support is off")


def query(fo: FileObject, names: Iterable[bytes] | None = None) -> list[EaEntry]:
    """Return all EAs, or for `names` those of these names: empty values for names that are not there.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_EAS_NOT_SUPPORTED.
    """
    fo.require(FILE_READ_EA)
    _check_supported(fo)
    try:
        existing = _all(fo)
    except OSError as error:
        raise from_oserror(error, "query EAs") from None
    if names is None:
        return existing
    by_name = {entry.name.upper(): entry for entry in existing}
    return [by_name.get(name.upper()) or EaEntry(name, b"") for name in names]


def _all(fo: FileObject) -> list[EaEntry]:
    entries = []
    for name in _names(fo):
        value = fo.volume.backend.fgetxattr(fo.fd, name)
        if value is not None:
            entries.append(EaEntry(name[len(_PREFIX) :].encode("utf-8", "surrogateescape"), value))
    return entries


def size(fo: FileObject) -> int:
    """Return EaSize: what the EAs take as a FILE_FULL_EA_INFORMATION list, 0 if there are none.

    Raises:
        OSError: they cannot be read.
    """
    if not fo.volume.options.ea_support:
        return 0
    names = fo.volume.backend.flistxattr(fo.fd)
    if not names or names == NO_EAS:
        return 0
    visible = _without_descriptor(fo.volume, _visible(names))
    return _size(visible, lambda name: fo.volume.backend.fgetxattr(fo.fd, name)) if visible else 0


def size_of(volume: Volume, name: str) -> int:
    """Return EaSize of an entry of the working directory, whoever may read the EAs.

    Raises:
        OSError: the EAs cannot be read.
    """
    try:
        names = os.listxattr(name, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return 0
        raise
    if names == NO_EAS or not names:
        return 0
    visible = _without_descriptor(volume, _visible(names))
    if not visible:
        return 0

    def get(xattr: str) -> bytes | None:
        try:
            return os.getxattr(name, xattr, follow_symlinks=False)
        except OSError as error:
            if error.errno == errno.ENODATA:  # gone meanwhile
                return None
            raise

    with credentials.as_root():
        return _size(visible, get)


def _size(names: list[str], get: Callable[[str], bytes | None]) -> int:
    if not names:
        return 0
    return _LIST_OVERHEAD + sum(
        _ENTRY_OVERHEAD + len(name) - len(_PREFIX) + len(get(name) or b"") for name in names
    )


def set_eas(fo: FileObject, entries: list[EaEntry]) -> None:
    """Set EAs; an empty value removes one.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_EAS_NOT_SUPPORTED, STATUS_INVALID_EA_NAME, STATUS_EA_TOO_LARGE.
    """
    fo.require(FILE_WRITE_EA)
    try:
        set_eas_unchecked(fo, entries)
    except OSError as error:
        raise from_oserror(error, "set EAs") from None
    trigger.modified(fo, FILE_NOTIFY_CHANGE_EA)


def set_eas_unchecked(fo: FileObject, entries: list[EaEntry]) -> None:
    """Set EAs without looking at the granted access: for the opener of a new file.

    Raises:
        NTStatusError: as `set_eas`, without STATUS_ACCESS_DENIED.
        OSError: as the kernel says.
    """
    _check_supported(fo)
    for entry in entries:
        _check_entry(entry)
    existing = {name.upper(): name for name in _names(fo)}
    backend = fo.volume.backend
    for entry in entries:
        name = _PREFIX + entry.name.decode("utf-8", "surrogateescape")
        if fo.volume.options.acl_xattr and name.upper() == fo.volume.options.acl_xattr_name.upper():
            raise NTStatusError(STATUS_ACCESS_DENIED, "the security descriptor")
        name = existing.get(name.upper(), name)
        if entry.value:
            backend.fsetxattr(fo.fd, name, entry.value)
            existing[name.upper()] = name
        else:
            backend.fremovexattr(fo.fd, name)


def _check_entry(entry: EaEntry) -> None:
    if entry.flags & ~_KNOWN_FLAGS:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "unknown EA flag")
    if not 0 < len(entry.name) <= EA_NAME_MAX or _ILLEGAL.search(entry.name):
        raise NTStatusError(STATUS_INVALID_EA_NAME, "bad EA name")
    if _PRIVATE.match(_PREFIX + entry.name.decode("utf-8", "surrogateescape")):
        raise NTStatusError(STATUS_INVALID_EA_NAME, "a name of the server's own")
    if len(entry.value) > EA_VALUE_MAX:
        raise NTStatusError(STATUS_EA_TOO_LARGE, "EA value too long")


def replace_all(fo: FileObject, entries: list[EaEntry]) -> None:
    """Remove all EAs and set `entries`: what overwriting a file does.

    Raises:
        NTStatusError: as `set_eas_unchecked`.
        OSError: as the kernel says.
    """
    for name in _names(fo):
        fo.volume.backend.fremovexattr(fo.fd, name)
    if entries:
        set_eas_unchecked(fo, entries)

"""What a token may do with a file: from the stored security descriptor, else from the mode bits ([MS-FSA] 2.1.5.1.2.1).

The kernel has the last word on every open and change. This decides what NTFS would grant beyond it, and what the
handle is told to have.
"""

from __future__ import annotations

import os
from functools import lru_cache
from stat import S_ISDIR
from typing import TYPE_CHECKING, Final

from vfs import security_access
from vfs.access import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_ADD_FILE,
    FILE_ADD_SUBDIRECTORY,
    FILE_ALL_ACCESS,
    FILE_APPEND_DATA,
    FILE_DELETE_CHILD,
    FILE_READ_ATTRIBUTES,
    FILE_READ_EA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    FILE_WRITE_EA,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    SYNCHRONIZE,
    WRITE_DAC,
    WRITE_OWNER,
)
from vfs.fsa import stored_security
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD, NTStatusError
from vfs.posix.posix_acl import DEFAULT_RULES, AccessRules, access_of
from vfs.token import SE_SECURITY_PRIVILEGE, SE_TAKE_OWNERSHIP_PRIVILEGE

if TYPE_CHECKING:
    from vfs.fsa.parent import ParentDirectory
    from vfs.posix.syscalls import Stat
    from vfs.token import SecurityToken
    from vfs.volume import Volume

_S_ISVTX: Final = 0o1000

WRITE_RIGHTS: Final = (
    FILE_WRITE_DATA
    | FILE_APPEND_DATA
    | FILE_WRITE_EA
    | FILE_DELETE_CHILD
    | FILE_WRITE_ATTRIBUTES
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
)
"""What a read-only tree connect never grants."""

_EVERYBODY: Final = FILE_READ_ATTRIBUTES | FILE_READ_EA | READ_CONTROL | SYNCHRONIZE
_OWNER: Final = READ_CONTROL | WRITE_DAC


@lru_cache
def _rights_table(rules: AccessRules, directory: bool) -> tuple[int, ...]:
    """Rights for each of the eight values of the rwx bits."""
    return tuple(_EVERYBODY | access_of(bits, directory, rules) for bits in range(8))


def mode_class(stat: Stat, token: SecurityToken) -> int:
    """Return the three rwx bits of the mode that apply to `token`."""
    mode = stat.mode
    if token.uid == stat.uid:
        return mode >> 6 & 7
    if stat.gid == token.gid or stat.gid in token.groups:
        return mode >> 3 & 7
    return mode & 7


def rights_of_mode(stat: Stat, token: SecurityToken, rules: AccessRules = DEFAULT_RULES) -> int:
    """Return the rights that the mode bits give `token`; DELETE is the directory's to grant, too."""
    table = _rights_table(rules, S_ISDIR(stat.mode))
    if token.uid == stat.uid:
        return table[stat.mode >> 6 & 7] | _OWNER
    return table[mode_class(stat, token)]


def _rights_of_kernel(fd: int, stat: Stat, token: SecurityToken, rules: AccessRules) -> int:
    """Return the rights that the kernel would give the current identity: POSIX ACLs count, unlike in the mode."""
    bits = sum(bit for bit in (os.R_OK, os.W_OK, os.X_OK) if os.access(f"/proc/self/fd/{fd}", bit, effective_ids=True))
    rights = _rights_table(rules, stat.is_directory)[bits]
    return rights | _OWNER if token.uid == stat.uid else rights


def _file_rights(volume: Volume, token: SecurityToken, fd: int, stat: Stat, wanted: int) -> int:
    """Return the rights of the file itself; complete at least for `wanted`."""
    if token.is_all_powerful:
        return FILE_ALL_ACCESS
    options = volume.options
    if options.acl_xattr:
        stored = stored_security.granted(volume, token, fd, stat)
        if stored is not None:
            return stored | options.always_granted
    return _posix_rights(volume, token, fd, stat, wanted)


def _posix_rights(volume: Volume, token: SecurityToken, fd: int, stat: Stat, wanted: int) -> int:
    options = volume.options
    rules = options.access_rules
    rights = rights_of_mode(stat, token, rules) | options.always_granted
    if wanted & ~rights & ~(DELETE | WRITE_OWNER):
        rights |= _rights_of_kernel(fd, stat, token, rules)
    if options.acl_group_control and (stat.gid == token.gid or stat.gid in token.groups):
        rights |= _OWNER
    if token.privileges & SE_TAKE_OWNERSHIP_PRIVILEGE:
        rights |= WRITE_OWNER
    return rights


def parent_rights(volume: Volume, token: SecurityToken, parent: ParentDirectory) -> int:
    """Return what `token` may do with a directory; complete at least for adding to it.

    Raises:
        OSError: it cannot be looked at.
    """
    if token.is_all_powerful:
        return FILE_ALL_ACCESS
    stored = parent.descriptor if volume.options.acl_xattr else None
    if stored is not None:
        return security_access.maximal_access(stored, token) | volume.options.always_granted
    return _posix_rights(volume, token, parent.fd, parent.stat, FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY)


def may_delete_name(volume: Volume, token: SecurityToken, path: bytes, stat: Stat) -> bool:
    """Tell whether the directory lets `token` remove the name `path` of a file with status `stat`.

    Raises:
        OSError: the directory cannot be opened.
    """
    # That the share's root stays is checked where something is deleted; clients ask for DELETE on it all the same.
    if not path or token.is_all_powerful:
        return True
    parent = path.rpartition(b"/")[0]
    fd = volume.backend.open(parent, os.O_PATH | os.O_DIRECTORY)
    try:
        parent_stat = volume.backend.stat(fd)
        if parent_stat.mode & _S_ISVTX and token.uid not in {parent_stat.uid, stat.uid}:
            return False
        return bool(_file_rights(volume, token, fd, parent_stat, FILE_DELETE_CHILD) & FILE_DELETE_CHILD)
    finally:
        os.close(fd)


def maximal_access(volume: Volume, token: SecurityToken, fd: int, path: bytes, stat: Stat) -> int:
    """Return all rights that `token` can be granted on the file ([MS-DTYP] 2.5.3.2 with MAXIMUM_ALLOWED).

    Raises:
        NTStatusError: the stored descriptor cannot be read.
        OSError: the file or its directory cannot be looked at.
    """
    known = volume.known.get(path)
    if known is not None and not known.is_of(stat):
        known = None
    if known is not None and known.token is token and known.all_rights:
        rights = known.all_rights
    else:
        rights = _file_rights(volume, token, fd, stat, FILE_ALL_ACCESS)
        if known is not None:
            known.note(token, 0)
            known.all_rights = rights
    # Whoever gets at a name may read the attributes behind it: [MS-FSA] 2.1.5.1.2.1 takes them from the directory.
    rights |= FILE_READ_ATTRIBUTES
    if not rights & DELETE and may_delete_name(volume, token, path, stat):
        rights |= DELETE
    if volume.read_only:
        rights &= ~WRITE_RIGHTS
    return rights


def check_open(volume: Volume, token: SecurityToken, fd: int, path: bytes, stat: Stat, desired: int) -> int:
    """Return the access to grant for `desired` (generic bits mapped) on an existing file.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD (ACCESS_SYSTEM_SECURITY).
        OSError: the file or its directory cannot be looked at.
    """
    granted = 0
    if desired & ACCESS_SYSTEM_SECURITY:
        if not token.has_privilege(SE_SECURITY_PRIVILEGE):
            raise NTStatusError(STATUS_PRIVILEGE_NOT_HELD, "SACL access without the privilege")
        granted = ACCESS_SYSTEM_SECURITY
    wanted = desired & ~(MAXIMUM_ALLOWED | ACCESS_SYSTEM_SECURITY)
    if desired & MAXIMUM_ALLOWED:
        rights = maximal_access(volume, token, fd, path, stat)
        granted |= rights
    else:
        if volume.read_only and wanted & WRITE_RIGHTS:
            raise NTStatusError(STATUS_ACCESS_DENIED, "read-only share")
        rights = FILE_READ_ATTRIBUTES  # whatever the file itself says: nothing is read of who wants no more
        if wanted != FILE_READ_ATTRIBUTES:
            rights |= _file_rights(volume, token, fd, stat, wanted)
        if wanted & ~rights & DELETE and may_delete_name(volume, token, path, stat):
            rights |= DELETE
    if wanted & ~rights:
        raise NTStatusError(STATUS_ACCESS_DENIED, f"rights {wanted & ~rights:#x} are not granted")
    return granted | wanted


def may(volume: Volume, token: SecurityToken, fd: int, stat: Stat, access: int) -> bool:
    """Tell whether all of `access` (generic bits mapped) would be granted by the file itself.

    Raises:
        OSError: what decides cannot be read.
    """
    return not access & ~_file_rights(volume, token, fd, stat, access)


def check_create(
    volume: Volume, token: SecurityToken, parent: ParentDirectory, desired: int, directory: bool
) -> int:
    """Return the access to grant for `desired` on a file about to be created in `parent` ([MS-FSA] 2.1.5.1.1).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD (ACCESS_SYSTEM_SECURITY).
        OSError: the directory cannot be looked at.
    """
    if volume.read_only:
        raise NTStatusError(STATUS_ACCESS_DENIED, "read-only share")
    if desired & ACCESS_SYSTEM_SECURITY and not token.has_privilege(SE_SECURITY_PRIVILEGE):
        raise NTStatusError(STATUS_PRIVILEGE_NOT_HELD, "SACL access without the privilege")
    # Without stored descriptors the kernel's check of the directory is the whole check.
    if volume.options.acl_xattr and not token.is_all_powerful:
        needed = FILE_ADD_SUBDIRECTORY if directory else FILE_ADD_FILE
        if needed & ~parent_rights(volume, token, parent):
            raise NTStatusError(STATUS_ACCESS_DENIED, "directory does not let create")
    if desired & MAXIMUM_ALLOWED:
        return desired & ACCESS_SYSTEM_SECURITY | FILE_ALL_ACCESS
    return desired

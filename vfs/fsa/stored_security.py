"""Security descriptors beside the POSIX permissions: the xattr security.NTACL, and what to assume where none is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from vfs.fsa import times
from vfs.ntstatus import STATUS_INVALID_SECURITY_DESCR, NTStatusError
from vfs.posix import credentials, ntacl, posix_acl
from vfs.security import (
    CONTAINER_INHERIT_ACE,
    OBJECT_INHERIT_ACE,
    SE_DACL_PROTECTED,
    Acl,
    SecurityDescriptor,
    SecurityDescriptorError,
    maximal_access,
)

if TYPE_CHECKING:
    from vfs.posix.posix_acl import PosixAcl
    from vfs.posix.syscalls import Stat
    from vfs.token import SecurityToken
    from vfs.volume import Volume

_log = logging.getLogger(__name__)

_CACHE_SIZE: Final = 1024

PosixAcls = tuple["PosixAcl | None", "PosixAcl | None"]
"""Access ACL and default ACL; None where there is none."""


class _Checked(NamedTuple):
    """The result of comparing a stored descriptor with the POSIX permissions, and what it was compared with."""

    descriptor: SecurityDescriptor | None
    ctime_ns: int
    access: bytes | None
    default: bytes | None


_checked: dict[tuple[bytes, int, int, int], _Checked] = {}
"""By xattr value, mode, uid and gid. As long as the change time stays, so do the ACLs; then they are read anew."""


def _acl_xattrs(volume: Volume, fd: int, stat: Stat) -> tuple[bytes | None, bytes | None]:
    backend = volume.backend
    access = backend.fgetxattr(fd, posix_acl.ACCESS_XATTR)
    return access, backend.fgetxattr(fd, posix_acl.DEFAULT_XATTR) if stat.is_directory else None


def posix_acls(volume: Volume, fd: int, stat: Stat) -> PosixAcls:
    """Return the POSIX ACLs of an open file.

    Raises:
        OSError: they cannot be read.
    """
    return _unpack_acls(*_acl_xattrs(volume, fd, stat))


def _unpack_acls(access: bytes | None, default: bytes | None) -> PosixAcls:
    return (
        posix_acl.unpack(access) if access is not None else None,
        posix_acl.unpack(default) if default is not None else None,
    )


def _from_posix(volume: Volume, stat: Stat, acls: PosixAcls) -> SecurityDescriptor:
    return posix_acl.security_descriptor(
        stat.mode,
        stat.uid,
        stat.gid,
        *acls,
        uid_to_sid=volume.id_map.uid_to_sid,
        gid_to_sid=volume.id_map.gid_to_sid,
        rules=volume.options.access_rules,
    )


def from_posix(volume: Volume, fd: int, stat: Stat) -> SecurityDescriptor:
    """Return what mode and POSIX ACLs of an open file mean as a descriptor.

    Where descriptors can be stored the result looks like one: it is not protected, and a directory passes on to new
    entries what their mode will be.

    Raises:
        OSError: the ACLs cannot be read.
    """
    descriptor = _from_posix(volume, stat, posix_acls(volume, fd, stat))
    options = volume.options
    if not options.acl_xattr or descriptor.dacl is None:
        return descriptor
    dacl = descriptor.dacl
    if stat.is_directory and not passes_on(descriptor, directory=True):
        mode = options.directory_mask | options.force_directory_mode
        dacl = Acl(dacl.aces + posix_acl.inheritable_aces(mode, options.access_rules), dacl.revision)
    return SecurityDescriptor(
        descriptor.owner, descriptor.group, dacl, descriptor.sacl, descriptor.control & ~SE_DACL_PROTECTED
    )


def load(volume: Volume, fd: int, stat: Stat) -> SecurityDescriptor | None:
    """Return the stored descriptor of an open file; None if there is none or the permissions changed since.

    Raises:
        OSError: it cannot be read.
    """
    blob = volume.backend.fgetxattr(fd, volume.options.acl_xattr_name)
    if blob is None:
        return None
    key = (blob, stat.mode, stat.uid, stat.gid)
    checked = _checked.get(key)
    if checked is not None and checked.ctime_ns == stat.ctime_ns:
        return checked.descriptor
    access, default = _acl_xattrs(volume, fd, stat)
    if checked is not None and checked.access == access and checked.default == default:
        descriptor = checked.descriptor
    else:
        descriptor = _validate(volume, stat, blob, _unpack_acls(access, default))
        if len(_checked) >= _CACHE_SIZE and key not in _checked:
            del _checked[next(iter(_checked))]
    _checked[key] = _Checked(descriptor, stat.ctime_ns, access, default)
    return descriptor


def _validate(volume: Volume, stat: Stat, blob: bytes, acls: PosixAcls) -> SecurityDescriptor | None:
    try:
        stored = ntacl.unpack(blob)
    except ntacl.NtAclError as error:
        _log.warning("share %s: %s", volume.share_name, error)
        return None
    if volume.options.acl_ignores_posix:
        return stored.sd
    acl_hash = ntacl.sys_acl_hash(stat.mode, stat.uid, stat.gid, *acls)
    return stored.sd if ntacl.is_current(stored, acl_hash, lambda: _from_posix(volume, stat, acls)) else None


def granted(volume: Volume, token: SecurityToken, fd: int, stat: Stat) -> int | None:
    """Return the rights that the stored descriptor gives `token`; None if there is none.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = load(volume, fd, stat)
    return None if descriptor is None else maximal_access(descriptor, token)


def effective(volume: Volume, fd: int, stat: Stat) -> SecurityDescriptor:
    """Return the descriptor that clients see.

    Raises:
        OSError: it cannot be read.
    """
    if volume.options.acl_xattr:
        stored = load(volume, fd, stat)
        if stored is not None:
            return stored
    return from_posix(volume, fd, stat)


def store(volume: Volume, fd: int, stat: Stat, descriptor: SecurityDescriptor) -> None:
    """Store `descriptor` for an open file whose status is `stat`.

    Raises:
        OSError: it cannot be stored.
        NTStatusError: STATUS_INVALID_SECURITY_DESCR: it is too large.
    """
    try:
        blob = _pack(volume, fd, stat, descriptor)
    except SecurityDescriptorError as error:
        raise NTStatusError(STATUS_INVALID_SECURITY_DESCR, str(error)) from None
    with credentials.as_root():
        volume.backend.fsetxattr(fd, volume.options.acl_xattr_name, blob)


def _pack(volume: Volume, fd: int, stat: Stat, descriptor: SecurityDescriptor) -> bytes:
    if volume.options.acl_ignores_posix:
        return ntacl.pack_unhashed(descriptor)
    acls = posix_acls(volume, fd, stat)
    acl_hash = ntacl.sys_acl_hash(stat.mode, stat.uid, stat.gid, *acls)
    return ntacl.pack(descriptor, _from_posix(volume, stat, acls), acl_hash, times.now())


def parse(data: bytes) -> SecurityDescriptor:
    """Unpack a descriptor that a client sent.

    Raises:
        NTStatusError: STATUS_INVALID_SECURITY_DESCR.
    """
    try:
        return SecurityDescriptor.unpack(data)
    except SecurityDescriptorError as error:
        raise NTStatusError(STATUS_INVALID_SECURITY_DESCR, str(error)) from None


def passes_on(parent: SecurityDescriptor, *, directory: bool) -> bool:
    """Tell whether a directory with the descriptor `parent` passes entries on to a new file or directory."""
    flags = OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE if directory else OBJECT_INHERIT_ACE
    return parent.dacl is not None and any(ace.flags & flags for ace in parent.dacl.aces)

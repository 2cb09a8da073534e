"""Security descriptors beside the POSIX permissions: the xattr security.NTACL, and what to assume where none is."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from vfs.fsa import times
from vfs.ntstatus import STATUS_INVALID_SECURITY_DESCR, NTStatusError
from vfs.posix import credentials, ntacl, posix_acl
from vfs.security import (
    CONTAINER_INHERIT_ACE,
    OBJECT_INHERIT_ACE,
    SecurityDescriptor,
    SecurityDescriptorError,
    create_security_descriptor,
    maximal_access,
)

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.posix.posix_acl import PosixAcl
    from vfs.posix.syscalls import Stat
    from vfs.token import SecurityToken
    from vfs.volume import Volume

_log = logging.getLogger(__name__)

_CACHE_SIZE: Final = 1024
_current: dict[tuple[bytes, int, int, int], SecurityDescriptor | None] = {}
"""Stored descriptors that have been compared with the POSIX permissions, by xattr value, mode, uid and gid.

A change of the POSIX ACL that leaves the mode as it is shows only when the entry leaves the cache; the kernel
enforces it at once in any case.
"""


def _posix_acls(volume: Volume, fd: int, stat: Stat) -> tuple[PosixAcl | None, PosixAcl | None]:
    backend = volume.backend
    access = backend.fgetxattr(fd, posix_acl.ACCESS_XATTR)
    default = backend.fgetxattr(fd, posix_acl.DEFAULT_XATTR) if stat.is_directory else None
    return (
        posix_acl.unpack(access) if access is not None else None,
        posix_acl.unpack(default) if default is not None else None,
    )


def from_posix(volume: Volume, fd: int, stat: Stat) -> SecurityDescriptor:
    """Return what mode and POSIX ACLs of an open file mean as a descriptor.

    Raises:
        OSError: the ACLs cannot be read.
    """
    access, default = _posix_acls(volume, fd, stat)
    return posix_acl.security_descriptor(
        stat.mode,
        stat.uid,
        stat.gid,
        access,
        default,
        uid_to_sid=volume.id_map.uid_to_sid,
        gid_to_sid=volume.id_map.gid_to_sid,
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
    if key not in _current:
        if len(_current) >= _CACHE_SIZE:
            del _current[next(iter(_current))]
        _current[key] = _validate(volume, fd, stat, blob)
    return _current[key]


def _validate(volume: Volume, fd: int, stat: Stat, blob: bytes) -> SecurityDescriptor | None:
    try:
        stored = ntacl.unpack(blob)
    except ntacl.NtAclError as error:
        _log.warning("share %s: %s", volume.share_name, error)
        return None
    access, default = _posix_acls(volume, fd, stat)
    acl_hash = ntacl.sys_acl_hash(stat.mode, stat.uid, stat.gid, access, default)
    return stored.sd if ntacl.is_current(stored, acl_hash, from_posix(volume, fd, stat)) else None


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
    access, default = _posix_acls(volume, fd, stat)
    acl_hash = ntacl.sys_acl_hash(stat.mode, stat.uid, stat.gid, access, default)
    try:
        blob = ntacl.pack(descriptor, from_posix(volume, fd, stat), acl_hash, times.now())
    except SecurityDescriptorError as error:
        raise NTStatusError(STATUS_INVALID_SECURITY_DESCR, str(error)) from None
    with credentials.as_root():
        volume.backend.fsetxattr(fd, volume.options.acl_xattr_name, blob)


def parse(data: bytes) -> SecurityDescriptor:
    """Unpack a descriptor that a client sent.

    Raises:
        NTStatusError: STATUS_INVALID_SECURITY_DESCR.
    """
    try:
        return SecurityDescriptor.unpack(data)
    except SecurityDescriptorError as error:
        raise NTStatusError(STATUS_INVALID_SECURITY_DESCR, str(error)) from None


def initialise(fo: FileObject, given: bytes | None) -> None:
    """Store the first descriptor of a new file: the one given, joined with what the directory passes on.

    Where neither is, nothing is stored and the mode speaks.

    Raises:
        NTStatusError, OSError: it cannot be stored.
    """
    volume = fo.volume
    creator = parse(given) if given is not None else None
    parent_fd = volume.backend.open(fo.path.rpartition(b"/")[0], os.O_PATH | os.O_DIRECTORY)
    try:
        parent = load(volume, parent_fd, volume.backend.stat(parent_fd))
    finally:
        os.close(parent_fd)
    if creator is None and (parent is None or not _passes_on(parent, fo.is_directory)):
        return
    descriptor = create_security_descriptor(parent, creator, fo.token, fo.is_directory)
    apply_mode(fo, descriptor)
    store(volume, fo.fd, fo.stat, descriptor)


def _passes_on(parent: SecurityDescriptor, directory: bool) -> bool:
    flags = OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE if directory else OBJECT_INHERIT_ACE
    return parent.dacl is not None and any(ace.flags & flags for ace in parent.dacl.aces)


def apply_mode(fo: FileObject, descriptor: SecurityDescriptor) -> None:
    """Give the file the mode that comes nearest to `descriptor`, so that local users meet about the same rights.

    Raises:
        OSError: the mode cannot be set.
    """
    volume = fo.volume
    mode = posix_acl.mode_from_security_descriptor(descriptor, fo.stat.mode) & 0o7777
    if mode != fo.stat.mode & 0o7777:
        try:
            volume.backend.fchmod(fo.fd, mode)
        except PermissionError:
            # WRITE_DAC was granted; the kernel wants the owner.
            with credentials.as_root():
                volume.backend.fchmod(fo.fd, mode)
        fo.refresh()

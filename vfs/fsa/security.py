"""Query and set of security information: [MS-FSA] 2.1.5.14, 2.1.5.17."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vfs.access import ACCESS_SYSTEM_SECURITY, READ_CONTROL, WRITE_DAC, WRITE_OWNER
from vfs.constants import (
    DACL_SECURITY_INFORMATION,
    FILE_NOTIFY_CHANGE_SECURITY,
    GROUP_SECURITY_INFORMATION,
    LABEL_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    SACL_SECURITY_INFORMATION,
)
from vfs.fsa import posix_permissions, stored_security
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_MEDIA_WRITE_PROTECTED,
    NTStatusError,
    from_oserror,
)
from vfs.security import (
    SE_DACL_PRESENT,
    SE_SELF_RELATIVE,
    SecurityDescriptor,
    merge_security_descriptor,
)
from vfs.sid import SID_WORLD

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_NEEDS_READ_CONTROL: Final = (
    OWNER_SECURITY_INFORMATION
    | GROUP_SECURITY_INFORMATION
    | DACL_SECURITY_INFORMATION
    | LABEL_SECURITY_INFORMATION
)
_PERMISSIONS: Final = DACL_SECURITY_INFORMATION | OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION
"""What the POSIX permissions follow from: whose rights are the owner's depends on who that is."""
_NO_SECURITY: Final = SecurityDescriptor(SID_WORLD, SID_WORLD, None, None, SE_SELF_RELATIVE | SE_DACL_PRESENT)
"""What clients see without `nt acl support`: everybody's, and everything allowed."""


def query_security(fo: FileObject, security_information: int) -> bytes:
    """Return the parts of the descriptor that `security_information` names, self-relative.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, or what the system call said.
    """
    if security_information & _NEEDS_READ_CONTROL:
        fo.require(READ_CONTROL)
    if security_information & SACL_SECURITY_INFORMATION:
        fo.require(ACCESS_SYSTEM_SECURITY)
    if not fo.volume.options.nt_acl_support:
        return _NO_SECURITY.part(security_information).pack()
    try:
        descriptor = stored_security.effective(fo.volume, fo.fd, fo.refresh())
    except OSError as error:
        raise from_oserror(error, "query security") from None
    return descriptor.part(security_information).pack()


def set_security(fo: FileObject, security_information: int, data: bytes) -> None:
    """Replace the parts of the descriptor that `security_information` names by those of `data`.

    With `acl_xattr` the descriptor is stored, and mode and POSIX ACL follow as near as they can; without it they are
    all. Without `nt acl support` nothing happens.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_SECURITY_DESCR, STATUS_INVALID_OWNER,
            STATUS_INVALID_PRIMARY_GROUP, STATUS_MEDIA_WRITE_PROTECTED, or what the system call said.
    """
    if fo.volume.read_only:
        raise NTStatusError(STATUS_MEDIA_WRITE_PROTECTED, "read-only share")
    if security_information & (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION):
        fo.require(WRITE_OWNER)
    if security_information & DACL_SECURITY_INFORMATION:
        fo.require(WRITE_DAC)
    if security_information & SACL_SECURITY_INFORMATION:
        fo.require(ACCESS_SYSTEM_SECURITY)
    new = stored_security.parse(data)
    options = fo.volume.options
    if not options.nt_acl_support:
        return
    try:
        if options.posix and security_information & DACL_SECURITY_INFORMATION:
            mode = posix_permissions.mode_of(new)
            if mode is not None:
                posix_permissions.change_mode(fo, mode)
                trigger.modified(fo, FILE_NOTIFY_CHANGE_SECURITY)
                return
        old = stored_security.effective(fo.volume, fo.fd, fo.refresh())
        merged = merge_security_descriptor(
            old, new, security_information, canonicalize=options.acl_flag_inherited_canonicalization
        )
        posix_permissions.change_owner(
            fo,
            new.owner if security_information & OWNER_SECURITY_INFORMATION else None,
            new.group if security_information & GROUP_SECURITY_INFORMATION else None,
        )
        if security_information & _PERMISSIONS and merged.has_dacl:
            posix_permissions.apply(fo, merged)
        if options.acl_xattr:
            stored_security.store(fo.volume, fo.fd, fo.stat, merged)
        trigger.modified(fo, FILE_NOTIFY_CHANGE_SECURITY)
    except OSError as error:
        raise from_oserror(error, "set security") from None

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
from vfs.fsa import stored_security
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_INVALID_OWNER,
    STATUS_INVALID_PRIMARY_GROUP,
    STATUS_MEDIA_WRITE_PROTECTED,
    NTStatusError,
    from_oserror,
)
from vfs.posix import credentials
from vfs.security import merge_security_descriptor
from vfs.token import SE_RESTORE_PRIVILEGE, SE_TAKE_OWNERSHIP_PRIVILEGE

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.security import SecurityDescriptor

_NEEDS_READ_CONTROL: Final = (
    OWNER_SECURITY_INFORMATION
    | GROUP_SECURITY_INFORMATION
    | DACL_SECURITY_INFORMATION
    | LABEL_SECURITY_INFORMATION
)
_KEEP: Final = -1


def query_security(fo: FileObject, security_information: int) -> bytes:
    """Return the parts of the descriptor that `security_information` names, self-relative.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, or what the system call said.
    """
    if security_information & _NEEDS_READ_CONTROL:
        fo.require(READ_CONTROL)
    if security_information & SACL_SECURITY_INFORMATION:
        fo.require(ACCESS_SYSTEM_SECURITY)
    try:
        descriptor = stored_security.effective(fo.volume, fo.fd, fo.refresh())
    except OSError as error:
        raise from_oserror(error, "query security") from None
    return descriptor.part(security_information).pack()


def set_security(fo: FileObject, security_information: int, data: bytes) -> None:
    """Replace the parts of the descriptor that `security_information` names by those of `data`.

    With `acl_xattr` the descriptor is stored and the mode follows as near as it can; without it the mode is all.

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
    try:
        old = stored_security.effective(fo.volume, fo.fd, fo.refresh())
        merged = merge_security_descriptor(old, new, security_information)
        _change_owner(fo, old, merged)
        if security_information & DACL_SECURITY_INFORMATION:
            stored_security.apply_mode(fo, merged)
        if fo.volume.options.acl_xattr:
            stored_security.store(fo.volume, fo.fd, fo.stat, merged)
        trigger.modified(fo, FILE_NOTIFY_CHANGE_SECURITY)
    except OSError as error:
        raise from_oserror(error, "set security") from None


def _change_owner(fo: FileObject, old: SecurityDescriptor, new: SecurityDescriptor) -> None:
    """Make owner and group of the file those of `new`.

    Raises:
        NTStatusError: STATUS_INVALID_OWNER, STATUS_INVALID_PRIMARY_GROUP.
        OSError: as the kernel says.
    """
    id_map = fo.volume.id_map
    uid = gid = _KEEP
    if new.owner is not None and new.owner != old.owner:
        found = fo.token.uid if new.owner == fo.token.user_sid else id_map.sid_to_uid(new.owner)
        if found is None:
            raise NTStatusError(STATUS_INVALID_OWNER, f"{new.owner} is no unix user")
        uid = _KEEP if found == fo.stat.uid else found
    if new.group is not None and new.group != old.group:
        found = id_map.sid_to_gid(new.group)
        if found is None:
            raise NTStatusError(STATUS_INVALID_PRIMARY_GROUP, f"{new.group} is no unix group")
        gid = _KEEP if found == fo.stat.gid else found
    if uid == gid == _KEEP:
        return
    token = fo.token
    # WRITE_OWNER lets take a file for oneself; giving it away needs the restore privilege ([MS-FSA] 2.1.5.17).
    if uid == token.uid or token.has_privilege(SE_RESTORE_PRIVILEGE):
        with credentials.as_root():
            fo.volume.backend.fchown(fo.fd, uid, gid)
    elif uid != _KEEP and not token.has_privilege(SE_TAKE_OWNERSHIP_PRIVILEGE) and token.uid != 0:
        raise NTStatusError(STATUS_INVALID_OWNER, "a file cannot be given away")
    else:
        fo.volume.backend.fchown(fo.fd, uid, gid)
    fo.refresh()

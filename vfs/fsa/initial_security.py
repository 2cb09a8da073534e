"""The first security descriptor of a file: what it is given and what its directory passes on ([MS-FSA] 2.1.5.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfs.fsa import posix_permissions, stored_security
from vfs.ntstatus import STATUS_PRIVILEGE_NOT_HELD, NTStatusError
from vfs.posix import credentials, posix_acl
from vfs.security import create_security_descriptor
from vfs.token import SE_SECURITY_PRIVILEGE

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.parent import ParentDirectory
    from vfs.security import SecurityDescriptor
    from vfs.volume import Volume


def equip(fo: FileObject, given: bytes | None, parent: ParentDirectory) -> None:
    """Give a new file its owner, its descriptor and its POSIX permissions.

    Where neither the request nor the directory says anything, nothing is stored and the mode speaks.

    Args:
        fo: the file.
        given: the descriptor of the request.
        parent: its directory.

    Raises:
        NTStatusError: STATUS_INVALID_SECURITY_DESCR, STATUS_INVALID_OWNER, STATUS_INVALID_PRIMARY_GROUP,
            STATUS_PRIVILEGE_NOT_HELD (a SACL).
        OSError: it cannot be stored.
    """
    volume = fo.volume
    options = volume.options
    if options.inherit_owner and parent.stat.uid != fo.stat.uid:
        with credentials.as_root():
            volume.backend.fchown(fo.fd, parent.stat.uid, -1)
        fo.refresh()
    creator = None
    if given is not None and options.nt_acl_support:
        creator = stored_security.parse(given)
        if creator.sacl is not None and not fo.token.has_privilege(SE_SECURITY_PRIVILEGE):
            raise NTStatusError(STATUS_PRIVILEGE_NOT_HELD, "a SACL without the privilege")
        posix_permissions.change_owner(fo, creator.owner, creator.group)
    if options.acl_xattr:
        _initialise(fo, creator, parent.descriptor)
    elif creator is not None and creator.has_dacl:
        posix_permissions.apply(fo, creator)


def _initialise(
    fo: FileObject, creator: SecurityDescriptor | None, parent: SecurityDescriptor | None
) -> None:
    volume = fo.volume
    if creator is None and (parent is None or not stored_security.passes_on(parent, directory=fo.is_directory)):
        return
    owner = None
    if volume.options.inherit_owner_in_descriptor:
        owner = parent.owner if parent is not None else volume.id_map.uid_to_sid(fo.stat.uid)
    descriptor = create_security_descriptor(parent, creator, fo.token, fo.is_directory, owner=owner)
    posix_permissions.apply(fo, descriptor)
    stored_security.store(volume, fo.fd, fo.stat, descriptor)


def has_default_acl(volume: Volume, parent: ParentDirectory) -> bool:
    """Tell whether a directory has a default ACL: with `inherit acls` it replaces the masks.

    Raises:
        OSError: the directory cannot be looked at.
    """
    return volume.backend.fgetxattr(parent.fd, posix_acl.DEFAULT_XATTR) is not None

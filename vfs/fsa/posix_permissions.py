"""Owner, mode and POSIX ACL of a file follow its security descriptor: the kernel is to grant what that grants.

All file access happens as the user. What his handle's rights allow him to change is changed as root where the
kernel wants the owner: the check was made when the file was opened.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from vfs.fsa import stored_security
from vfs.ntstatus import STATUS_INVALID_OWNER, STATUS_INVALID_PRIMARY_GROUP, NTStatusError
from vfs.posix import credentials, posix_acl
from vfs.posix.acl_of_descriptor import Translator, groups_of
from vfs.sid import SID_NFS_MODE
from vfs.token import SE_RESTORE_PRIVILEGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfs.fsa.file_object import FileObject
    from vfs.posix.posix_acl import PosixAcl
    from vfs.security import SecurityDescriptor
    from vfs.sid import Sid
    from vfs.token import SecurityToken

_KEEP: Final = -1
_PERMISSIONS: Final = 0o777
_SPECIAL: Final = 0o7000  # set-user-id, set-group-id, sticky


def apply(fo: FileObject, descriptor: SecurityDescriptor) -> None:
    """Give the file the POSIX ACL that `descriptor` means, or just the mode where that says it all.

    With `acl_xattr:ignore system acls` they do not follow.

    Raises:
        OSError: it cannot be set.
    """
    volume = fo.volume
    if volume.options.acl_ignores_posix:
        return
    stat = fo.refresh()
    translator = Translator(
        stat.uid,
        stat.gid,
        directory=fo.is_directory,
        sid_to_uid=volume.id_map.sid_to_uid,
        sid_to_gid=volume.id_map.sid_to_gid,
        groups=lambda uid: _groups(fo.token, uid),
    )
    access, default = stored_security.posix_acls(volume, fo.fd, stat)
    wanted = translator.access_acl(descriptor)
    if wanted != (access or posix_acl.from_mode(stat.mode)):
        _set_access(fo, wanted, has_acl=access is not None)
    if fo.is_directory:
        wanted_default = translator.default_acl(descriptor)
        if wanted_default != default:
            _set_default(fo, wanted_default)
    fo.refresh()


def _groups(token: SecurityToken, uid: int) -> Collection[int]:
    return (token.gid, *token.groups) if uid == token.uid else groups_of(uid)


def _set_access(fo: FileObject, acl: PosixAcl, *, has_acl: bool) -> None:
    backend = fo.volume.backend
    if has_acl or posix_acl.from_mode(posix_acl.to_mode(acl)) != acl:
        # Three entries given this way make the kernel drop the ACL and set the mode.
        try:
            _as_owner(lambda: backend.fsetxattr(fo.fd, posix_acl.ACCESS_XATTR, posix_acl.pack(acl)))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
        else:
            return
    mode = fo.stat.mode & 0o7000 | posix_acl.to_mode(acl)
    _as_owner(lambda: backend.fchmod(fo.fd, mode))


def mode_of(descriptor: SecurityDescriptor) -> int | None:
    """Return the mode that a client with the POSIX extensions sets by a DACL for S-1-5-88-3-mode alone; else None."""
    aces = () if descriptor.dacl is None else descriptor.dacl.aces
    if len(aces) == 1 and (sid := aces[0].sid) is not None and sid.in_domain(SID_NFS_MODE):
        return sid.rid & (_SPECIAL | _PERMISSIONS)
    return None


def change_mode(fo: FileObject, mode: int) -> None:
    """Set the mode of the file; a stored descriptor that says otherwise ends with that.

    Whoever may change the permissions but is not the owner can take set-user-id, set-group-id and sticky away, not add
    them: what runs with them would be his.

    Raises:
        OSError: it cannot be set.
    """
    backend = fo.volume.backend
    try:
        backend.fchmod(fo.fd, mode)
    except PermissionError:
        with credentials.as_root():
            backend.fchmod(fo.fd, mode & (_PERMISSIONS | backend.stat(fo.fd).mode))
    fo.refresh()


def _set_default(fo: FileObject, acl: PosixAcl | None) -> None:
    backend = fo.volume.backend
    if acl is None:
        _as_owner(lambda: backend.fremovexattr(fo.fd, posix_acl.DEFAULT_XATTR))
        return
    try:
        _as_owner(lambda: backend.fsetxattr(fo.fd, posix_acl.DEFAULT_XATTR, posix_acl.pack(acl)))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise


def _as_owner(change: Callable[[], object]) -> None:
    """Do what WRITE_DAC was granted for; the kernel wants the owner."""
    try:
        change()
    except PermissionError:
        with credentials.as_root():
            change()


def change_owner(fo: FileObject, owner: Sid | None, group: Sid | None) -> None:
    """Make owner and group of the file the Unix user and group that the SIDs stand for; None leaves them.

    WRITE_OWNER lets take a file for oneself; giving it away needs SeRestorePrivilege ([MS-FSA] 2.1.5.17).

    Raises:
        NTStatusError: STATUS_INVALID_OWNER, STATUS_INVALID_PRIMARY_GROUP.
        OSError: as the kernel says.
    """
    token = fo.token
    uid = _KEEP if owner is None else _uid_of(fo, owner)
    gid = _KEEP if group is None else _gid_of(fo, group)
    uid = _KEEP if uid == fo.stat.uid else uid
    gid = _KEEP if gid == fo.stat.gid else gid
    if uid == gid == _KEEP:
        return
    if not (token.has_privilege(SE_RESTORE_PRIVILEGE) or token.uid == 0):
        if uid not in {_KEEP, token.uid}:
            raise NTStatusError(STATUS_INVALID_OWNER, "a file cannot be given away")
        if gid not in {_KEEP, token.gid, *token.groups}:
            raise NTStatusError(STATUS_INVALID_PRIMARY_GROUP, "not a group of the user")
    with credentials.as_root():
        fo.volume.backend.fchown(fo.fd, uid, gid)
    fo.refresh()


def _uid_of(fo: FileObject, sid: Sid) -> int:
    if sid == fo.token.user_sid:
        return fo.token.uid
    uid = fo.volume.id_map.sid_to_uid(sid)
    if uid is not None:
        return uid
    if fo.volume.options.force_unknown_acl_user:
        return fo.token.uid
    raise NTStatusError(STATUS_INVALID_OWNER, f"{sid} is no unix user")


def _gid_of(fo: FileObject, sid: Sid) -> int:
    gid = fo.volume.id_map.sid_to_gid(sid)
    if gid is not None:
        return gid
    if fo.volume.options.force_unknown_acl_user:
        return fo.token.gid
    raise NTStatusError(STATUS_INVALID_PRIMARY_GROUP, f"{sid} is no unix group")

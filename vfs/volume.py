"""One tree connect's view of a directory tree: backend, options and the shared state about opens."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from vfs.fsa.mangle import MANGLED_ILLEGAL
from vfs.fsa.visibility import name_test
from vfs.modules.streams_xattr import DEFAULT_PREFIX, StreamsXattr
from vfs.posix.posix_acl import DEFAULT_RULES
from vfs.sid import SID_UNIX_GROUPS, SID_UNIX_USERS, Sid, unix_group_sid, unix_user_sid

if TYPE_CHECKING:
    from vfs.fsa.known import KnownFile
    from vfs.locking.brlock_db import ByteRangeLocks
    from vfs.locking.kernel_oplock import KernelOplocks
    from vfs.locking.share_mode import ShareModes
    from vfs.notify.notifier import Notifier
    from vfs.posix.backend import PosixBackend

class IdMap(NamedTuple):
    """How unix ids and SIDs translate; the default knows S-1-22-1-uid and S-1-22-2-gid only."""

    uid_to_sid: Callable[[int], Sid] = unix_user_sid
    gid_to_sid: Callable[[int], Sid] = unix_group_sid
    sid_to_uid: Callable[[Sid], int | None] = lambda sid: sid.rid if sid.in_domain(SID_UNIX_USERS) else None
    sid_to_gid: Callable[[Sid], int | None] = lambda sid: sid.rid if sid.in_domain(SID_UNIX_GROUPS) else None


NO_ID_MAP: Final = IdMap()


class VolumeOptions:
    """What the administrator decides about a share, as plain attributes.

    The defaults are those of the smb.conf parameters of the same names. Patterns of `veto_files`, `hide_files` are
    the single patterns, without the slashes of smb.conf.
    """

    __slots__ = (
        "access_rules",
        "acl_flag_inherited_canonicalization",
        "acl_group_control",
        "acl_ignores_posix",
        "acl_xattr",
        "acl_xattr_name",
        "allocation_roundup_size",
        "always_granted",
        "case_sensitive",
        "create_mask",
        "default_case_upper",
        "delete_readonly",
        "delete_veto_files",
        "directory_mask",
        "dos_filetime_resolution",
        "durable_handles",
        "ea_support",
        "force_create_mode",
        "force_directory_mode",
        "force_unknown_acl_user",
        "fstype",
        "hide_dot_files",
        "hide_files",
        "hide_unreadable",
        "hide_unwriteable_files",
        "inherit_acls",
        "inherit_owner",
        "inherit_owner_in_descriptor",
        "inherit_permissions",
        "level2_oplocks",
        "mangled_names",
        "map_archive",
        "map_hidden",
        "map_readonly",
        "map_system",
        "nt_acl_support",
        "oplocks",
        "persistent_handles",
        "posix",
        "posix_locking",
        "preserve_case",
        "short_preserve_case",
        "store_dos_attributes",
        "streams_xattr",
        "streams_xattr_prefix",
        "streams_xattr_store_type",
        "strict_allocate",
        "strict_locking",
        "strict_sync",
        "sync_always",
        "veto_files",
        "veto_oplock_files",
        "volume_label",
        "volume_serial",
    )

    def __init__(self) -> None:
        self.case_sensitive = False
        self.preserve_case = True
        self.short_preserve_case = True
        self.default_case_upper = False
        self.strict_allocate = False
        self.allocation_roundup_size = 0
        self.dos_filetime_resolution = False
        self.create_mask = 0o744
        self.force_create_mode = 0
        self.directory_mask = 0o755
        self.durable_handles = False
        """Opens may outlive their connection: nothing about them is known to the kernel alone."""
        self.persistent_handles = False
        """Opens may outlive the server, if they are asked to: `continuous availability`."""
        self.force_directory_mode = 0
        self.inherit_permissions = False
        self.inherit_acls = False
        self.inherit_owner = False
        self.inherit_owner_in_descriptor = False
        """`inherit owner = windows and unix`: the owner in the descriptor is the directory's, too."""
        self.store_dos_attributes = True
        self.map_archive = True
        self.map_hidden = False
        self.map_system = False
        self.map_readonly = False
        self.hide_dot_files = True
        self.hide_files: list[str] = []
        self.hide_unreadable = False
        self.hide_unwriteable_files = False
        self.veto_files: list[str] = []
        self.delete_veto_files = False
        self.delete_readonly = False
        self.access_rules = DEFAULT_RULES
        """What permission bits mean: `acl map full control`, `dos filemode`."""
        self.acl_group_control = False
        self.acl_flag_inherited_canonicalization = True
        self.always_granted = 0
        """Rights that no check refuses: FILE_EXECUTE with `acl allow execute always`."""
        self.nt_acl_support = True
        self.force_unknown_acl_user = False
        self.ea_support = True
        self.acl_xattr = False
        self.acl_ignores_posix = False
        """`acl_xattr:ignore system acls`: stored descriptors and POSIX permissions do not follow each other."""
        self.acl_xattr_name = "security.NTACL"
        self.mangled_names = MANGLED_ILLEGAL
        self.posix = False
        """The view of the share that opens with the POSIX extensions of SMB 3.1.1 have."""
        self.posix_locking = True
        self.strict_locking = True
        self.oplocks = True
        self.level2_oplocks = True
        self.veto_oplock_files: list[str] = []
        self.strict_sync = True
        self.streams_xattr = False
        self.streams_xattr_prefix = DEFAULT_PREFIX
        self.streams_xattr_store_type = True
        self.sync_always = False
        self.fstype = "NTFS"
        self.volume_label = ""
        self.volume_serial = 0
        """0: made from the share's name."""


class Volume:
    """The object store of one tree connect ([MS-FSA] 2.1.1.1).

    Attributes:
        share_name: name of the share.
        share_path: the share's root directory, as share-mode records show it.
        backend: file system access beneath the share's root.
        options: the administrator's choices; not to be changed afterwards.
        share_modes: the record of all opens of all processes.
        byte_locks: the byte-range locks of all processes; None if none are kept (`locking = no`).
        checked_locks: those that reads and writes have to respect; None without `strict locking`.
        notifier: tells who watches directories; None if nobody can.
        kernel_oplocks: backs oplocks by leases of the kernel; None without `kernel oplocks`.
        read_only: nothing may be changed through this tree connect: share and user decide (`read only`, `read list`),
            so another user's authentication changes it.
        attribute_block: bytes of the block that file systems like ext4 give to extended attributes that do not fit
            the inode, and count among those of the file; 0 once it is known that this one cannot be asked.
        streams: the store of named streams; None without them.
        id_map: translates owners and groups.
        local_devices: whether only this kernel changes the files of a device, by its number.
        known: files that were looked at lately, by path: `vfs.fsa.known`.
        vetoed, hidden, without_oplocks: tell whether a component is in `veto files`, `hide files`,
            `veto oplock files`; None if there are none.
    """

    __slots__ = (
        "_prefix",
        "attribute_block",
        "backend",
        "byte_locks",
        "checked_locks",
        "hidden",
        "id_map",
        "kernel_oplocks",
        "known",
        "local_devices",
        "notifier",
        "options",
        "read_only",
        "share_modes",
        "share_name",
        "share_path",
        "streams",
        "vetoed",
        "without_oplocks",
    )

    def __init__(
        self,
        share_name: str,
        backend: PosixBackend,
        options: VolumeOptions,
        share_modes: ShareModes,
        id_map: IdMap = NO_ID_MAP,
        *,
        read_only: bool = False,
        byte_locks: ByteRangeLocks | None = None,
        notifier: Notifier | None = None,
        kernel_oplocks: KernelOplocks | None = None,
    ) -> None:
        self.id_map = id_map
        self.share_name = share_name
        self.backend = backend
        self.options = options
        self.share_modes = share_modes
        self.byte_locks = byte_locks
        self.notifier = notifier
        self.kernel_oplocks = kernel_oplocks
        self.checked_locks = byte_locks if options.strict_locking else None
        self.read_only = read_only
        self.known: dict[bytes, KnownFile] = {}
        self.local_devices: dict[int, bool] = {}
        self.attribute_block = backend.fstatvfs(backend.root_fd).f_bsize
        self.streams = (
            StreamsXattr(
                backend,
                prefix=options.streams_xattr_prefix,
                store_type=options.streams_xattr_store_type,
                case_sensitive=options.case_sensitive,
            )
            if options.streams_xattr
            else None
        )
        self.share_path = os.path.realpath(backend.root)
        self._prefix = os.fsencode(self.share_path).rstrip(b"/")
        self.vetoed = name_test(options.veto_files, not options.case_sensitive)
        self.hidden = name_test(options.hide_files, not options.case_sensitive)
        self.without_oplocks = name_test(options.veto_oplock_files, not options.case_sensitive)

    def full_path(self, path: bytes) -> bytes:
        """Return the absolute unix path of the share-relative `path`."""
        return self._prefix + b"/" + path if path else self._prefix or b"/"

    def relative_path(self, full_path: bytes) -> bytes | None:
        """Return the share-relative path of the absolute `full_path`; None if it lies outside the share."""
        prefix = self._prefix + b"/"
        return full_path[len(prefix) :] if full_path.startswith(prefix) else None

"""One tree connect's view of a directory tree: backend, options and the shared state about opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vfs.locking.share_mode import ShareModes
    from vfs.posix.backend import PosixBackend

MANGLED_NO: Final = 0
"""`mangled names = no`: there are no short names."""
MANGLED_YES: Final = 1
"""`mangled names = yes`: every name that is not 8.3 has a short name."""
MANGLED_ILLEGAL: Final = 2
"""`mangled names = illegal`: only names that a Windows client cannot spell have a short name."""


class VolumeOptions:
    """What the administrator decides about a share, as plain attributes.

    The defaults are those of the smb.conf parameters of the same names. Patterns of `veto_files`, `hide_files` are
    the single patterns, without the slashes of smb.conf.
    """

    __slots__ = (
        "acl_xattr",
        "acl_xattr_name",
        "case_sensitive",
        "create_mask",
        "delete_readonly",
        "delete_veto_files",
        "directory_mask",
        "dos_filemode",
        "ea_support",
        "force_create_mode",
        "force_directory_mode",
        "fstype",
        "hide_dot_files",
        "hide_files",
        "hide_special_files",
        "hide_unreadable",
        "inherit_acls",
        "inherit_owner",
        "inherit_permissions",
        "mangled_names",
        "map_archive",
        "map_hidden",
        "map_readonly",
        "map_system",
        "preserve_case",
        "read_only",
        "store_dos_attributes",
        "strict_sync",
        "sync_always",
        "veto_files",
        "volume_label",
        "volume_serial",
    )

    def __init__(self) -> None:
        self.read_only = False
        self.case_sensitive = False
        self.preserve_case = True
        self.create_mask = 0o744
        self.force_create_mode = 0
        self.directory_mask = 0o755
        self.force_directory_mode = 0
        self.inherit_permissions = False
        self.inherit_acls = False
        self.inherit_owner = False
        self.store_dos_attributes = True
        self.map_archive = True
        self.map_hidden = False
        self.map_system = False
        self.map_readonly = False
        self.hide_dot_files = True
        self.hide_special_files = False
        self.hide_unreadable = False
        self.hide_files: list[str] = []
        self.veto_files: list[str] = []
        self.delete_veto_files = False
        self.delete_readonly = False
        self.dos_filemode = False
        self.ea_support = True
        self.acl_xattr = False
        self.acl_xattr_name = "security.NTACL"
        self.mangled_names = MANGLED_ILLEGAL
        self.strict_sync = True
        self.sync_always = False
        self.fstype = "NTFS"
        self.volume_label = ""
        self.volume_serial = 0
        """0: made from the share's name."""


class Volume:
    """The object store of one tree connect ([MS-FSA] 2.1.1.1).

    Attributes:
        share_name: name of the share, part of what share-mode entries record.
        backend: file system access beneath the share's root.
        options: the administrator's choices.
        share_modes: the record of all opens of all processes.
        read_only: nothing may be changed through this tree connect (share or user decides: `read only`, `read list`).
    """

    __slots__ = ("backend", "options", "read_only", "share_modes", "share_name")

    def __init__(
        self, share_name: str, backend: PosixBackend, options: VolumeOptions, share_modes: ShareModes
    ) -> None:
        self.share_name = share_name
        self.backend = backend
        self.options = options
        self.share_modes = share_modes
        self.read_only = options.read_only

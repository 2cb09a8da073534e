"""From the parameters of a share to the `vfs` volume that serves it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from smbd.config.enums import (
    INHERIT_OWNER_NO,
    INHERIT_OWNER_WINDOWS_AND_UNIX,
    MANGLED_NAMES_NO,
    MANGLED_NAMES_YES,
    MAP_READONLY_NO,
)
from smbd.config.loadparm import ShareParams
from vfs.access import FILE_EXECUTE
from vfs.fsa.mangle import MANGLED_ILLEGAL, MANGLED_NO, MANGLED_YES
from vfs.modules.base import ModuleError
from vfs.modules.loader import stack
from vfs.modules.streams_xattr import DEFAULT_PREFIX
from vfs.ntstatus import STATUS_BAD_NETWORK_NAME, NTStatusError
from vfs.posix.backend import PosixBackend
from vfs.posix.posix_acl import AccessRules
from vfs.volume import Volume, VolumeOptions

if TYPE_CHECKING:
    from smbd.context import ServerContext

_log = logging.getLogger(__name__)

_MANGLED: Final = {MANGLED_NAMES_NO: MANGLED_NO, MANGLED_NAMES_YES: MANGLED_YES}
_SAME_NAME: Final = (
    "acl_flag_inherited_canonicalization",
    "acl_group_control",
    "create_mask",
    "delete_readonly",
    "delete_veto_files",
    "directory_mask",
    "dos_filetime_resolution",
    "ea_support",
    "force_create_mode",
    "force_directory_mode",
    "fstype",
    "hide_dot_files",
    "hide_unreadable",
    "hide_unwriteable_files",
    "inherit_acls",
    "inherit_permissions",
    "map_archive",
    "map_hidden",
    "map_system",
    "nt_acl_support",
    "oplocks",
    "posix_locking",
    "preserve_case",
    "short_preserve_case",
    "store_dos_attributes",
    "strict_allocate",
    "allocation_roundup_size",
    "strict_sync",
)
_NTACL_XATTR: Final = "security.NTACL"


def volume_options(share: ShareParams) -> VolumeOptions:
    """Return the options that a share's parameters mean."""
    options = VolumeOptions()
    for name in _SAME_NAME:
        setattr(options, name, getattr(share, name))
    # The kernel has leases that break when somebody writes, but not for files that are open for writing.
    options.level2_oplocks = share.level2_oplocks and not share.kernel_oplocks
    options.case_sensitive = bool(share.case_sensitive)
    options.default_case_upper = share.default_case == "upper"
    options.map_readonly = share.map_readonly != MAP_READONLY_NO
    # Locks of the kernel fall with the descriptor, so these parameters exclude handles that outlive theirs.
    options.durable_handles = share.durable_handles and not (
        share.kernel_oplocks or share.kernel_share_modes or share.posix_locking
    )
    # Samba before 4.25 knows only the second name.
    options.persistent_handles = options.durable_handles and (
        share.continuous_availability or share.parametric_bool("smb3 share cap:CONTINUOUS AVAILABILITY", default=False)
    )
    options.inherit_owner = share.inherit_owner != INHERIT_OWNER_NO
    options.inherit_owner_in_descriptor = share.inherit_owner == INHERIT_OWNER_WINDOWS_AND_UNIX
    options.mangled_names = _MANGLED.get(share.mangled_names, MANGLED_ILLEGAL)
    options.hide_files = split_patterns(share.hide_files)
    options.veto_files = split_patterns(share.veto_files)
    options.veto_oplock_files = split_patterns(share.veto_oplock_files)
    options.sync_always = share.sync_always
    options.acl_xattr = "acl_xattr" in share.vfs_objects
    # The module brings these along, as Samba's does.
    options.access_rules = AccessRules(share.acl_map_full_control, share.dos_filemode or options.acl_xattr)
    options.force_unknown_acl_user = share.force_unknown_acl_user or options.acl_xattr
    options.always_granted = FILE_EXECUTE if share.acl_allow_execute_always else 0
    options.acl_xattr_name = share.parametric("acl_xattr:security_acl_name", _NTACL_XATTR)
    if options.acl_xattr and share.parametric_bool("acl_xattr:ignore system acls", default=False):
        _ignore_posix_permissions(options)
    # Auto means: where it is needed. Looking costs less than finding out.
    options.strict_locking = share.strict_locking is not False
    options.streams_xattr = "streams_xattr" in share.vfs_objects
    options.streams_xattr_prefix = share.parametric("streams_xattr:prefix", DEFAULT_PREFIX)
    options.streams_xattr_store_type = share.parametric_bool("streams_xattr:store_stream_type", default=True)
    options.volume_label = share.volume or share.name
    options.volume_serial = max(share.volume_serial_number, 0)
    return options


def _ignore_posix_permissions(options: VolumeOptions) -> None:
    """Let descriptors alone decide: the kernel lets everybody do everything with what is created."""
    options.acl_ignores_posix = True
    options.create_mask = 0o666
    options.directory_mask = 0o777
    options.store_dos_attributes = True
    options.map_archive = options.map_hidden = options.map_system = options.map_readonly = False


def split_patterns(text: str) -> list[str]:
    """Split a list of name patterns as `veto files` has it: ``/*.exe/._*/``."""
    return [pattern for pattern in text.split("/") if pattern]


def _make_posix(options: VolumeOptions) -> None:
    """Make the options those of a view in which names and modes are as in Unix."""
    options.posix = True
    options.preserve_case = options.short_preserve_case = True
    options.mangled_names = MANGLED_NO


def make_volume(
    ctx: ServerContext,
    share: ShareParams,
    path: str,
    *,
    read_only: bool,
    expand: Callable[[str], str] = str,
    posix: bool = False,
) -> Volume:
    """Open the root of a share and stack its modules on it.

    Args:
        ctx: the server.
        share: the share.
        path: its root directory.
        read_only: this user may not change anything.
        expand: replaces the %-variables in the options of modules.
        posix: it is for opens with the POSIX extensions.

    Raises:
        OSError: the directory does not exist or the user may not enter it.
        NTStatusError: STATUS_BAD_NETWORK_NAME: one of the modules cannot be used.
    """
    backend = PosixBackend(
        path,
        follow_symlinks=share.follow_symlinks,
        wide_links=share.wide_links,
        case_sensitive=posix or bool(share.case_sensitive),
    )
    try:
        stacked = stack(backend, share.vfs_objects, share.name, share.parametric, expand)
    except ModuleError as error:
        backend.close()
        _log.error("share %s cannot be used: %s", share.name, error)
        raise NTStatusError(STATUS_BAD_NETWORK_NAME, f"share {share.name}: {error}") from error
    options = volume_options(share)
    if posix:
        _make_posix(options)
    if ctx.databases.persistent is None:
        options.persistent_handles = False
    return Volume(
        share.name,
        stacked,
        options,
        ctx.databases.share_modes,
        ctx.id_map,
        read_only=read_only,
        byte_locks=ctx.databases.byte_locks if share.locking else None,
        notifier=ctx.notifier,
        kernel_oplocks=ctx.kernel_oplocks() if share.kernel_oplocks else None,
    )

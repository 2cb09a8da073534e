"""Share parameters about names, attributes, permissions and what of a directory is shown."""

from __future__ import annotations

from smbd.config.enums import (
    AUTO_BOOL,
    DEFAULT_CASE,
    INHERIT_OWNER,
    INHERIT_OWNER_NO,
    MANGLED_NAMES,
    MANGLED_NAMES_ILLEGAL,
    MAP_READONLY,
    MAP_READONLY_NO,
)
from smbd.config.registry import ACCEPTED, KNOWN, SHARE, Param, ParameterSet
from smbd.config.values import BOOL, CHAR, COUNT, OCTAL, SIZE, STRING, WORDS, IntType


class ShareFileParams(ParameterSet, scope=SHARE):
    """How files of the share look and which mode new ones get."""

    create_mask = Param(OCTAL, 0o744, "Permission bits a new file may have at most.", synonyms=("create mode",))
    force_create_mode = Param(OCTAL, 0, "Permission bits every new file has.")
    directory_mask = Param(
        OCTAL, 0o755, "Permission bits a new directory may have at most.", synonyms=("directory mode",)
    )
    force_directory_mode = Param(OCTAL, 0, "Permission bits every new directory has.")
    inherit_permissions = Param(
        BOOL, False, "New files and directories take the mode of their directory instead of the masks."
    )
    inherit_acls = Param(BOOL, False, "New directories get the default ACL of their parent.")
    inherit_owner = Param(
        INHERIT_OWNER, INHERIT_OWNER_NO, "New files and directories belong to the owner of their directory."
    )
    case_sensitive = Param[bool | None](
        AUTO_BOOL,
        None,
        "File names that differ in case are different files. Auto means no.",
        synonyms=("casesignames",),
    )
    smb3_unix_extensions = Param(
        BOOL,
        True,
        """Serve the POSIX extensions of SMB 3.1.1 (Linux: `mount -o posix`). In [global] it says whether clients are
        told of them, in a share whether opens may ask for them.""",
        since="4.18",
    )
    default_case = Param(DEFAULT_CASE, "lower", "The case of new names where case is not preserved.")
    preserve_case = Param(BOOL, True, "New names keep the case the client gave them.")
    short_preserve_case = Param(
        BOOL, True, "New names of 8.3 form that are all upper case keep it, if `preserve case` is on."
    )
    mangled_names = Param(
        MANGLED_NAMES,
        MANGLED_NAMES_ILLEGAL,
        """Short names: `yes` gives one to every file whose name is not of 8.3 form, `illegal` to those with
        characters that Windows does not allow, `no` to none.""",
    )
    mangling_char = Param(CHAR, "~", "The character that marks a short name.", status=KNOWN)
    follow_symlinks = Param(BOOL, True, "Follow symbolic links that stay within the share.")
    wide_links = Param(
        BOOL, False, "Follow symbolic links that lead out of the share. Dangerous where users can make links."
    )
    hide_dot_files = Param(BOOL, True, "Files whose name begins with a dot have the hidden attribute.")
    hide_files = Param(STRING, "", "Names, separated by slashes and with wildcards, that have the hidden attribute.")
    hide_special_files = Param(BOOL, False, "Do not list sockets, devices and pipes.")
    hide_unreadable = Param(BOOL, False, "Do not list files that the user may not read.")
    hide_unwriteable_files = Param(BOOL, False, "Do not list files that the user may not write.")
    hide_new_files_timeout = Param(COUNT, 0, "Do not list files younger than this many seconds.", status=KNOWN)
    veto_files = Param(STRING, "", "Names, separated by slashes and with wildcards, that do not exist for clients.")
    delete_veto_files = Param(BOOL, False, "Deleting a directory also deletes the vetoed files in it.")
    veto_oplock_files = Param(STRING, "", "Names on which no oplocks are granted.")
    dont_descend = Param(STRING, "", "Directories, separated by commas, that are always shown as empty.", status=KNOWN)
    store_dos_attributes = Param(BOOL, True, "Keep DOS attributes and creation time in an extended attribute.")
    map_archive = Param(BOOL, True, "Without stored attributes: archive is the owner's x bit.")
    map_hidden = Param(BOOL, False, "Without stored attributes: hidden is the others' x bit.")
    map_system = Param(BOOL, False, "Without stored attributes: system is the group's x bit.")
    map_readonly = Param(
        MAP_READONLY,
        MAP_READONLY_NO,
        "Without stored attributes: read-only is the absence of write permission.",
    )
    delete_readonly = Param(BOOL, False, "Files with the read-only attribute may be deleted.")
    dos_filemode = Param(BOOL, False, "Who may write a file may also change its permissions.")
    dos_filetimes = Param(BOOL, True, "Who may write a file may also set its times.", status=ACCEPTED)
    dos_filetime_resolution = Param(BOOL, False, "Show write times rounded down to two seconds.")
    ea_support = Param(BOOL, True, "Serve extended attributes.")
    nt_acl_support = Param(BOOL, True, "Show Unix permissions as Windows ACLs and let clients change them.")
    acl_group_control = Param(BOOL, False, "Members of a file's group may change its ACL.")
    acl_map_full_control = Param(BOOL, True, "Show the Unix permission rwx as full control.")
    acl_allow_execute_always = Param(BOOL, False, "Opening for execution needs no x permission.")
    acl_check_permissions = Param(BOOL, True, "Whether deleting asks the ACL; always done.", status=ACCEPTED)
    acl_flag_inherited_canonicalization = Param(
        BOOL, True, "A list that a client sets counts as inherited automatically only if it asks for that."
    )
    force_unknown_acl_user = Param(
        BOOL, False, "An unknown owner in a descriptor that a client sets stands for the user himself."
    )
    map_acl_inherit = Param(BOOL, False, "Keep the inheritance flags of ACLs in an extended attribute.", status=KNOWN)
    fstype = Param(STRING, "NTFS", "The name of the file system reported to clients.")
    volume = Param(STRING, "", "The volume label reported to clients; the share's name unless set.")
    volume_serial_number = Param(
        IntType(), -1, "The volume serial number reported to clients; -1 makes one from the names."
    )
    block_size = Param(SIZE, 1024, "The unit in bytes of free space reported to clients.", status=ACCEPTED)
    allocation_roundup_size = Param(SIZE, 0, "Round the reported allocation size up to a multiple of this.")
    dfree_command = Param(STRING, "", "A command that prints total and free blocks.", status=KNOWN)
    dfree_cache_time = Param(COUNT, 0, "How long the answer of `dfree command` is good, in seconds.", status=KNOWN)
    fake_directory_create_times = Param(
        BOOL, False, "Report the creation time of all directories as 1980.", status=KNOWN
    )
    administrative_share = Param(BOOL, False, "Mark the share as an administrative one.", status=KNOWN)
    vfs_objects = Param[list[str]](
        WORDS,
        [],
        "The stackable modules of the share, outermost first (docs/VFS_MODULES.md). One that cannot be used closes it.",
        synonyms=("vfs object",),
    )
    vfs_mkdir_use_tmp_name = Param[bool | None](
        AUTO_BOOL,
        None,
        "Create a directory under a temporary name until it has its ACL.",
        status=ACCEPTED,
        since="4.22",
    )
    msdfs_root = Param(BOOL, False, "The share is the root of a DFS tree.", status=KNOWN)
    msdfs_proxy = Param(STRING, "", "Clients of the share are referred to this one.", status=KNOWN)

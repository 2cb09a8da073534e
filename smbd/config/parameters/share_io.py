"""Share parameters about locks, caching by clients and reading and writing."""

from __future__ import annotations

from smbd.config.enums import AUTO_BOOL, CSC_MANUAL, CSC_POLICY
from smbd.config.registry import ACCEPTED, KNOWN, SHARE, Param, ParameterSet
from smbd.config.values import BOOL, COUNT, SIZE, STRING


class ShareIoParams(ParameterSet, scope=SHARE):
    """Oplocks, locks, handles, synchronous and asynchronous I/O."""

    oplocks = Param(BOOL, True, "Grant oplocks and leases on files of the share.")
    level2_oplocks = Param(BOOL, True, "Grant read-only oplocks as well.")
    kernel_oplocks = Param(
        BOOL,
        False,
        "Break oplocks when a local program opens the file. Leases and level II oplocks are not granted then; "
        "in [global], no share grants leases.",
    )
    kernel_share_modes = Param(
        BOOL,
        False,
        "The kernel has no share modes any more: Linux 5.15 took mandatory locks (`LOCK_MAND`) away.",
        status=ACCEPTED,
    )
    fake_oplocks = Param(BOOL, False, "Grant every oplock and never break one; loses data.", status=KNOWN)
    durable_handles = Param(BOOL, True, "Keep open files for clients that lose their connection.")
    locking = Param(BOOL, True, "Off: accept all byte-range locks without keeping them.")
    blocking_locks = Param(BOOL, True, "Let a lock request wait until the range is free.")
    strict_locking = Param[bool | None](
        AUTO_BOOL,
        None,
        "Check byte-range locks on every read and write; Auto where it is needed.",
    )
    posix_locking = Param(BOOL, True, "Byte-range locks are also POSIX locks, for local programs.")
    csc_policy = Param(CSC_POLICY, CSC_MANUAL, "What clients may keep offline.")
    strict_sync = Param(BOOL, True, "A flush by the client waits until the data are on disk.")
    sync_always = Param(BOOL, False, "Every write waits until the data are on disk.")
    strict_allocate = Param(BOOL, False, "Allocate the whole space when a file is extended.")
    strict_rename = Param(
        BOOL, False, "Refuse to rename a directory in which any process has a file open.", status=KNOWN
    )
    use_sendfile = Param(BOOL, False, "Large reads always use it where it can work.", status=ACCEPTED)
    aio_read_size = Param(SIZE, 1, "Reads leave the main loop when they would block.", status=ACCEPTED)
    aio_write_size = Param(SIZE, 1, "Writes go to the page cache, and flushes leave the main loop.", status=ACCEPTED)
    aio_write_behind = Param(STRING, "", "Not needed: see `aio write size`.", status=ACCEPTED)
    smbd_async_dosmode = Param(BOOL, False, "Attributes are read while listing.", status=ACCEPTED)
    smbd_max_async_dosmode = Param(COUNT, 0, "Attributes are read while listing.", status=ACCEPTED)
    smbd_max_xattr_size = Param(COUNT, 65536, "The greatest size of an extended attribute in bytes.", status=KNOWN)
    smbd_search_ask_sharemode = Param(
        BOOL, True, "Listings show times as writers of open files have left them.", status=ACCEPTED
    )
    smbd_getinfo_ask_sharemode = Param(
        BOOL, True, "Queries show times as writers of open files have left them.", status=ACCEPTED
    )
    directory_name_cache_size = Param(COUNT, 100, "How many names are remembered per directory.", status=ACCEPTED)
    honor_change_notify_privilege = Param(
        BOOL, False, "Notify only of files in directories that the user may traverse.", status=KNOWN
    )
    check_parent_directory_delete_on_close = Param(
        BOOL,
        False,
        "Look for a pending delete of the parent directory when creating a file.",
        status=ACCEPTED,
    )

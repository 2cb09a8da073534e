"""The files of one share, every one reached beneath the descriptor of its root.

Walks are the kernel's (``openat2`` with RESOLVE_BENEATH), so no race with a rename or a planted symbolic link
can lead outside. Changes to names happen on the pair (parent directory opened that way, last component).

Symbolic links follow Samba's policy (``follow symlinks``, ``wide links``): with the defaults a link works if
its target lies inside the share, however it is written; any other link looks as if it were not there.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat as stat_module
from collections.abc import Callable
from typing import Final

import msgspec

from vfs.posix import syscalls
from vfs.posix.descriptors import DescriptorCalls
from vfs.posix.name_cache import MAX_DIRECTORIES, NameCache
from vfs.posix.names import fold_bytes, to_bytes
from vfs.posix.syscalls import Stat

_CREATES: Final = os.O_CREAT | (os.O_TMPFILE & ~os.O_DIRECTORY)
_SET_ID: Final = stat_module.S_ISUID | stat_module.S_ISGID
_O_SEARCH: Final = os.O_PATH | os.O_DIRECTORY
_BROKEN_RULES: Final = frozenset({errno.EXDEV, errno.ELOOP})
"""What openat2 says of a path that does not keep to the rules of the share."""


class NoSuchName(msgspec.Struct, frozen=True, gc=False):
    """What `PosixBackend.resolve` returns for a path that leads nowhere.

    Attributes:
        missing_last: its directory exists, only the last component does not.
        parent: the on-disk spelling of that directory if `missing_last`.
        populated: the directory is known to have other entries.
        occupied: the last component exists, but is a symbolic link that dangles or is not allowed.
    """

    missing_last: bool
    parent: bytes = b""
    populated: bool = False
    occupied: bool = False

    def new_path(self, path: bytes) -> bytes:
        """Where the missing `path` can be created: the directory as it is spelled, the last component as in `path`."""
        return _join(self.parent, path[path.rfind(b"/") + 1 :])


_NO_DIRECTORY: Final = NoSuchName(missing_last=False)


class LinkRefusedError(FileNotFoundError):
    """A symbolic link on the way is not allowed by the policy of the share."""

    def __init__(self, path: bytes) -> None:
        super().__init__(errno.ENOENT, "symbolic link not allowed", path)


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _check_inside(path: bytes) -> None:
    """Refuse a path that leaves the share by itself: where links may, the kernel does not look.

    Raises:
        OSError: EXDEV.
    """
    if path[:1] == b"/" or b".." in path.split(b"/"):
        raise OSError(errno.EXDEV, "the path itself leaves the share", path)


class PosixBackend(DescriptorCalls):
    """One share root. Paths are relative to it, ``b""`` is the root itself; failures are `OSError`.

    Attributes:
        root: the path it was opened by.
        real_root: the same without symbolic links.
        root_fd: an O_PATH descriptor of it.
        direct: what descriptors read is what clients are to see, without `preadv`.
        keeps_snapshots: there may be older states of the share.
        stamps_attributes: who changes extended attributes changes the change time of the file.
        shown_name, disk_name: translate a name on disk to that which clients see, and back; None if they are the same.
        case_sensitive: `resolve` looks for the exact spelling only.

    Raises:
        OSError: the root cannot be opened or is no directory.
    """

    direct = True
    keeps_snapshots = False
    stamps_attributes = True
    shown_name: Callable[[str], str] | None = None
    disk_name: Callable[[str], str] | None = None

    def __init__(
        self,
        root: str,
        *,
        follow_symlinks: bool = True,
        wide_links: bool = False,
        case_sensitive: bool = False,
        name_cache: NameCache | None = None,
    ) -> None:
        self.root = root
        self.case_sensitive = case_sensitive
        self.root_fd = os.open(root, _O_SEARCH | os.O_CLOEXEC)
        self.real_root = os.fsencode(os.path.realpath(root))
        self._beneath = not (follow_symlinks and wide_links)
        self._may_follow = follow_symlinks and not wide_links
        self._resolve_flags = syscalls.RESOLVE_NO_MAGICLINKS
        if self._beneath:
            self._resolve_flags |= syscalls.RESOLVE_BENEATH
        if not follow_symlinks:
            self._resolve_flags |= syscalls.RESOLVE_NO_SYMLINKS
        self.names = name_cache or NameCache()
        #: Directories as they were when names were last looked up in them.
        self._directories: dict[bytes, Stat] = {}

    def close(self) -> None:
        """Give the root descriptor back; the backend is unusable afterwards. A second call does nothing."""
        if self.root_fd >= 0:
            os.close(self.root_fd)
            self.root_fd = -1
            self.names.close()

    # Opening and resolving

    def open(self, path: bytes, flags: int, mode: int = 0) -> int:
        """A new descriptor for `path`, close-on-exec; it never lies outside the share (unless wide links are on).

        Raises:
            LinkRefusedError: a symbolic link on the way is not allowed.
            OSError: as the kernel says.
        """
        if not self._beneath:
            _check_inside(path)
        mode = mode if flags & _CREATES else 0
        fd = syscalls.openat2(self.root_fd, path or b".", flags, mode, self._resolve_flags)
        return fd if fd >= 0 else self._open_refused(-fd, path, flags, mode)

    def open_existing(self, path: bytes, flags: int) -> int | None:
        """As `open` of what exists; None if there is no such name, or only a link that is not allowed.

        Raises:
            OSError: any other failure.
        """
        if not self._beneath:
            _check_inside(path)
        fd = syscalls.openat2(self.root_fd, path or b".", flags, 0, self._resolve_flags)
        if fd >= 0:
            return fd
        if fd == -errno.ENOENT:
            return None
        try:
            return self._open_refused(-fd, path, flags, 0)
        except FileNotFoundError:
            return None

    def _open_refused(self, code: int, path: bytes, flags: int, mode: int) -> int:
        """Open what the kernel refused with the errno `code`, if that is because of a link that is allowed.

        Raises:
            LinkRefusedError, OSError: as `open`.
        """
        if code == errno.EXDEV and self._may_follow:
            return self._open_target(path, flags, mode)
        if code in _BROKEN_RULES:
            raise LinkRefusedError(path)
        raise syscalls.os_error(code, path)

    def _open_target(self, path: bytes, flags: int, mode: int) -> int:
        """Open through a link the kernel thinks leads out: absolute ones that point into the share do not.

        Where the path leads is found out by name, which can race; the open then is beneath the root and follows
        no link at all, so that losing the race means failure, not escape.
        """
        full = _join(self.real_root, path)
        if flags & os.O_NOFOLLOW:
            head, last = os.path.split(full)
            target = _join(os.path.realpath(head), last)
        else:
            target = os.path.realpath(full)
        prefix = self.real_root.rstrip(b"/") + b"/"
        if target != self.real_root and not target.startswith(prefix):
            raise LinkRefusedError(path)
        fd = syscalls.openat2(
            self.root_fd,
            target[len(prefix) :] or b".",
            flags,
            mode,
            syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS,
        )
        if fd >= 0:
            return fd
        raise LinkRefusedError(path) if -fd in _BROKEN_RULES else syscalls.os_error(-fd, path)

    def exists(self, path: bytes) -> bool:
        """Whether `path` leads to something in exactly this spelling."""
        try:
            fd = self.open_existing(path, os.O_PATH)
        except OSError:
            return False
        if fd is None:
            return False
        os.close(fd)
        return True

    def resolve(self, path: bytes, *, tried: bool = False) -> bytes | NoSuchName:
        """The on-disk spelling of `path`, compared as Windows does; which part is missing if there is no such path.

        Args:
            path: the path as the client spells it.
            tried: the exact spelling was found missing just now; it is not tried again.

        Raises:
            OSError: it cannot be looked up, such as EACCES on the way.
        """
        if not tried and self.exists(path):
            return path
        head, _, last = path.rpartition(b"/")
        known = self._known_directory(head)
        if known is not None:
            directory, stat = known
            names = self.names.table(stat)
            if names is not None:
                spelled = names.get(fold_bytes(last))
                if spelled is None:
                    return NoSuchName(True, directory, bool(names))
                found = _join(directory, to_bytes(spelled))
                if found != path:
                    return found
        opened = self._open_directory(head)
        if opened is None:
            return _NO_DIRECTORY
        directory, fd = opened
        try:
            name, populated = self._spelling(fd, last)
        finally:
            self.close_parent(fd)
        if name is None:
            return NoSuchName(True, directory, populated)
        found = _join(directory, name)
        if name == last and not self.exists(found):
            return NoSuchName(True, directory, populated, occupied=True)
        return found

    def _known_directory(self, path: bytes) -> tuple[bytes, Stat] | None:
        """The spelling and the status of a directory as far as the tables of names tell, without opening it.

        None if they do not tell. What a link out of the share leads to is in no table, and what is found is opened
        beneath the root.
        """
        if self.case_sensitive:
            return None
        stat = self._directory_status(path)
        if stat is None and path:
            head, _, last = path.rpartition(b"/")
            above = self._known_directory(head)
            names = None if above is None else self.names.table(above[1])
            spelled = None if names is None else names.get(fold_bytes(last))
            if above is None or spelled is None:
                return None
            path = _join(above[0], to_bytes(spelled))
            stat = self._directory_status(path)
        return None if stat is None else (path, stat)

    def _directory_status(self, path: bytes) -> Stat | None:
        """The status of the directory `path` in this very spelling; None if it cannot be had, or is no directory's."""
        before = self._directories.get(path)
        stat = syscalls.statx_or_none(self.root_fd, path, before) if path else syscalls.fstatx(self.root_fd, before)
        if stat is before:
            return stat
        if stat is None or not stat.is_directory:
            return None
        if len(self._directories) >= MAX_DIRECTORIES:
            self._directories.clear()
        self._directories[path] = stat
        return stat

    def _open_directory(self, path: bytes) -> tuple[bytes, int] | None:
        """The spelling of the directory `path` and an O_PATH descriptor of it; None if there is no such directory.

        Walks up until something exists. Give the descriptor back with `close_parent`.

        Raises:
            OSError: it cannot be looked up.
        """
        missing: list[bytes] = []
        while True:
            if not path:
                fd = self.root_fd
                break
            try:
                found = self.open_existing(path, _O_SEARCH)
            except NotADirectoryError:
                return None
            if found is not None:
                fd = found
                break
            path, _, last = path.rpartition(b"/")
            missing.append(last)
        while missing:
            try:
                name, _ = self._spelling(fd, missing.pop())
            finally:
                self.close_parent(fd)
            if name is None:
                return None
            path = _join(path, name)
            try:
                fd = self.open(path, _O_SEARCH)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return path, fd

    def _spelling(self, dir_fd: int, name: bytes) -> tuple[bytes | None, bool]:
        """How the directory spells `name`, and whether it is known to have any entry.

        The spelling is None if it has no such entry, or may not be read.
        """
        if self.case_sensitive:
            try:
                syscalls.statx(dir_fd, name)
            except FileNotFoundError:
                return None, False
            return name, True
        stat = syscalls.fstatx(dir_fd)
        names = self.names.table(stat)
        if names is None:
            fd = syscalls.openat2(dir_fd, b".", os.O_RDONLY | os.O_DIRECTORY, 0, syscalls.RESOLVE_BENEATH)
            if fd < 0:
                if -fd in {errno.EACCES, errno.EPERM}:
                    return None, False
                raise syscalls.os_error(-fd)
            try:
                names = self.names.fill(stat, fd)
            finally:
                os.close(fd)
        found = names.get(fold_bytes(name))
        return None if found is None else to_bytes(found), bool(names)

    def open_parent(self, path: bytes) -> tuple[int, bytes]:
        """The directory of `path` as descriptor, and the last component.

        The descriptor may be `root_fd` itself: give it back with `close_parent`.

        Raises:
            OSError: as the kernel says; EINVAL if the last component is no name.
        """
        head, _, name = path.rpartition(b"/")
        if name in {b"", b".", b".."} or b"\0" in name:
            raise OSError(errno.EINVAL, "the path does not end in a name", path)
        return (self.open(head, _O_SEARCH) if head else self.root_fd), name

    def close_parent(self, fd: int) -> None:
        """Give back what `open_parent` returned."""
        if fd != self.root_fd:
            os.close(fd)

    # Status and names

    def stat_path(self, path: bytes) -> Stat:
        """The status of what `path` leads to.

        Raises:
            OSError: as `open`.
        """
        fd = self.open(path, os.O_PATH)
        try:
            return syscalls.fstatx(fd)
        finally:
            os.close(fd)

    def snapshots(self) -> list[int]:
        """The times, in seconds since 1970, of the older states of the share that can be seen: none."""
        return []

    def snapshot_path(self, path: bytes, moment: int) -> bytes:
        """Where `path` of an older state of the share is.

        Raises:
            FileNotFoundError: there is no such state.
        """
        raise FileNotFoundError(errno.ENOENT, f"no state of {moment}", path)

    def mkdir(self, path: bytes, mode: int) -> None:
        """Create a directory, also with the set-id bits in `mode` that the system call ignores.

        Raises:
            OSError: as the kernel says.
        """
        fd, name = self.open_parent(path)
        try:
            os.mkdir(name, mode, dir_fd=fd)
            if mode & _SET_ID:
                made = syscalls.openat2(
                    fd, name, _O_SEARCH | os.O_NOFOLLOW, 0, syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
                )
                if made < 0:
                    raise syscalls.os_error(-made, path)
                try:
                    self.fchmod(made, syscalls.fstatx(made).mode & 0o7777 | mode & _SET_ID)
                finally:
                    os.close(made)
        finally:
            self.close_parent(fd)

    def unlink(self, path: bytes, parent: int | None = None) -> None:
        """Remove a name that is no directory.

        Args:
            path: the name to remove.
            parent: a descriptor of its directory, if the caller has one.

        Raises:
            OSError: as the kernel says.
        """
        if parent is not None:
            os.unlink(path[path.rfind(b"/") + 1 :], dir_fd=parent)
            return
        fd, name = self.open_parent(path)
        try:
            os.unlink(name, dir_fd=fd)
        finally:
            self.close_parent(fd)

    def rmdir(self, path: bytes, parent: int | None = None) -> None:
        """Remove an empty directory.

        Args:
            path: the name to remove.
            parent: a descriptor of its directory, if the caller has one.

        Raises:
            OSError: as the kernel says.
        """
        if parent is not None:
            os.rmdir(path[path.rfind(b"/") + 1 :], dir_fd=parent)
            return
        fd, name = self.open_parent(path)
        try:
            os.rmdir(name, dir_fd=fd)
        finally:
            self.close_parent(fd)

    def rename(self, old: bytes, new: bytes, *, replace: bool) -> None:
        """Rename within the share.

        Raises:
            FileExistsError: `new` exists and `replace` is not set.
            OSError: as the kernel says.
        """
        old_fd, old_name = self.open_parent(old)
        try:
            new_fd, new_name = self.open_parent(new)
            try:
                if replace:
                    os.rename(old_name, new_name, src_dir_fd=old_fd, dst_dir_fd=new_fd)
                else:
                    _rename_noreplace(old_fd, old_name, new_fd, new_name)
            finally:
                self.close_parent(new_fd)
        finally:
            self.close_parent(old_fd)

    def link(self, source: int | bytes, new: bytes, *, replace: bool = False) -> None:
        """Give an open file (or the file `source` leads to) another name.

        Raises:
            FileExistsError: `new` exists and `replace` is not set.
            OSError: as the kernel says.
        """
        source_fd = source if isinstance(source, int) else self.open(source, os.O_PATH)
        try:
            fd, name = self.open_parent(new)
            try:
                if replace:
                    _link_over(source_fd, fd, name)
                else:
                    _link(source_fd, fd, name)
            finally:
                self.close_parent(fd)
        finally:
            if source_fd is not source:
                os.close(source_fd)

    def symlink(self, target: bytes, path: bytes) -> None:
        """Make a symbolic link at `path`; `target` is stored as it is.

        Raises:
            OSError: as the kernel says.
        """
        fd, name = self.open_parent(path)
        try:
            os.symlink(target, name, dir_fd=fd)
        finally:
            self.close_parent(fd)

    def readlink(self, path: bytes) -> bytes:
        """What the symbolic link `path` says.

        Raises:
            OSError: as the kernel says; EINVAL if it is none.
        """
        fd, name = self.open_parent(path)
        try:
            return os.readlink(name, dir_fd=fd)
        finally:
            self.close_parent(fd)


def _link(source_fd: int, dir_fd: int, name: bytes) -> None:
    # AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH; the name in /proc does for everybody.
    os.link(f"/proc/self/fd/{source_fd}", name, dst_dir_fd=dir_fd, follow_symlinks=True)


def _link_over(source_fd: int, dir_fd: int, name: bytes) -> None:
    """Link under a name nobody knows, then rename it over the old one: `name` exists at every moment."""
    temporary = b".pysmbd-%s" % secrets.token_hex(8).encode()
    _link(source_fd, dir_fd, temporary)
    try:
        os.rename(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    finally:
        try:
            # A rename between two links of one file does nothing and leaves the temporary name.
            os.unlink(temporary, dir_fd=dir_fd)
        except FileNotFoundError:
            pass


def _rename_noreplace(old_fd: int, old: bytes, new_fd: int, new: bytes) -> None:
    try:
        syscalls.rename_noreplace(old_fd, old, new_fd, new)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS} or b"\0" in old + new:
            raise
    else:
        return
    # The file system has no RENAME_NOREPLACE: look first. The share-mode record above keeps our own clients apart.
    try:
        syscalls.statx(new_fd, new)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)

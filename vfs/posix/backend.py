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

from vfs.posix import syscalls
from vfs.posix.descriptors import DescriptorCalls
from vfs.posix.name_cache import NameCache
from vfs.posix.names import to_bytes, to_text
from vfs.posix.syscalls import Stat

_CREATES: Final = os.O_CREAT | (os.O_TMPFILE & ~os.O_DIRECTORY)
_SET_ID: Final = stat_module.S_ISUID | stat_module.S_ISGID
_O_SEARCH: Final = os.O_PATH | os.O_DIRECTORY


class NameNotFoundError(FileNotFoundError):
    """A path leads nowhere.

    Attributes:
        missing_last: its directory exists, only the last component does not.
        parent: the on-disk spelling of that directory if `missing_last`.
        occupied: the last component exists, but is a symbolic link that dangles or is not allowed.
        populated: the directory is known to have other entries.
    """

    def __init__(
        self,
        path: bytes,
        *,
        missing_last: bool,
        parent: bytes = b"",
        occupied: bool = False,
        populated: bool = False,
    ) -> None:
        super().__init__(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self.missing_last = missing_last
        self.parent = parent
        self.occupied = occupied
        self.populated = populated


class LinkRefusedError(FileNotFoundError):
    """A symbolic link on the way is not allowed by the policy of the share."""

    def __init__(self, path: bytes) -> None:
        super().__init__(errno.ENOENT, "symbolic link not allowed", path)


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


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
        if not self._beneath and (path[:1] == b"/" or b".." in path.split(b"/")):
            raise OSError(errno.EXDEV, "the path itself leaves the share", path)
        try:
            return syscalls.openat2(
                self.root_fd, path or b".", flags, mode if flags & _CREATES else 0, self._resolve_flags
            )
        except OSError as error:
            code = error.errno
            if code not in {errno.EXDEV, errno.ELOOP}:
                raise
        if code == errno.EXDEV and self._may_follow:
            return self._open_target(path, flags, mode)
        raise LinkRefusedError(path)

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
        try:
            return syscalls.openat2(
                self.root_fd,
                target[len(prefix) :] or b".",
                flags,
                mode if flags & _CREATES else 0,
                syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS,
            )
        except OSError as error:
            if error.errno in {errno.EXDEV, errno.ELOOP}:
                raise LinkRefusedError(path) from None
            raise

    def exists(self, path: bytes) -> bool:
        """Whether `path` leads to something in exactly this spelling."""
        try:
            fd = self.open(path, os.O_PATH)
        except OSError:
            return False
        os.close(fd)
        return True

    def resolve(self, path: bytes, *, tried: bool = False) -> bytes:
        """The on-disk spelling of `path`, compared as Windows does.

        Args:
            path: the path as the client spells it.
            tried: the exact spelling was found missing just now; it is not tried again.

        Raises:
            NameNotFoundError: there is no such path; tells which part is missing.
            OSError: any other failure, such as EACCES on the way.
        """
        if not tried and self.exists(path):
            return path
        head, _, last = path.rpartition(b"/")
        known = self._known_directory(head)
        if known is not None:
            directory, stat = known
            is_known, spelled = self.names.lookup(stat, to_text(last))
            if is_known and spelled is None:
                populated = self.names.is_populated(stat)
                raise NameNotFoundError(path, missing_last=True, parent=directory, populated=populated)
            if spelled is not None and (found := _join(directory, to_bytes(spelled))) != path:
                return found
        directory, fd = self._open_directory(head, path)
        try:
            name, populated = self._spelling(fd, last)
        finally:
            self.close_parent(fd)
        if name is None:
            raise NameNotFoundError(path, missing_last=True, parent=directory, populated=populated)
        found = _join(directory, name)
        if name == last and not self.exists(found):
            raise NameNotFoundError(path, missing_last=True, parent=directory, occupied=True)
        return found

    def _known_directory(self, path: bytes) -> tuple[bytes, Stat] | None:
        """The spelling and the status of a directory as far as the tables of names tell, without opening it.

        None if they do not tell. What a link out of the share leads to is in no table, and what is found is opened
        beneath the root.
        """
        if self.case_sensitive:
            return None
        stat = syscalls.statx_or_none(self.root_fd, path) if path else syscalls.fstatx(self.root_fd)
        if stat is None:
            head, _, last = path.rpartition(b"/")
            above = self._known_directory(head)
            spelled = None if above is None else self.names.lookup(above[1], to_text(last))[1]
            if above is None or spelled is None:
                return None
            path = _join(above[0], to_bytes(spelled))
            stat = syscalls.statx_or_none(self.root_fd, path)
        return (path, stat) if stat is not None and stat.is_directory else None

    def _open_directory(self, path: bytes, whole: bytes) -> tuple[bytes, int]:
        """The spelling of the directory `path` and an O_PATH descriptor of it; walks up until something exists.

        Give the descriptor back with `close_parent`.
        """
        missing: list[bytes] = []
        while True:
            if not path:
                fd = self.root_fd
                break
            try:
                fd = self.open(path, _O_SEARCH)
                break
            except FileNotFoundError:
                pass
            except NotADirectoryError:
                raise NameNotFoundError(whole, missing_last=False) from None
            path, _, last = path.rpartition(b"/")
            missing.append(last)
        while missing:
            try:
                name, _ = self._spelling(fd, missing.pop())
            finally:
                self.close_parent(fd)
            if name is None:
                raise NameNotFoundError(whole, missing_last=False)
            path = _join(path, name)
            try:
                fd = self.open(path, _O_SEARCH)
            except (FileNotFoundError, NotADirectoryError):
                raise NameNotFoundError(whole, missing_last=False) from None
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
        text = to_text(name)
        known, found = self.names.lookup(stat, text)
        if not known:
            try:
                fd = syscalls.openat2(dir_fd, b".", os.O_RDONLY | os.O_DIRECTORY, 0, syscalls.RESOLVE_BENEATH)
            except PermissionError:
                return None, False
            try:
                found = self.names.fill(stat, fd, text)
            finally:
                os.close(fd)
        if found is not None:
            return to_bytes(found), True
        return None, self.names.is_populated(stat)

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

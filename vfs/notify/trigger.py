"""What the operations of the object store call when they have changed something ([MS-FSA] 2.1.4.1).

Nothing is looked up, built or sent while nobody watches anything: then a call costs one read of the register.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vfs.constants import (
    FILE_ACTION_ADDED,
    FILE_ACTION_MODIFIED,
    FILE_ACTION_MODIFIED_STREAM,
    FILE_ACTION_REMOVED,
    FILE_ACTION_RENAMED_NEW_NAME,
    FILE_ACTION_RENAMED_OLD_NAME,
    FILE_NOTIFY_CHANGE_ATTRIBUTES,
    FILE_NOTIFY_CHANGE_CREATION,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_LAST_WRITE,
    FILE_NOTIFY_CHANGE_SIZE,
    FILE_NOTIFY_CHANGE_STREAM_SIZE,
    FILE_NOTIFY_CHANGE_STREAM_WRITE,
)
from vfs.notify.change import DIRECTORY_DELETED, DIRECTORY_MOVED, Change, parent_of

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.volume import Volume

_WRITTEN: Final = FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_SIZE
_RENAMED: Final = FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_CREATION
_RESIZED: Final = FILE_NOTIFY_CHANGE_SIZE | FILE_NOTIFY_CHANGE_ATTRIBUTES
_STREAM_WRITTEN: Final = FILE_NOTIFY_CHANGE_STREAM_WRITE | FILE_NOTIFY_CHANGE_STREAM_SIZE


def changed(volume: Volume, path: bytes, action: int, completion_filter: int) -> None:
    """Tell that `path`, relative to the share, has changed: for what `completion_filter` stands for."""
    notifier = volume.notifier
    if notifier is not None and notifier.anyone():
        notifier.tell((Change(action, completion_filter, volume.full_path(path)),))


def modified(fo: FileObject, completion_filter: int) -> None:
    """Tell that something about the file of `fo`, or about its stream, has changed."""
    notifier = fo.volume.notifier
    if notifier is None or not notifier.anyone():
        return
    fo.follow()
    if fo.stream is None:
        changed(fo.volume, fo.path, FILE_ACTION_MODIFIED, completion_filter)
    else:
        stream_changed(fo.volume, fo.path, fo.stream.name, FILE_ACTION_MODIFIED_STREAM, completion_filter)


def written(fo: FileObject) -> None:
    """Tell that contents have changed: at the first change through an open, and once more when it is closed."""
    if not fo.written:
        fo.written = True
        modified(fo, _WRITTEN if fo.stream is None else _STREAM_WRITTEN)


def closing(fo: FileObject) -> None:
    """Tell at the close of an open what it has changed, perhaps again."""
    if fo.written or fo.renamed:
        changes = (_WRITTEN if fo.written else 0) | (_RENAMED if fo.renamed else 0)
        modified(fo, changes if fo.stream is None else _STREAM_WRITTEN)


def resized(fo: FileObject) -> None:
    """Tell that the end of file has moved without a write."""
    modified(fo, _RESIZED if fo.stream is None else FILE_NOTIFY_CHANGE_STREAM_SIZE)


def stream_changed(volume: Volume, path: bytes, name: str, action: int, completion_filter: int) -> None:
    """Tell that the stream `name` of the file `path` came, went or has changed."""
    changed(volume, path + b":" + name.encode("utf-8", "surrogateescape"), action, completion_filter)


def added(volume: Volume, path: bytes, *, directory: bool) -> None:
    """Tell that there is a new name."""
    changed(volume, path, FILE_ACTION_ADDED, _name_filter(directory=directory))


def removed(volume: Volume, path: bytes, *, directory: bool) -> None:
    """Tell that a name is gone."""
    changed(volume, path, FILE_ACTION_REMOVED, _name_filter(directory=directory))


def renamed(fo: FileObject, to: bytes) -> None:
    """Tell that the file of `fo` is called `to` now; a move to another directory is a removal and an addition."""
    # Windows tells of a renamed file once more, when it is closed.
    fo.renamed = not fo.is_directory
    volume = fo.volume
    notifier = volume.notifier
    if notifier is None or not notifier.anyone():
        return
    old, new = fo.full_path, volume.full_path(to)
    name = _name_filter(directory=fo.is_directory)
    if parent_of(old) == parent_of(new):
        changes = [Change(FILE_ACTION_RENAMED_OLD_NAME, name, old), Change(FILE_ACTION_RENAMED_NEW_NAME, name, new)]
    else:
        changes = [Change(FILE_ACTION_REMOVED, name, old), Change(FILE_ACTION_ADDED, name, new)]
    if fo.is_directory:
        changes.append(Change(DIRECTORY_MOVED, 0, old, new))
    notifier.tell(changes)


def directory_deleted(volume: Volume, path: bytes) -> None:
    """Tell those who watch the directory `path` that it is going to be deleted."""
    changed(volume, path, DIRECTORY_DELETED, 0)


def _name_filter(*, directory: bool) -> int:
    return FILE_NOTIFY_CHANGE_DIR_NAME if directory else FILE_NOTIFY_CHANGE_FILE_NAME

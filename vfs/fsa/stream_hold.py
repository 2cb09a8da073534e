"""Whether an open of a named stream still has its stream.

Who overwrites a file takes its named streams away, whoever has them open ([MS-FSA] 2.1.5.1.2), each with the record of
its share modes. A stream that is created by that name afterwards is another one, with opens of its own. The opens of
the first one find out here, by not being entered any more, and are answered STATUS_FILE_DELETED as with NTFS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from vfs.file_id import file_id_of
from vfs.locking.stored import LOCKING_CODEC
from vfs.ntstatus import STATUS_FILE_DELETED, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_GONE: Final = "the stream went when its file was overwritten"


def gone() -> NTStatusError:
    """Return what is answered to those who ask a stream that went for anything it had."""
    return NTStatusError(STATUS_FILE_DELETED, _GONE)


def take_all(fo: FileObject) -> None:
    """Remove all named streams of the file of `fo`, as overwriting it does, whoever has them open.

    Share modes, oplocks and byte-range locks go with the stream.

    Raises:
        OSError: one cannot be removed.
    """
    volume, stat = fo.volume, fo.stat
    store = volume.streams
    if store is None:
        return
    for name, attribute in list(store.attributes(fo.fd)):
        file_id = file_id_of(stat, name)
        with volume.share_modes.lock(file_id) as modes:
            store.remove(fo.fd, stat.ino, attribute)
            modes.remove_all()
            if volume.byte_locks is not None:
                volume.byte_locks.remove_all(file_id)


class StreamHold:
    """The hold that an open has on its stream."""

    __slots__ = ("_fo", "_seen")

    def __init__(self, fo: FileObject) -> None:
        self._fo = fo
        self._seen = b""  # the record as last seen with the open in it

    def is_there(self) -> bool:
        """Tell whether the open still has its stream, without locking; costs one look into the database."""
        fo = self._fo
        stored = fo.volume.share_modes.parse(fo.key)
        if stored is None:
            return False
        if stored != self._seen:
            owner = fo.owner
            if not any(
                entry.open_id == owner.open_id and entry.server_id == owner.server_id
                for entry in LOCKING_CODEC.decode(stored).entries
            ):
                return False
            self._seen = stored
        return True

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the stream from being taken away, and its contents from being changed by others.

        Raises:
            NTStatusError: STATUS_FILE_DELETED.
        """
        fo = self._fo
        with fo.volume.share_modes.lock(fo.file_id) as modes:
            if modes.find(fo.owner.server_id, fo.owner.open_id) is None:
                raise gone()
            yield

"""The calls of libtdb that the `tdb` module of Debian's python3-tdb lacks: record locks, traversal, check.

Through ctypes on the same library and the same open handle. Two assumptions make that cheap, and both are
checked before the first use, because a lock that does not lock would lose data silently:

* The C handle stands right behind the object header of `tdb.Tdb` (checked by asking the library for its
  file name).
* ``TDB_DATA``, a pointer and a size, passed by value takes the same two registers as two separate arguments
  (64-bit x86 and ARM). Checked by locking a record in one process and trying it in another.

`ctypes.PyDLL` keeps the GIL: a call costs a third of one that releases it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Final

import tdb

from messaging.dbwrap.base import DbError

MUTEX_LOCKING: Final = 0x1000
"""TDB_MUTEX_LOCKING, which the tdb module does not name: robust process-shared mutexes as record locks."""

ERR_EXISTS: Final = 5
"""TDB_ERR_EXISTS, the first argument of the RuntimeError for a record that exists already."""

_HANDLE_OFFSET: Final = 16  # PyObject_HEAD of a 64-bit CPython
_OBJECT_SIZE: Final = 32  # head, handle, closed flag
_PROBE_KEY: Final = b"\0lock self-check"

_lib = ctypes.PyDLL("libtdb.so.1")

# No argtypes here on purpose: their conversion would double the time of the call.
chainlock = _lib.tdb_chainlock
chainlock_nonblock = _lib.tdb_chainlock_nonblock
chainunlock = _lib.tdb_chainunlock

_lib.tdb_name.restype = ctypes.c_char_p
_lib.tdb_errorstr.restype = ctypes.c_char_p

SIZES: Final = tuple(ctypes.c_size_t(size) for size in range(256))
"""Key lengths as C arguments: to make one costs as much as the lock."""


class _Data(ctypes.Structure):
    _fields_ = (("pointer", ctypes.c_void_p), ("size", ctypes.c_size_t))


_TRAVERSE: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, _Data, _Data, ctypes.c_void_p)
_lib.tdb_traverse_read.argtypes = (ctypes.c_void_p, _TRAVERSE, ctypes.c_void_p)
_lib.tdb_check.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def handle_of(database: Any, path: str) -> ctypes.c_void_p:
    """Return the C handle behind an open `tdb.Tdb`.

    Raises:
        DbError: if this Python does not lay out its objects as expected.
    """
    if (
        sys.implementation.name != "cpython"
        or ctypes.sizeof(ctypes.c_void_p) != 8
        or tdb.Tdb.__basicsize__ != _OBJECT_SIZE
    ):
        raise DbError(f"{path}: unknown layout of tdb.Tdb objects: record locks are not possible")
    handle = ctypes.c_void_p.from_address(id(database) + _HANDLE_OFFSET)
    handle = ctypes.c_void_p(handle.value)  # a copy: it must not follow the object's memory
    if not handle.value or _lib.tdb_name(handle) != os.fsencode(path):
        raise DbError(f"{path}: the libtdb of ctypes is not the one of the tdb module")
    return handle


def error_text(handle: ctypes.c_void_p) -> str:
    """Return the library's words for the last error on `handle`."""
    text: bytes = _lib.tdb_errorstr(handle)
    return text.decode("ascii", "replace")


_TRAVERSE_ATTEMPTS: Final = 10


def read_all(handle: ctypes.c_void_p) -> list[tuple[bytes, bytes]]:
    """Return all records. Chain after chain is locked meanwhile, so others may change the database.

    A handle that is open for reading takes no locks and may meet a chain that is just being changed, which looks
    like damage: what is still there at the last of a few looks is damage.

    Raises:
        DbError: if the database is damaged.
    """
    for _ in range(_TRAVERSE_ATTEMPTS):
        records: list[tuple[bytes, bytes]] = []
        if _traverse(handle, records):
            return records
    raise DbError(f"traverse failed: {error_text(handle)}")


def _traverse(handle: ctypes.c_void_p, records: list[tuple[bytes, bytes]]) -> bool:
    string_at = ctypes.string_at

    def visit(_handle: int, key: _Data, value: _Data, _private: int) -> int:
        records.append((
            string_at(key.pointer, key.size) if key.size else b"",
            string_at(value.pointer, value.size) if value.size else b"",
        ))
        return 0

    return bool(_lib.tdb_traverse_read(handle, _TRAVERSE(visit), None) >= 0)


def structure_is_sound(handle: ctypes.c_void_p) -> bool:
    """Let the library check every chain and free block."""
    return bool(_lib.tdb_check(handle, None, None) == 0)


def prove_locks(database: Any, handle: ctypes.c_void_p, path: str) -> None:
    """Prove that `chainlock` excludes another process, and that `chainunlock` lets it in again.

    Raises:
        DbError: if not; the server must not run then.
    """
    ask_read, ask_write = os.pipe()
    answer_read, answer_write = os.pipe()
    size = SIZES[len(_PROBE_KEY)]
    child = os.fork()
    if child == 0:
        try:
            os.close(ask_write)
            os.close(answer_read)
            _answer_probes(database, handle, ask_read, answer_write)
        finally:
            os._exit(0)
    os.close(ask_read)
    os.close(answer_write)
    try:
        if chainlock(handle, _PROBE_KEY, size) != 0:
            raise DbError(f"{path}: cannot lock: {error_text(handle)}")
        try:
            locked = _probe(ask_write, answer_read)
        finally:
            chainunlock(handle, _PROBE_KEY, size)
        unlocked = _probe(ask_write, answer_read)
    finally:
        os.close(ask_write)
        os.close(answer_read)
        try:
            os.waitpid(child, 0)
        except ChildProcessError:
            pass  # somebody's SIGCHLD handler was faster
    if locked != b"excluded" or unlocked != b"admitted":
        raise DbError(f"{path}: record locks do not work here (locked: {locked!r}, unlocked: {unlocked!r})")


def _probe(ask: int, answer: int) -> bytes:
    os.write(ask, b"?")
    return os.read(answer, 64)


def _answer_probes(database: Any, handle: ctypes.c_void_p, ask: int, answer: int) -> None:
    database.reopen()
    size = SIZES[len(_PROBE_KEY)]
    while os.read(ask, 1):
        if chainlock_nonblock(handle, _PROBE_KEY, size) == 0:
            chainunlock(handle, _PROBE_KEY, size)
            os.write(answer, b"admitted")
        else:
            os.write(answer, b"excluded")

"""Random operations over several connections, done to the model and to a server: hypothesis makes and shortens them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.model.objects import store as fsa
from tests.model.objects.clients import Clients
from tests.model.objects.store import Refused, Store
from tests.model.objects.tree import Open
from tests.smbxcli import File, StatusError
from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_SYSTEM,
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NON_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_OVERWRITE,
    FILE_OVERWRITE_IF,
    FILE_SUPERSEDE,
    FILETIME_FREEZE,
    FILETIME_THAW,
)
from vfs.ntstatus import STATUS_SUCCESS, status_name

CLIENTS: Final = 3
_MAX_OPENS: Final = 8
_ALL: Final = 0x1F01FF
_READ: Final = 0x120089
_ACCESS: Final = (
    *(_ALL,) * 5,
    _READ,
    _READ | fsa.WRITE_DATA,
    _READ | fsa.DELETE,
    fsa.READ_ATTRIBUTES,
    fsa.READ_ATTRIBUTES | fsa.WRITE_ATTRIBUTES,
    fsa.DELETE | fsa.READ_ATTRIBUTES,
)
_DISPOSITIONS: Final = (
    *(FILE_OPEN_IF,) * 5,
    *(FILE_OPEN,) * 3,
    FILE_CREATE,
    FILE_OVERWRITE,
    FILE_OVERWRITE_IF,
    FILE_SUPERSEDE,
)
_OPTIONS: Final = (
    *(0,) * 4,
    *(FILE_NON_DIRECTORY_FILE,) * 2,
    *(FILE_DIRECTORY_FILE,) * 5,
    FILE_DELETE_ON_CLOSE,
    FILE_DELETE_ON_CLOSE | FILE_DIRECTORY_FILE,
)
_ATTRIBUTES: Final = (
    *(0,) * 6,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_READONLY,
)
_TIMES: Final = (0, 0, 126_444_736_000_000_000, 136_444_736_000_000_000, FILETIME_FREEZE, FILETIME_THAW)

_names = st.sampled_from(["a", "b", "C", "A", "c"])
paths = st.sampled_from([1, 1, 1, 1, 2, 2, 2, 3]).flatmap(
    lambda depth: st.lists(_names, min_size=depth, max_size=depth).map("\\".join)
)
streams = st.sampled_from(["", "", "", "", "s", "T", "S"])
which = st.integers(0, _MAX_OPENS - 1)
offsets = st.sampled_from([0, 1, 5, 20, 4095])
sizes = st.sampled_from([0, 1, 3, 10, 5000])


def _same(done: tuple[Any, Any] | None) -> None:
    """Check the results of `_both`."""
    if done is not None:
        wanted, seen = done
        assert seen == wanted, f"server: {seen}, model: {wanted}"


class ObjectStoreMachine(RuleBasedStateMachine):
    """One run: begins with an empty directory.

    Attributes:
        clients: the connections, set before the machine is run.
    """

    clients: Clients

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.opens: list[tuple[Open, File]] = []

    @initialize()
    def begin(self) -> None:
        self.clients.begin()

    def teardown(self) -> None:
        self.clients.end()

    def _both(self, model: Callable[[], Any], server: Callable[[], Any]) -> tuple[Any, Any] | None:
        """Do the same to both; return both results, or None if both refuse."""
        self.clients.steps += 1
        expected = status = STATUS_SUCCESS
        wanted = seen = None
        try:
            wanted = model()
        except Refused as refused:
            expected = refused.status
        try:
            seen = server()
        except StatusError as error:
            status = error.status
        assert status == expected, f"server: {status_name(status)}, model: {status_name(expected)}"
        return None if expected else (wanted, seen)

    def _pick(self, index: int) -> tuple[Open, File]:
        return self.opens[index % len(self.opens)]

    @precondition(lambda self: len(self.opens) < _MAX_OPENS)
    @rule(
        client=st.integers(0, CLIENTS - 1),
        path=paths,
        stream=streams,
        access=st.sampled_from(_ACCESS),
        share=st.sampled_from([7, 7, 7, 3, 1, 0]),
        disposition=st.sampled_from(_DISPOSITIONS),
        options=st.sampled_from(_OPTIONS),
        attributes=st.sampled_from(_ATTRIBUTES),
    )
    def open(self, client, path, stream, access, share, disposition, options, attributes):
        asked = (client, path, stream, access, share, disposition, options, attributes)
        done = self._both(lambda: self.store.open(*asked), lambda: self.clients.open(*asked))
        if done is not None:
            (opened, action), (file, seen) = done
            self.opens.append((opened, file))
            assert seen == action

    @precondition(lambda self: self.opens)
    @rule(index=which)
    def close(self, index: int) -> None:
        opened, file = self.opens.pop(index % len(self.opens))
        self._both(lambda: self.store.close(opened), lambda: self.clients.close_file(file))

    @precondition(lambda self: self.opens)
    @rule(index=which, offset=offsets, length=sizes)
    def read(self, index: int, offset: int, length: int) -> None:
        opened, file = self._pick(index)
        done = self._both(
            lambda: self.store.read(opened, offset, length), lambda: self.clients.read(file, offset, length)
        )
        _same(done)

    @precondition(lambda self: self.opens)
    @rule(index=which, offset=offsets, length=sizes, value=st.integers(0, 255))
    def write(self, index: int, offset: int, length: int, value: int) -> None:
        opened, file = self._pick(index)
        data = bytes((value,)) * length
        done = self._both(
            lambda: self.store.write(opened, offset, data), lambda: self.clients.write(file, offset, data)
        )
        _same(done)

    @precondition(lambda self: self.opens)
    @rule(index=which, size=sizes)
    def set_end_of_file(self, index: int, size: int) -> None:
        opened, file = self._pick(index)
        self._both(
            lambda: self.store.set_end_of_file(opened, size), lambda: self.clients.set_end_of_file(file, size)
        )

    @precondition(lambda self: self.opens)
    @rule(
        index=which,
        creation_time=st.sampled_from(_TIMES),
        write_time=st.sampled_from(_TIMES),
        attributes=st.sampled_from(_ATTRIBUTES),
    )
    def set_basic(self, index: int, creation_time: int, write_time: int, attributes: int) -> None:
        opened, file = self._pick(index)
        asked = (creation_time, write_time, attributes)
        self._both(lambda: self.store.set_basic(opened, *asked), lambda: self.clients.set_basic(file, *asked))

    @precondition(lambda self: self.opens)
    @rule(index=which, delete=st.booleans())
    def set_disposition(self, index: int, delete: bool) -> None:
        opened, file = self._pick(index)
        self._both(
            lambda: self.store.set_disposition(opened, delete), lambda: self.clients.set_disposition(file, delete)
        )

    @precondition(lambda self: self.opens)
    @rule(index=which, name=st.sampled_from([b"ONE", b"TWO"]), value=st.sampled_from([b"", b"x", b"long" * 20]))
    def set_ea(self, index: int, name: bytes, value: bytes) -> None:
        opened, file = self._pick(index)
        self._both(lambda: self.store.set_ea(opened, name, value), lambda: self.clients.set_ea(file, name, value))

    @precondition(lambda self: self.opens)
    @rule(index=which, path=paths, stream=st.sampled_from("stS"), replace=st.booleans())
    def rename(self, index: int, path: str, stream: str, replace: bool) -> None:
        opened, file = self._pick(index)
        if opened.main:
            self._both(
                lambda: self.store.rename(opened, path, replace), lambda: self.clients.rename(file, path, replace)
            )
        else:
            self._both(
                lambda: self.store.rename_stream(opened, stream, replace),
                lambda: self.clients.rename_stream(file, stream, replace),
            )

    @precondition(lambda self: self.opens)
    @rule(index=which, path=paths, replace=st.booleans())
    def link(self, index: int, path: str, replace: bool) -> None:
        opened, file = self._pick(index)
        self._both(lambda: self.store.link(opened, path, replace), lambda: self.clients.link(file, path, replace))

    @precondition(lambda self: self.opens)
    @rule(index=which)
    def query(self, index: int) -> None:
        opened, file = self._pick(index)
        done = self._both(lambda: self.store.query(opened), lambda: self.clients.query(file))
        if done is not None:
            wanted, seen = done
            known = {key: value for key, value in wanted.items() if value is not None}
            _same((known, {key: seen[key] for key in known}))

    @precondition(lambda self: self.opens)
    @rule(index=which)
    def query_streams(self, index: int) -> None:
        opened, file = self._pick(index)
        done = self._both(lambda: self.store.streams(opened), lambda: self.clients.streams(file))
        _same(done)

    @precondition(lambda self: self.opens)
    @rule(index=which)
    def query_eas(self, index: int) -> None:
        opened, file = self._pick(index)
        done = self._both(lambda: self.store.eas(opened), lambda: self.clients.eas(file))
        _same(done)

    @precondition(lambda self: self.opens)
    @rule(index=which, pattern=st.sampled_from(["*", "a", "A", "?", "b*", "x"]))
    def enumerate(self, index: int, pattern: str) -> None:
        opened, file = self._pick(index)
        done = self._both(
            lambda: self.store.enumerate(opened, pattern), lambda: self.clients.enumerate(file, pattern)
        )
        _same(done)

"""Every class of the codec: what is packed reads back the same; whatever else comes in raises WireError."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smbd.wire.errors import WireError
from smbd.wire.header import Header
from tests.unit.wire.strategies import instances, structs

CODECS = [cls for cls in structs() if hasattr(cls, "unpack")]
# These modules hold messages, whose offsets count from the SMB2 header before them.
_MESSAGE_MODULES = {
    f"smbd.wire.{name}"
    for name in (
        *("negotiate", "session", "tree", "create", "close", "flush", "read_write", "lock", "ioctl", "cancel", "echo"),
        *("query_directory", "output_buffer", "change_notify", "query_info", "set_info", "oplock_break"),
        *("notification", "error"),
    )
}
_ERROR_DATA = {"SymbolicLinkError", "ShareRedirectError"}
# Lists that reach to the end of their buffer, and text or bytes that are the whole buffer, have shorter valid
# forms; so have classes in which nothing can be wrong.
_PREFIX_IS_VALID = {
    "NetnameNegotiateContext",
    "SetSparse",
    "SnapshotArray",
    "PipePeekResponse",
    "PosixExtensionsAvailable",
    "CompressionTransform",
    "ChainedCompressionTransform",
}
_FILLED_IN = {"SnapshotArray"}  # packing fills in a field that is None
_TELLING_BYTES = (0, 1, 2, 7, 8, 0x10, 0x40, 0x7F, 0x80, 0xFF)
QUICK = settings(
    max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def prefix(cls: type[msgspec.Struct]) -> bytes:
    is_message = cls.__module__ in _MESSAGE_MODULES and cls.__name__ not in _ERROR_DATA
    return Header().pack() if is_message else b""


@pytest.mark.parametrize("cls", CODECS, ids=lambda cls: cls.__name__)
@QUICK
@given(data=st.data())
def test_roundtrip(cls, data):
    value = data.draw(instances(cls))
    packed = prefix(cls) + value.pack()
    if cls.__name__ not in _FILLED_IN:
        assert cls.unpack(packed) == value
        assert cls.unpack(memoryview(packed)) == value
    assert cls.unpack(bytearray(packed)).pack() == value.pack()


@pytest.mark.parametrize("cls", CODECS, ids=lambda cls: cls.__name__)
@settings(QUICK, max_examples=4)
@given(data=st.data())
def test_truncation_raises_wire_error(cls, data):
    value = data.draw(instances(cls))
    head = prefix(cls)
    packed = head + value.pack()
    for length in range(len(packed)):
        try:
            shorter = cls.unpack(memoryview(packed)[:length])
        except WireError:
            continue
        # What may be missing is padding, and then the result is the same.
        assert cls.__name__ in _PREFIX_IS_VALID or shorter == value, (length, len(packed))


@pytest.mark.parametrize("cls", CODECS, ids=lambda cls: cls.__name__)
def test_random_bytes_raise_nothing_else(cls):
    chance = random.Random(cls.__name__)
    head = prefix(cls)
    for _ in range(100):
        try:
            cls.unpack(memoryview(head + chance.randbytes(chance.randrange(200))))
        except WireError:
            pass


@pytest.mark.parametrize("cls", CODECS, ids=lambda cls: cls.__name__)
@settings(QUICK, max_examples=4)
@given(data=st.data())
def test_mutations_raise_nothing_else(cls, data):
    packed = prefix(cls) + data.draw(instances(cls)).pack()
    begin = len(prefix(cls))
    if len(packed) == begin:
        return
    chance = random.Random(packed)
    for _ in range(40):
        damaged = bytearray(packed)
        for _ in range(chance.randrange(1, 5)):
            damaged[chance.randrange(begin, len(packed))] = chance.choice(_TELLING_BYTES)
        try:
            cls.unpack(memoryview(damaged))
        except WireError:
            pass

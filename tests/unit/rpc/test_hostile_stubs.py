"""Every operation with stub data that no client would send: a fault or an answer, never another exception."""

from __future__ import annotations

import random
import struct

import pytest

from smbd.rpc import dssetup, lsarpc, srvsvc, wkssvc
from smbd.rpc.errors import RpcFault
from smbd.rpc.handles import HandleTable
from smbd.rpc.lsarpc.policy_handle import POLICY_ALL_ACCESS, PolicyHandle
from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter
from smbd.rpc.service import Call, Operation
from tests.unit.rpc.environment import Environment

_WORDS = (0, 0, 0, 1, 1, 2, 3, 4, 10, 100, 502, 1000, 0x20000, 0x7FFFFFFF, 0xFFFFFFFF, 0x0041_0041, 0x0004_0004)
_OPERATIONS = [
    pytest.param(operation, id=f"{service.name}-{opnum}")
    for service in (srvsvc.SERVICE, wkssvc.SERVICE, lsarpc.SERVICE, dssetup.SERVICE)
    for opnum, operation in service.operations.items()
]


def stub(source: random.Random, handle: bytes) -> bytes:
    """Words that mean something somewhere, and well-formed strings, in any order."""
    parts = [handle] if source.random() < 0.7 else []
    for _ in range(source.randrange(16)):
        if source.random() < 0.2:
            text = "".join(source.choices("\\\\abc\ud800$", k=source.randrange(6))) + "\0"
            data = text.encode("utf-16-le", "surrogatepass")
            parts.append(struct.pack("<III", len(text), 0, len(text)) + data + bytes(-len(data) % 4))
        else:
            parts.append(struct.pack("<I", source.choice(_WORDS)))
    return b"".join(parts) + source.randbytes(source.randrange(6))


@pytest.mark.parametrize("operation", _OPERATIONS)
def test_any_stub_is_survived(rpc: Environment, operation: Operation) -> None:
    source = random.Random(operation.__name__)
    session = rpc.session(administrator=True)
    for _ in range(300):
        handles: HandleTable[PolicyHandle] = HandleTable()
        handle = handles.open(PolicyHandle(POLICY_ALL_ACCESS))
        try:
            operation(Call(rpc.context, session, handles), NdrReader(stub(source, handle)), NdrWriter())
        except (NdrError, RpcFault):
            continue

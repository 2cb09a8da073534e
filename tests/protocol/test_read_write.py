"""READ and WRITE answer the same whichever way the data take: copied, protected, sent from the file, forced to disk."""

from __future__ import annotations

import os

import pytest

from smbd.wire.read_write import WriteResponse
from tests.smbxcli import Protection
from vfs.constants import FILE_CREATE, FILE_WRITE_THROUGH
from vfs.ntstatus import STATUS_END_OF_FILE, STATUS_SUCCESS

pytestmark = pytest.mark.slow

_SIZE = (1 << 20) + 4321
#: On either side of what is sent from the file, whole and cut short by the end of it.
_RANGES = [
    (4096, 0),
    (65536, 1),
    ((256 << 10) - 1, 7),
    (256 << 10, 7),
    (1 << 20, 0),
    (1 << 20, 5000),
    (256 << 10, _SIZE - 100),
    (256 << 10, _SIZE - (256 << 10)),
]


@pytest.mark.parametrize("protection", [Protection.PLAIN, Protection.SIGN, Protection.SEAL])
def test_what_is_read_is_what_was_written(tree, name, protection):
    data = os.urandom(_SIZE)
    tree.session.connection.window.wanted = 128
    with tree.create(name, disposition=FILE_CREATE) as file:
        for at in range(0, _SIZE, 65536):
            file.write(data[at : at + 65536], at)
        tree.session.protection = protection
        # All at once, so that one answer waits behind the other in the socket.
        pending = [(file.send_read(length, offset), length, offset) for length, offset in _RANGES * 2]
        for one, length, offset in pending:
            body = one.recv().check().pdu[80:]
            assert bytes(body) == data[offset : offset + length], (length, offset)
        assert file.send_read(1 << 20, _SIZE).recv().status == STATUS_END_OF_FILE


def test_an_open_that_writes_through(tree, name):
    """The disk is waited for beside the loop: other requests are answered meanwhile, and all in the end."""
    with tree.create(name, disposition=FILE_CREATE, options=FILE_WRITE_THROUGH) as file:
        writes = [file.send_write(bytes([number]) * 4096, number * 4096) for number in range(8)]
        assert tree.session.connection.echo(tree.session).status == STATUS_SUCCESS
        for one in writes:
            assert one.recv().check().body(WriteResponse).count == 4096
        assert file.read(8 * 4096) == b"".join(bytes([number]) * 4096 for number in range(8))

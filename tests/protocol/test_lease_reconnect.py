"""Leases on directories, and the files in them, when the client loses its connection and comes back."""

from __future__ import annotations

import pytest

from smbd.wire.constants import SMB2_DHANDLE_FLAG_PERSISTENT, SMB2_OPLOCK_LEVEL_LEASE
from smbd.wire.create_context_durable import DurableHandleReconnectV2
from tests.protocol.durable import lose_connection, new_guid, request
from tests.protocol.leases import (
    H,
    R,
    W,
    answer,
    assert_no_break,
    lease_contexts,
    lease_of,
    next_lease_break,
    open_leased,
    state_of,
)
from tests.servers import unlike_samba
from vfs.access import FILE_LIST_DIRECTORY
from vfs.constants import FILE_CREATE, FILE_DIRECTORY_FILE, FILE_OPEN_IF

pytestmark = pytest.mark.slow

DIRECTORY, CHILD = b"directory-key---", b"child-key-------"
RWH = R | W | H
KINDS = [("tmp", 0), pytest.param("ca", SMB2_DHANDLE_FLAG_PERSISTENT, marks=unlike_samba)]


def lease_directory(tree, name):
    return open_leased(
        tree, name, DIRECTORY, R | H,
        access=FILE_LIST_DIRECTORY, disposition=FILE_OPEN_IF, options=FILE_DIRECTORY_FILE,
    )  # fmt: skip


@pytest.mark.parametrize(("share", "flags"), KINDS)
def test_the_directory_is_leased_anew_and_the_file_knows_it(server, login, name, share, flags):
    client, guid = new_guid(), new_guid()
    child = lease_contexts(CHILD, RWH, parent=DIRECTORY)
    tree = login(client_guid=client).tree_connect(share)
    other = login(client_guid=new_guid()).tree_connect(share)
    first = lease_directory(tree, name)
    assert state_of(first) == R | H
    contexts = request(guid, 0, flags) | child
    lost = tree.create(
        f"{name}\\file", disposition=FILE_CREATE, oplock=SMB2_OPLOCK_LEVEL_LEASE, contexts=contexts
    )
    assert_no_break(tree.session.connection)  # it named the directory's lease as its own
    lose_connection(server, tree)
    # Nobody holds the directory any more: who changes it waits for nobody.
    other.create(f"{name}\\second", disposition=FILE_CREATE).close()

    again = login(client_guid=client).tree_connect(share)
    second = lease_directory(again, name)
    assert state_of(second) == R | H
    context = DurableHandleReconnectV2(lost.persistent, lost.volatile, guid, flags)
    file = again.create(
        f"{name}\\file", oplock=SMB2_OPLOCK_LEVEL_LEASE, contexts={context.tag: context.pack()} | child
    )
    assert state_of(file) == RWH
    assert lease_of(file).parent_lease_key == DIRECTORY
    file.write(b"changes what the directory shows")
    file.close()
    assert_no_break(again.session.connection)
    # Others' changes reach the client that is back.
    other.create(f"{name}\\third", disposition=FILE_CREATE).close()
    broken = next_lease_break(again.session.connection)
    assert (broken.lease_key, broken.new_lease_state) == (DIRECTORY, 0)
    answer(again, DIRECTORY, 0)
    second.close()
    for one in ("file", "second", "third"):
        other.delete(f"{name}\\{one}")
    other.delete(name)

"""What an opener asks for and who it is: the inputs of [MS-FSA] 2.1.5.1."""

from __future__ import annotations

import msgspec

from messaging.dbwrap.watch import Watch
from messaging.server_id import ServerId
from vfs.locking.away import Patience
from vfs.locking.oplock import LeaseRequest


class EaEntry(msgspec.Struct, gc=False):
    """One extended attribute ([MS-FSCC] 2.4.16); `name` without the terminating zero."""

    name: bytes
    value: bytes
    flags: int = 0


class OpenParams(msgspec.Struct, gc=False):
    """The parameters of an open ([MS-FSA] 2.1.5.1).

    Attributes:
        path: name relative to the share, components separated by a backslash, none in front; empty is the root.
        allocation_size: from the AlSi create context, 0 if absent.
        security_descriptor: self-relative, from the SecD create context.
        extended_attributes: from the ExtA create context.
        posix_mode: permission bits of a new file, from the POSIX create context; for POSIX views of a share.
        timewarp: FILETIME of the TWrp create context, 0 if absent.
        withheld_access: rights to change that were asked for where nothing changes; the open goes on without them.
        attempts: how often the open has waited for oplock breaks of others.
        watch: by which it has waited, and may have to again.
        patience: with clients that are away.
    """

    path: str
    desired_access: int
    file_attributes: int = 0
    share_access: int = 0
    create_disposition: int = 1
    create_options: int = 0
    allocation_size: int = 0
    security_descriptor: bytes | None = None
    extended_attributes: list[EaEntry] | None = None
    timewarp: int = 0
    posix_mode: int = 0
    withheld_access: int = 0
    attempts: int = 0
    watch: Watch | None = None
    patience: Patience | None = None


class OpenOwner(msgspec.Struct, frozen=True, gc=False):
    """Who opens: the process and its number for the open, unique within that process.

    `oplock_level` and `lease` are what the client asks for; with a lease the level is OPLOCK_LEASE. `connect_id` is the
    number of the tree connect that it opens through. `handle_id` is the number that the open is to have as a persistent
    handle, if it can be one; 0 if it is not to be.
    """

    server_id: ServerId
    open_id: int
    client_guid: bytes = b""
    oplock_level: int = 0
    lease: LeaseRequest | None = None
    connect_id: int = 0
    handle_id: int = 0

"""Application instances in CREATE: [MS-SMB2] 3.3.5.9.13, SMB2_CREATE_APP_INSTANCE_ID and _VERSION."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from smbd.smb2.request import Reply
from smbd.wire.constants import (
    SMB2_CREATE_APP_INSTANCE_ID,
    SMB2_CREATE_APP_INSTANCE_VERSION,
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2,
    SMB2_DIALECT_300,
    SMB2_DIALECT_311,
)
from smbd.wire.create_contexts import AppInstanceId, AppInstanceVersion
from smbd.xsrv.app_instance import InstanceOpen, Version
from smbd.xsrv.remote_close import close_open
from vfs.access import FILE_GENERIC_READ
from vfs.fsa.peek import maximal_access_by_name
from vfs.ntstatus import STATUS_FILE_FORCED_CLOSED, NTStatusError

if TYPE_CHECKING:
    from smbd.smb2.request import MaybeAsync, Request
    from smbd.wire.create import CreateRequest
    from smbd.xsrv.open import Open
    from smbd.xsrv.session import Session
    from smbd.xsrv.tcon import Tcon
    from vfs.volume import Volume

_log = logging.getLogger(__name__)


class Instance:
    """The application instance that a CREATE names.

    Attributes:
        instance_id: AppInstanceId.
        version: None if it has none.
        name: of the file.
    """

    __slots__ = ("instance_id", "name", "version")

    def __init__(self, instance_id: bytes, version: Version | None, name: str) -> None:
        self.instance_id = instance_id
        self.version = version
        self.name = name

    @property
    def compared_name(self) -> str:
        """The name in the form that is compared."""
        return self.name.casefold()


def read(request: Request, message: CreateRequest) -> Instance | None:
    """Return the instance that is named; None if there is none, or it does not count.

    Raises:
        WireError: a context is malformed.
    """
    contexts, dialect = message.contexts, request.connection.dialect
    found = contexts.get(SMB2_CREATE_APP_INSTANCE_ID)
    if found is None or dialect < SMB2_DIALECT_300 or SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2 in contexts:
        return None
    version: Version | None = None
    named = contexts.get(SMB2_CREATE_APP_INSTANCE_VERSION)
    if named is not None and dialect >= SMB2_DIALECT_311:
        context = AppInstanceVersion.unpack(named)
        version = context.version_high, context.version_low
    return Instance(AppInstanceId.unpack(found).app_instance_id, version, message.name)


async def perform(
    session: Session, tcon: Tcon, volume: Volume, instance: Instance, create: Callable[[], MaybeAsync]
) -> bytes | Reply:
    """Close what the instance has left open at another client, then run the create.

    Raises:
        NTStatusError: STATUS_FILE_FORCED_CLOSED: a newer instance has the file, or one with a version, and this
            has none.
    """
    await _take_over(session, tcon, volume, instance)
    result = create()
    return result if isinstance(result, (bytes, Reply)) else await result


def enter(opened: Open, instance: Instance) -> None:
    """Make `opened` the instance's. Before the client is told of it: what it keeps, it keeps with that."""
    opened.enter_app_instance(
        instance.instance_id,
        InstanceOpen(
            opened.persistent_id,
            opened.session.client.client_guid,
            opened.tcon.share_name,
            instance.compared_name,
            instance.version,
        ),
    )


async def _take_over(session: Session, tcon: Tcon, volume: Volume, instance: Instance) -> None:
    client = session.client
    databases = client.ctx.databases
    earlier = [
        one
        for one in databases.app_instances.find(instance.instance_id)
        if one.client_guid != client.client_guid
        and one.share_name == tcon.share_name
        and one.name == instance.compared_name
        and databases.counts(databases.opens.get(one.persistent_id))
    ]
    if not earlier:
        return
    for one in earlier:
        if one.version is not None and (instance.version is None or one.version >= instance.version):
            raise NTStatusError(STATUS_FILE_FORCED_CLOSED, "the file belongs to a newer instance of the application")
    if maximal_access_by_name(volume, tcon.token, instance.name) & FILE_GENERIC_READ != FILE_GENERIC_READ:
        return
    for one in earlier:
        _log.info("%s: open %#x is closed for its application instance", instance.name, one.persistent_id)
        await close_open(client, one.persistent_id, instance.instance_id)

"""A tree connect: smbXsrv_tcon ([MS-SMB2] 3.3.1.9), one user's view of one share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from smbd.xsrv.records import TconGlobal

if TYPE_CHECKING:
    from smbd.config.loadparm import ShareParams
    from smbd.xsrv.session import Session
    from vfs.token import SecurityToken
    from vfs.volume import Volume


class Tcon:
    """One tree connect.

    Attributes:
        wire_id: TreeId, the key in the session's table.
        global_id: key of its record in smbXsrv_tcon_global.
        share: the share's parameters, replaced by a reload.
        token: who requests run as: the session's user, or who the share forces it to be.
        volume: the object store; None for IPC$.
        posix_volume: the same as opens with the POSIX extensions see it, from the first such open on.
        maximal_access: what the share grants at most.
        encryption_required: only encrypted requests are served.
    """

    __slots__ = (
        "_make_posix_volume",
        "encryption_required",
        "global_id",
        "maximal_access",
        "posix_volume",
        "session",
        "share",
        "share_name",
        "share_type",
        "token",
        "volume",
        "wire_id",
    )

    def __init__(
        self,
        session: Session,
        wire_id: int,
        share: ShareParams,
        share_name: str,
        share_type: int,
        token: SecurityToken,
        volume: Volume | None,
        maximal_access: int,
        *,
        encryption_required: bool,
        make_posix_volume: Callable[[], Volume] | None = None,
    ) -> None:
        self.session = session
        self.wire_id = wire_id
        self.share = share
        self.share_name = share_name
        self.share_type = share_type
        self.token = token
        self.volume = volume
        self.posix_volume: Volume | None = None
        self._make_posix_volume = make_posix_volume
        self.maximal_access = maximal_access
        self.encryption_required = encryption_required
        encryption = "full" if encryption_required or session.encryption_required else ""
        if not encryption and session.encrypts:
            encryption = "partial"
        ctx = session.client.ctx
        self.global_id, _ = ctx.databases.tcons.allocate(
            lambda new_id: TconGlobal(
                new_id,
                wire_id,
                ctx.server_id,
                session.global_id,
                share_name,
                time.time_ns(),
                "full" if session.signing_required else "partial",
                encryption,
            )
        )

    def posix_view(self) -> Volume | None:
        """Return the object store for opens with the POSIX extensions; None if there are none on this share.

        Raises:
            OSError, NTStatusError: the share's root can no longer be opened.
        """
        if not self.share.smb3_unix_extensions or self.volume is None:
            return None
        if self.posix_volume is None and self._make_posix_volume is not None:
            self.posix_volume = self._make_posix_volume()
            self.posix_volume.read_only = self.volume.read_only
        return self.posix_volume

    def close(self) -> None:
        """Remove its record and let the share's root go; `Session.close_tcon` has closed what was open on it."""
        if self.volume is not None:
            self.volume.backend.close()
        if self.posix_volume is not None:
            self.posix_volume.backend.close()
        self.session.client.ctx.databases.tcons.remove(self.global_id)

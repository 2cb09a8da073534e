"""Global parameters about the SMB protocol itself."""

from __future__ import annotations

from typing import Final

from smbd.config.enums import AUTO_BOOL, PROTOCOL
from smbd.config.registry import ACCEPTED, GLOBAL, KNOWN, Param, ParameterSet
from smbd.config.values import BOOL, COUNT, IntType, TransferSizeType
from smbd.wire.constants import SMB2_DIALECT_202, SMB2_DIALECT_311

# [MS-SMB2] 3.3.5.4: no maximum may be below 64 KiB, what one credit pays for. 8 MiB is what Windows offers.
_TRANSFER_SIZE: Final = TransferSizeType(65536, 8388608)


class ProtocolParams(ParameterSet, scope=GLOBAL):
    """Dialects, transfer sizes, credits and protocol features."""

    server_min_protocol = Param(
        PROTOCOL,
        SMB2_DIALECT_202,
        "The oldest dialect accepted. SMB1 is never served, whatever this says.",
        synonyms=("min protocol",),
    )
    server_max_protocol = Param(
        PROTOCOL,
        SMB2_DIALECT_311,
        "The newest dialect offered.",
        synonyms=("max protocol", "protocol"),
    )
    smb2_max_read = Param(_TRANSFER_SIZE, 8388608, "The greatest size in bytes of a single READ.")
    smb2_max_write = Param(_TRANSFER_SIZE, 8388608, "The greatest size in bytes of a single WRITE.")
    smb2_max_trans = Param(
        _TRANSFER_SIZE, 8388608, "The greatest size in bytes of directory listings, ioctls and the like."
    )
    smb2_max_credits = Param(
        IntType(1, 65535),
        8192,
        "The greatest number of requests that one connection may have on the way.",
    )
    smb2_leases = Param(BOOL, True, "Grant leases to clients of SMB 2.1 and later.")
    smb3_directory_leases = Param[bool | None](
        AUTO_BOOL,
        None,
        "Grant leases on directories; Auto means yes unless clustered.",
        since="4.22",
    )
    persistent_handles = Param(
        BOOL,
        False,
        """Let handles outlast the server, and the machine, on shares with `continuous availability`. Counts when
        the server starts; their state is in the state directory.""",
        since="4.25",
    )
    server_multi_channel_support = Param(BOOL, True, "Let one session use several connections.")
    smb2_disable_lock_sequence_checking = Param(
        BOOL, False, "Do not recognise a repeated lock request by its sequence number."
    )
    smb2_disable_oplock_break_retry = Param(
        BOOL,
        False,
        """Send an oplock or lease break over the latest channel only, as Windows does, and not again over another
        when that is lost.""",
    )
    oplock_break_wait_time = Param(COUNT, 0, "Oplock breaks are sent at once.", status=ACCEPTED)
    host_msdfs = Param(BOOL, True, "Tell clients that shares may be DFS roots.", status=KNOWN)
    nt_pipe_support = Param(BOOL, True, "Serve the named pipes of IPC$.", status=ACCEPTED)
    time_server = Param(BOOL, False, "Only SMB1 clients ask for it.", status=ACCEPTED)

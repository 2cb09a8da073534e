"""Message types of the bus, with Samba's names where Samba has the message.

The numbers are of this bus only. They go in hundreds by the part that handles them; a number is never
reused.
"""

from __future__ import annotations

from typing import Final

# Every process.
MSG_DEBUG: Final = 0x0001  # set the log levels, payload as in `log level`
MSG_PING: Final = 0x0002
MSG_PONG: Final = 0x0003
MSG_REQ_DEBUGLEVEL: Final = 0x0005
MSG_DEBUGLEVEL: Final = 0x0006  # reply to the one before
MSG_REQ_POOL_USAGE: Final = 0x0009
MSG_POOL_USAGE: Final = 0x000A
MSG_REQ_RINGBUF_LOG: Final = 0x000B
MSG_RINGBUF_LOG: Final = 0x000C
MSG_SHUTDOWN: Final = 0x000D
MSG_DAEMON_READY_FD: Final = 0x000E
MSG_RELOAD_CONFIG: Final = 0x0021  # Samba: MSG_SMB_CONF_UPDATED
MSG_PREFORK_CHILD_EVENT: Final = 0x0031

# The messaging layer itself.
MSG_IRPC_REQUEST: Final = 0x0101
MSG_IRPC_REPLY: Final = 0x0102
MSG_DBWRAP_MODIFIED: Final = 0x0103  # a watched record changed: see dbwrap.watch

# smbd processes.
MSG_SMB_CONF_UPDATED: Final = MSG_RELOAD_CONFIG
MSG_SMB_FORCE_TDIS: Final = 0x0301  # payload: share name
MSG_SMB_FORCE_TDIS_DENIED: Final = 0x0302  # only users that lost the right to it
MSG_SMB_KILL_CLIENT_IP: Final = 0x0303  # payload: address
MSG_SMB_TELL_NUM_CHILDREN: Final = 0x0304
MSG_SMB_NUM_CHILDREN: Final = 0x0305  # reply to the one before
MSG_SMB_INJECT_FAULT: Final = 0x0306
MSG_SMB_BREAK_REQUEST: Final = 0x0311  # break this oplock or lease
MSG_SMB_BREAK_RESPONSE: Final = 0x0312
MSG_SMB_KERNEL_BREAK: Final = 0x0313
MSG_SMB_FILE_RENAME: Final = 0x0314
MSG_SMB_CLOSE_FILE: Final = 0x0315
MSG_SMB_NOTIFY_REC_CHANGES: Final = 0x0321
MSG_SMB_NOTIFY_TRIGGER: Final = 0x0322
MSG_SMB_NOTIFY_STARTED: Final = 0x0323
MSG_SMB_NOTIFY_GET_DB: Final = 0x0324
MSG_SMB_NOTIFY_DB: Final = 0x0325
MSG_SMB_NOTIFY_CANCEL_DELETED: Final = 0x0326
MSG_SMB_NOTIFY_CLEANUP: Final = 0x0327  # payload: the server id that died
MSG_SMB_IP_DROPPED: Final = 0x0328
MSG_SMB_SCAVENGER: Final = 0x0331
MSG_SMBXSRV_SESSION_CLOSE: Final = 0x0341
MSG_SMBXSRV_CONNECTION_PASS: Final = 0x0342
MSG_SMBXSRV_CONNECTION_PASSED: Final = 0x0343
MSG_SMBXSRV_CONNECTION_DROP: Final = 0x0344

FIRST_FREE: Final = 0x1000
"""From here on for the programs built on the bus, tests included."""

_NAMES: Final = {
    value: name for name, value in sorted(globals().items(), reverse=True) if name.startswith("MSG_")
}


def message_name(msg_type: int) -> str:
    """Return the name of a message type for logs."""
    return _NAMES.get(msg_type, f"MSG_0x{msg_type:04x}")

"""Global parameters about the log."""

from __future__ import annotations

from smbd.config.registry import ACCEPTED, GLOBAL, KNOWN, Param, ParameterSet
from smbd.config.values import BOOL, COUNT, SIZE, STRING


class LoggingParams(ParameterSet, scope=GLOBAL):
    """What is logged, where and in which form."""

    log_level = Param(
        STRING,
        "1",
        """How much is logged, 0 to 10: a level for everything, and levels for classes, such as
        `1 auth:3 smb2:5`. A class may go to a file of its own: `auth:3@/var/log/pysmbd/auth.log`.""",
        synonyms=("debuglevel",),
    )
    log_file = Param(
        STRING,
        "",
        "The log file, which may hold %m (the client's name) and other %-variables for a file per client.",
    )
    logging = Param(
        STRING,
        "",
        "Where the log goes: a list of `file`, `syslog` and `systemd`, each with a level: `file syslog@1`.",
    )
    max_log_size = Param(
        SIZE,
        5000,
        "Size in KiB at which a log file is renamed to .old and begun again; 0 sets no limit.",
    )
    syslog = Param(COUNT, 1, "Use `logging` instead.", status=ACCEPTED)
    syslog_only = Param(BOOL, False, "Use `logging` instead.", status=ACCEPTED)
    timestamp_logs = Param(BOOL, True, "Begin each message with the date and time.", synonyms=("debug timestamp",))
    debug_prefix_timestamp = Param(BOOL, False, "Begin each line with the time and nothing else, for terser logs.")
    debug_hires_timestamp = Param(BOOL, True, "Give times with microseconds.")
    debug_pid = Param(BOOL, False, "Add the process id to each message.")
    debug_uid = Param(BOOL, False, "Add the effective and real user and group ids to each message.")
    debug_class = Param(BOOL, False, "Add the debug class to each message.")
    debug_syslog_format = Param(
        BOOL, False, "Begin each message as syslog does, with host name, program and process id."
    )
    debug_encryption = Param(
        BOOL,
        False,
        "Log session and encryption keys for use with a network sniffer. Never on a server in use.",
        status=KNOWN,
    )
    log_writeable_files_on_exit = Param(
        BOOL, False, "When a worker ends, log the files that it still had open for writing.", status=KNOWN
    )

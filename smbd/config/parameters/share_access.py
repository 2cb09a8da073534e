"""Share parameters about what is shared, with whom, and as which Unix user."""

from __future__ import annotations

from smbd.config.enums import DEFAULT, LEVEL
from smbd.config.registry import KNOWN, SHARE, Param, ParameterSet
from smbd.config.values import BOOL, COUNT, STRING, WORDS

_USERS = "Names may be @group, +group (Unix), &group (NIS), and DOMAIN\\name. "


class ShareAccessParams(ParameterSet, scope=SHARE):
    """Path, visibility, access lists and identity."""

    path = Param(STRING, "", "The directory that is shared. May hold %-variables.", synonyms=("directory",))
    comment = Param(STRING, "", "The text shown beside the share in listings.")
    browseable = Param(BOOL, True, "Show the share in listings.", synonyms=("browsable",))
    available = Param(BOOL, True, "Off: refuse connections to the share.")
    read_only = Param(
        BOOL,
        True,
        "Clients may not change anything, except users of `write list`.",
        inverted=("writeable", "writable", "write ok"),
    )
    guest_ok = Param(BOOL, False, "Guests may connect to the share.", synonyms=("public",))
    guest_only = Param(
        BOOL, False, "Everybody is served as the guest account; needs `guest ok`.", synonyms=("only guest",)
    )
    valid_users = Param[list[str]](WORDS, [], _USERS + "Only these users may connect; empty admits everybody.")
    invalid_users = Param[list[str]](WORDS, [], _USERS + "These users may not connect, even if they are valid.")
    read_list = Param[list[str]](WORDS, [], _USERS + "These users only read, whatever `read only` says.")
    write_list = Param[list[str]](WORDS, [], _USERS + "These users also write, whatever `read only` says.")
    admin_users = Param[list[str]](WORDS, [], _USERS + "These users do everything on the share as root.")
    hosts_allow = Param[list[str]](
        WORDS,
        [],
        """Only these hosts may connect: names, addresses, networks (150.203. or 150.203.0.0/16), ALL, LOCAL,
        with EXCEPT. In [global] it is valid for all shares.""",
        synonyms=("allow hosts",),
    )
    hosts_deny = Param[list[str]](
        WORDS, [], "These hosts may not connect unless `hosts allow` names them.", synonyms=("deny hosts",)
    )
    max_connections = Param(COUNT, 0, "The greatest number of connections to the share; 0 sets no limit.")
    force_user = Param(STRING, "", "All file access is done as this Unix user, whoever is connected.")
    force_group = Param(
        STRING,
        "",
        "The primary Unix group of all users; +group only for users who are members of it.",
        synonyms=("group",),
    )
    server_smb_encrypt = Param(
        LEVEL,
        DEFAULT,
        """Encryption: `off`, `if_required` (when the client asks), `desired` (when the client can) or
        `required`. In [global] `required` is valid for whole sessions.""",
        synonyms=("smb encrypt",),
    )
    access_based_share_enum = Param(BOOL, False, "Show the share in listings only to users who may connect to it.")
    continuous_availability = Param(
        BOOL,
        False,
        """Grant persistent handles on the share. Wants `persistent handles` in [global] and, as `durable handles`
        do, that `kernel oplocks`, `kernel share modes` and `posix locking` are off. `smb3 share cap:CONTINUOUS
        AVAILABILITY` means the same.""",
        since="4.25",
    )
    preexec = Param(
        STRING, "", "A command run as the user when the share is connected.", synonyms=("exec",), status=KNOWN
    )
    preexec_close = Param(BOOL, False, "Refuse the connection if `preexec` fails.", status=KNOWN)
    postexec = Param(STRING, "", "A command run as the user when the share is left.", status=KNOWN)
    root_preexec = Param(STRING, "", "As `preexec`, but run as root.", status=KNOWN)
    root_preexec_close = Param(BOOL, False, "Refuse the connection if `root preexec` fails.", status=KNOWN)
    root_postexec = Param(STRING, "", "As `postexec`, but run as root.", status=KNOWN)
    printable = Param(
        BOOL,
        False,
        "Printing is not offered; such shares are left out.",
        synonyms=("print ok",),
        status=KNOWN,
    )
    copy = Param(STRING, "", "Take over all parameters of another share, which must stand further up.")
    include = Param(STRING, "", "Read this file at this point. Its name may hold %-variables.")

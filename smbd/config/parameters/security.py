"""Global parameters about accounts, logon policy, signing and encryption."""

from __future__ import annotations

from typing import Final

from smbd.config import paths
from smbd.config.enums import DEFAULT, LEVEL, MAP_TO_GUEST, NEVER, NTLM_AUTH, NTLMV2_ONLY, SECURITY
from smbd.config.registry import ACCEPTED, GLOBAL, KNOWN, Param, ParameterSet
from smbd.config.values import BOOL, COUNT, STRING, AlgorithmListType, IntType, one_of

SIGNING_ALGORITHMS: Final = ("AES-128-GMAC", "AES-128-CMAC", "HMAC-SHA256")
ENCRYPTION_ALGORITHMS: Final = ("AES-128-GCM", "AES-128-CCM", "AES-256-GCM", "AES-256-CCM")


class SecurityParams(ParameterSet, scope=GLOBAL):
    """Who may log on, and how messages are protected."""

    security = Param(
        SECURITY,
        "auto",
        "Where users are authenticated. Only the own account database (`user`) is implemented.",
    )
    passdb_backend = Param(
        STRING,
        "tdbsam",
        "The account database: `tdbsam`, or `tdbsam:FILE`; by default passdb.tdb in `private dir`.",
    )
    smb_passwd_file = Param(
        STRING, paths.SMB_PASSWD_FILE, "The file of the old smbpasswd account database.", status=KNOWN
    )
    encrypt_passwords = Param(BOOL, True, "Passwords never travel in clear text in SMB2 and later.", status=ACCEPTED)
    guest_account = Param(STRING, "nobody", "The Unix user as which guests are served.")
    map_to_guest = Param(
        MAP_TO_GUEST,
        NEVER,
        """When a logon that fails becomes a guest session: never, for an unknown user (`Bad User`), or also
        for a wrong password (`Bad Password`). Windows 11 24H2 refuses guest sessions unless told
        otherwise.""",
    )
    null_passwords = Param(BOOL, False, "Allow logons to accounts without a password.")
    restrict_anonymous = Param(
        IntType(0, 2),
        0,
        """What clients without an account may learn: 1 hides lists of users, 2 refuses anonymous sessions
        altogether (except that shares for guests work).""",
    )
    username_map = Param(
        STRING,
        "",
        """A file that maps names of clients to Unix users: lines such as `root = admin administrator`;
        `!` stops at this line, `@group` names all members, `*` everybody.""",
    )
    username_map_script = Param(
        STRING, "", "A command that prints the Unix user for the name given to it.", status=KNOWN
    )
    username_map_cache_time = Param(COUNT, 0, "The map is read when it changed.", status=ACCEPTED)
    username_level = Param(COUNT, 0, "Account names are compared without regard to case as it is.", status=ACCEPTED)
    ntlm_auth = Param(
        NTLM_AUTH,
        NTLMV2_ONLY,
        "Which forms of NTLM are accepted. NTLMv1 is never accepted, whatever this says.",
    )
    lanman_auth = Param(BOOL, False, "The LANMAN hash is not implemented.", status=ACCEPTED)
    raw_ntlmv2_auth = Param(
        BOOL,
        False,
        "Accept NTLMv2 outside NTLMSSP; only SMB1 clients do that.",
        name="raw NTLMv2 auth",
        status=ACCEPTED,
    )
    nt_hash_store = Param(
        one_of("auto", "never", "always"),
        "always",
        "The NT hash is what NTLM needs: it is always stored.",
        status=ACCEPTED,
    )
    algorithmic_rid_base = Param(
        COUNT,
        1000,
        "The lowest relative id given to Unix users and groups that have no SID of their own.",
        status=KNOWN,
    )
    obey_pam_restrictions = Param(
        BOOL, False, "Ask PAM whether the account may be used and open a PAM session.", status=KNOWN
    )
    server_signing = Param(
        LEVEL,
        DEFAULT,
        """Signing of SMB messages: `mandatory` refuses clients that do not sign. Without it each client
        decides; signing cannot be switched off in SMB2 and later.""",
    )
    server_smb3_signing_algorithms = Param[list[str]](
        AlgorithmListType(SIGNING_ALGORITHMS),
        list(SIGNING_ALGORITHMS),
        """The signing algorithms offered to SMB 3.1.1 clients, best first. An entry with a minus takes one
        out of the default list, one with a plus adds it.""",
    )
    server_smb3_encryption_algorithms = Param[list[str]](
        AlgorithmListType(ENCRYPTION_ALGORITHMS),
        list(ENCRYPTION_ALGORITHMS),
        "The ciphers offered to SMB 3 clients, best first; minus and plus as with the signing algorithms.",
    )
    enable_privileges = Param(BOOL, True, "Honour privileges granted to accounts.", status=ACCEPTED)
    check_password_script = Param(STRING, "", "A command that judges a new password.", status=KNOWN)
    unix_password_sync = Param(BOOL, False, "Change the Unix password along with the SMB password.", status=KNOWN)

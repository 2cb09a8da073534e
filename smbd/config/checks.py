"""What is wrong with a configuration as a whole, though each line of it is right.

These are testparm's checks. They look at the machine too (directories, shared paths), so that their outcome
is valid for the machine they run on only.
"""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from smbd.config.enums import NEVER, PROTOCOL_DEFAULT, REQUIRED
from smbd.config.snapshot import Config, ShareParams
from smbd.config.substitute import has_variables
from smbd.wire.constants import SMB2_DIALECT_202, SMB2_DIALECT_300, SMB2_DIALECT_311
from vfs.modules.base import ModuleError
from vfs.modules.loader import known_module

ROLE_STANDALONE: Final = "ROLE_STANDALONE"
ROLE_DOMAIN_MEMBER: Final = "ROLE_DOMAIN_MEMBER"
ROLE_DOMAIN_BDC: Final = "ROLE_DOMAIN_BDC"
ROLE_DOMAIN_PDC: Final = "ROLE_DOMAIN_PDC"
ROLE_ACTIVE_DIRECTORY_DC: Final = "ROLE_ACTIVE_DIRECTORY_DC"
ROLE_IPA_DC: Final = "ROLE_IPA_DC"

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_ROLES: Final = {
    "standalone server": ROLE_STANDALONE,
    "member server": ROLE_DOMAIN_MEMBER,
    "classic primary domain controller": ROLE_DOMAIN_PDC,
    "classic backup domain controller": ROLE_DOMAIN_BDC,
    "active directory domain controller": ROLE_ACTIVE_DIRECTORY_DC,
    "IPA primary domain controller": ROLE_IPA_DC,
}


class Finding(NamedTuple):
    """One result of a check: an error makes testparm fail, a warning does not."""

    is_error: bool
    message: str

    def __str__(self) -> str:
        return f"{'ERROR' if self.is_error else 'WARNING'}: {self.message}"


def server_role(config: Config) -> str:
    """The role of the server, in Samba's spelling."""
    params = config.globals
    if params.server_role != "auto":
        return _ROLES[params.server_role]
    if params.security in {"ads", "domain"}:
        return ROLE_DOMAIN_MEMBER
    return ROLE_STANDALONE


def check_config(config: Config) -> list[Finding]:
    """All findings, those of [global] first."""
    findings = [*_check_identity(config), *_check_directories(config), *_check_protocol(config)]
    for section in config.sections():
        findings += _check_section(section)
    findings += _check_guests(config)
    return findings


def _check_identity(config: Config) -> Iterator[Finding]:
    params = config.globals
    if params.workgroup.upper() == params.netbios_name.upper():
        yield Finding(False, "'workgroup' and 'netbios name' must differ.")
    if len(params.netbios_name) > 15:
        yield Finding(True, f"'netbios name' {params.netbios_name} is longer than 15 characters.")
    if server_role(config) != ROLE_STANDALONE:
        yield Finding(
            False,
            "only the role of a stand-alone server is implemented: users are those of 'passdb backend'.",
        )


def _check_directories(config: Config) -> Iterator[Finding]:
    params = config.globals
    for name, directory in (
        ("lock directory", params.lock_directory),
        ("state directory", params.state_directory),
        ("cache directory", params.cache_directory),
        ("pid directory", params.pid_directory),
    ):
        mode = _directory_mode(directory)
        if mode is None:
            yield Finding(False, f"{name} {directory} does not exist")
        elif mode & _OTHERS_WRITE:
            yield Finding(False, f"{name} {directory} should be writable by its owner only")


def _check_protocol(config: Config) -> Iterator[Finding]:
    params = config.globals
    lowest = params.server_min_protocol
    highest = params.server_max_protocol
    highest = SMB2_DIALECT_311 if highest == PROTOCOL_DEFAULT else highest
    if highest < SMB2_DIALECT_202:
        yield Finding(True, "'server max protocol' leaves only SMB1, which is not served.")
    elif lowest > highest:
        yield Finding(True, "'server min protocol' is newer than 'server max protocol': nobody can connect.")
    elif PROTOCOL_DEFAULT < lowest < SMB2_DIALECT_202:
        yield Finding(False, "'server min protocol' asks for SMB1, which is not served.")
    encrypted = [section.name for section in config.shares() if section.server_smb_encrypt == REQUIRED]
    if (encrypted or params.smb_encrypt == REQUIRED) and highest < SMB2_DIALECT_300:
        yield Finding(True, "'server smb encrypt' is required, but 'server max protocol' is below SMB3.")


def _check_section(section: ShareParams) -> Iterator[Finding]:
    where = f"service [{section.name}]"
    if len(section.name) > 80:
        yield Finding(False, f"{where}: Windows clients do not see names longer than 80 characters.")
    if set(section.name) & set('/\\[]:|<>+;,?*"'):
        yield Finding(False, f"{where}: the name has characters that Windows clients refuse.")
    if section.path and not has_variables(section.path) and section.available and not section.is_printer:
        if not section.path.startswith("/"):
            yield Finding(True, f"{where}: path {section.path} is not absolute.")
        elif _directory_mode(section.path) is None:
            yield Finding(False, f"{where}: path {section.path} does not exist or is no directory.")
    if section.guest_only and not section.guest_ok:
        yield Finding(False, f"{where}: 'guest only' has no effect without 'guest ok'.")
    if section.preexec_close and not section.preexec:
        yield Finding(False, f"{where}: 'preexec close' has no effect without 'preexec'.")
    for name in section.vfs_objects:
        try:
            known_module(name)
        except ModuleError as error:
            yield Finding(False, f"{where}: nobody can connect: {error}.")
    for entry in (*section.hosts_allow, *section.hosts_deny):
        if "/" in entry and not _is_network(entry):
            yield Finding(True, f"{where}: {entry!r} is not a network: write ADDRESS/MASK.")


def _check_guests(config: Config) -> Iterator[Finding]:
    guests = [f"[{section.name}]" for section in config.shares() if section.guest_ok and section.available]
    if not guests:
        return
    names = ", ".join(guests)
    if config.globals.signing_required:
        yield Finding(
            False,
            f"'guest ok' on {names}, but 'server signing' is required: guests have no key to sign with,"
            " so that they cannot connect.",
        )
    elif config.globals.map_to_guest == NEVER:
        yield Finding(
            False,
            f"'guest ok' on {names}, but 'map to guest' is never: only anonymous clients become guests.",
        )
    else:
        yield Finding(
            False,
            f"'guest ok' on {names}: Windows 11 24H2 and later require signing and refuse guest sessions"
            " unless told otherwise.",
        )


def _directory_mode(path: str) -> int | None:
    """The permission bits of a directory; None if it is none, or not to be seen by this user."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return stat.S_IMODE(status.st_mode) if stat.S_ISDIR(status.st_mode) else None


def _is_network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False
    return True

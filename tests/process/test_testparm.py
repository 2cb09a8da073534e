"""testparm as a program, and beside Samba's testparm where that is installed."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SAMBA_TESTPARM = "/usr/bin/testparm"
ROOT = Path(__file__).parents[2]

FILES = {
    "plain": """
        [global]
        workgroup = lab
        netbios name = files
        log file = /var/log/samba/log.%m
        max log size = 10M
        map to guest = bad user
        server signing = mandatory
        server min protocol = SMB3_00
        server smb encrypt = desired
        deadtime = 010
        [homes]
        browseable = no
        writable = yes
        valid users = %S
        [data]
        comment = some \\
            data
        path = "/srv/da ta"
        writeable = yes
        create mode = 640
        force group = +staff
        valid users = @"Domain Users", bob;jim
        veto files = /*.exe/._*/
        case sensitive = 1
        vfs object = recycle streams_xattr
        recycle:keeptree = yes
        recycle : versions = yes
    """,
    "defaults of shares": """
        read only = no
        guest ok = yes
        [a]
        path = /a
        read only = yes
        comment = # not a comment
        [global]
        guest ok = no
        hosts deny = ALL EXCEPT 127.
        create mask = 0600
        [b]
        path = /b
        [A]
        map readonly = permissions
        [c  d]
        path = /cd
        # ignored \\
        hide dot files = no
        ; ignored
        [no path]
    """,
    "copy": """
        [a]
        path = /a
        read only = no
        x:y = 1
        p:q = 2
        inherit owner = unix only
        [b]
        comment = of b
        copy = a
        x:y = 3
        store dos attributes = no
        mangled names = yes
    """,
    "for other servers": """
        [global]
        workgroup = AD
        realm = AD.EXAMPLE
        wins support = yes
        load printers = no
        printing = bsd
        printcap name = /dev/null
        idmap config AD : backend = rid
        idmap config AD : range = 1000-2000
        winbind use default domain = yes
        ldap ssl = off
        usershare allow guests = yes
        client min protocol = SMB2
        client signing = required
        socket options = TCP_NODELAY IPTOS_LOWDELAY
        interfaces = "eth0;speed=1000,capability=RSS" 127.0.0.0/8
        bind interfaces only = yes
        [print$]
        path = /var/lib/samba/printers
        [printers]
        printable = yes
        path = /var/tmp
        use client driver = yes
    """,
}


def run(
    *arguments: str, program: tuple[str, ...] = (sys.executable, "-m", "smbd.tools.testparm")
) -> tuple[int, str, str]:
    done = subprocess.run(
        [*program, *arguments], cwd=ROOT, capture_output=True, text=True, input="\n", check=False, timeout=30
    )
    return done.returncode, done.stdout, done.stderr


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "smb.conf"
    path.write_text("\n".join(line.strip() if "\\" not in line else line for line in text.splitlines()) + "\n")
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return write(tmp_path, FILES["plain"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(SAMBA_TESTPARM) is None, reason="Samba's testparm is not installed")
@pytest.mark.parametrize("name", FILES)
def test_the_dump_is_that_of_samba(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, FILES[name])
    ours, theirs = run("-s", path), run("-s", path, program=(SAMBA_TESTPARM,))
    assert ours[1].splitlines() == theirs[1].splitlines()
    assert ours[0] == theirs[0] == 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(SAMBA_TESTPARM) is None, reason="Samba's testparm is not installed")
def test_names_and_defaults_are_those_of_samba(file: str) -> None:
    ours = run("-sv", "--section-name=global", file)[1].splitlines()
    theirs = run("-sv", "--section-name=global", file, program=(SAMBA_TESTPARM,))[1].splitlines()
    # Where files are kept and what the server calls itself is its own; new parameters are not in an old Samba.
    own = ("directory =", "dir =", "server string =", "smb passwd file =")
    missing = [line for line in theirs if line not in ours and not any(word in line for word in own)]
    assert missing == []
    common = [line for line in ours if line in theirs]
    assert common == [line for line in theirs if line in ours]


@pytest.mark.slow
def test_messages_go_to_standard_error(file: str) -> None:
    status, output, messages = run(file)
    assert status == 0
    assert output.startswith("# Global parameters\n[global]\n")
    assert messages.startswith(f"Load smb config files from {file}\nLoaded services file OK.\nWeak crypto is ")
    assert "Server role: ROLE_STANDALONE\n" in messages
    assert messages.endswith("Press enter to see a dump of your service definitions\n")


@pytest.mark.slow
def test_mistakes_have_a_line_and_fail(tmp_path: Path) -> None:
    path = write(tmp_path, "[global]\nworkgruop = x\n[s]\nread only = maybe\n")
    status, output, messages = run("-s", path)
    assert (status, output) == (1, "")
    assert f"ERROR: {path}:4: 'maybe' is no value for 'read only': use yes or no" in messages
    assert messages.endswith("Error loading services.\n")


@pytest.mark.slow
def test_warnings_do_not_fail(tmp_path: Path) -> None:
    path = write(tmp_path, "[global]\nworkgruop = x\nwins support = yes\n")
    status, _, messages = run("-s", path)
    assert status == 0
    assert f"WARNING: {path}:2: unknown parameter 'workgruop': did you mean 'workgroup'?" in messages
    assert f"WARNING: {path}:3: parameter 'wins support' is known but not implemented" in messages


@pytest.mark.slow
def test_logic_checks_fail_unless_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, "[global]\nserver max protocol = NT1\n")
    assert run("-s", path)[0] == 1
    status, output, _ = run("-sl", path)
    assert status == 0
    assert "server max protocol = NT1" in output


@pytest.mark.slow
def test_one_parameter_or_section(file: str) -> None:
    assert run("-s", "--parameter-name=workgroup", file)[:2] == (0, "LAB\n")
    assert run("-s", "--section-name=data", "--parameter-name", "read only", file)[:2] == (0, "No\n")
    assert run("-s", "--section-name=homes", file)[1].startswith("\n[homes]\n\tbrowseable = No\n")
    status, output, messages = run("-s", "--section-name=nope", file)
    assert (status, output) == (1, "")
    assert "Unknown section nope" in messages
    assert run("-s", "--parameter-name=nope", file)[0] == 1


@pytest.mark.slow
def test_options_of_the_command_line(file: str) -> None:
    status, output, _ = run("-s", "--option=workgroup=other", "--option", "read only = yes", file)
    assert status == 0
    assert "\tworkgroup = OTHER\n" in output
    assert "read only = No" not in output
    assert run("-s", "--option=nonsense", file)[0] == 2


@pytest.mark.slow
def test_hosts_are_checked(tmp_path: Path) -> None:
    text = "[global]\nhosts allow = 10. lapland\n[a]\npath = /\n[b]\npath = /\nhosts deny = 10.1.\n"
    path = write(tmp_path, text)
    messages = run("-s", path, "pc", "192.0.2.1")[2]
    assert "Deny connection from pc (192.0.2.1) to a\nAllow connection from pc (192.0.2.1) to b\n" in messages
    assert "Allow connection from lapland (192.0.2.1) to a" in run("-s", path, "lapland", "192.0.2.1")[2]
    assert run("-s", path, "pc")[0] == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(SAMBA_TESTPARM) is None, reason="Samba's testparm is not installed")
@pytest.mark.parametrize(
    "address", ["10.1.1.1", "10.1.2.1", "10.2.0.1", "192.0.2.1", "2001:db8::7", "::1", "127.0.0.1"]
)
def test_hosts_are_admitted_as_by_samba(tmp_path: Path, address: str) -> None:
    allows = (
        "",
        "10.",
        "192.0.2.1",
        "ALL EXCEPT 192.0.2.1",
        "127.",
        "lap",
        ".ex.net",
        "LOCAL",
        "192.0.2.0/24",
        "192.0.2.0/255.255.255.0",
        "2001:db8::/32",
        "10. EXCEPT 10.1. EXCEPT 10.1.1.",
    )
    denies = ("", "ALL", "10.1.", "127.", "ALL EXCEPT 10.", "lap", "127.0.0.1", "::1", "0.0.0.0/0")
    shares = [
        f"[s{index}]\npath = /\nhosts allow = {allow}\nhosts deny = {deny}\n"
        for index, (allow, deny) in enumerate(itertools.product(allows, denies))
    ]
    if ":" in address:
        # Samba takes every IPv6 address for LOCAL, because there is no dot in it.
        shares = [share for share in shares if "LOCAL" not in share]
    path = write(tmp_path, "".join(shares))
    for name in ("lap", "a.ex.net"):
        ours = run("-s", path, name, address)[2]
        theirs = run("-s", path, name, address, program=(SAMBA_TESTPARM,))[2]
        expected = [line.split() for line in theirs.splitlines() if line.startswith(("Allow ", "Deny "))]
        found = [line.split() for line in ours.splitlines() if line.startswith(("Allow ", "Deny "))]
        assert len(expected) == len(shares)
        # The last word is the share; Samba does not show the name.
        assert [(line[0], line[-1]) for line in found] == [(line[0], line[-1]) for line in expected]


@pytest.mark.slow
def test_all_parameters_are_listed() -> None:
    status, output, _ = run("--show-all-parameters")
    assert status == 0
    assert "workgroup=P_USTRING," in output.splitlines()

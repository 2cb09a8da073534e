"""Loading smb.conf: values, defaults, include, copy, overrides and what is reported."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from smbd.config.enums import REQUIRED
from smbd.config.loadparm import Config, ConfigError, load_config
from smbd.config.substitute import SubstContext
from smbd.wire.constants import SMB2_DIALECT_300, SMB2_DIALECT_311

Loader = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    def load_text(text: str, *overrides: tuple[str, str], context: SubstContext | None = None) -> Config:
        path = tmp_path / "smb.conf"
        path.write_text(textwrap.dedent(text))
        return load_config(path, overrides, context)

    return load_text


def messages(config: Config) -> list[str]:
    return [f"{warning.line}: {warning.message}" for warning in config.warnings]


def test_without_a_file_everything_has_its_default() -> None:
    config = load_config("")
    assert config.globals.workgroup == "WORKGROUP"
    assert config.globals.smb_ports == [445, 139]
    assert config.globals.server_max_protocol == SMB2_DIALECT_311
    assert config.shares() == []
    assert config.homes is None
    assert config.home_share("bob", "/home/bob") is None


def test_values_are_plain_typed_attributes(load: Loader) -> None:
    config = load("""
        [global]
        Work Group = lab
        server min protocol = SMB3_00
        smb ports = 4450
        max log size = 2K
        server signing = mandatory
        [Data]
        path = "/srv/data"
        WRITEABLE = yes
        create mode = 640
        valid users = @"Domain Users", bob
        case sensitive = auto
        recycle : keep tree = yes
    """)
    params = config.globals
    assert params.workgroup == "LAB"
    assert params.server_min_protocol == SMB2_DIALECT_300
    assert params.smb_ports == [4450]
    assert params.max_log_size == 2048
    assert params.server_signing == REQUIRED
    assert params.signing_required
    share = config.share("DATA")
    assert share is not None
    assert share.name == "Data"
    assert share.path == "/srv/data"
    assert share.read_only is False
    assert share.create_mask == 0o640
    assert share.valid_users == ["@Domain Users", "bob"]
    assert share.case_sensitive is None
    assert share.parametric("Recycle:KeepTree") == "yes"
    assert share.parametric_bool("recycle:keep tree") is True
    assert "read_only" in vars(share)


def test_the_beginning_of_the_file_is_global(load: Loader) -> None:
    assert load("workgroup = x\n[global]\nnetbios name = y\n").globals.workgroup == "X"


def test_share_parameters_in_global_are_defaults_of_the_shares_after_them(load: Loader) -> None:
    config = load("""
        [global]
        read only = no
        guest ok = yes
        [a]
        path = /a
        read only = yes
        [global]
        guest ok = no
        [b]
        path = /b
    """)
    first, second = config.shares()
    assert (first.read_only, first.guest_ok) == (True, True)
    assert (second.read_only, second.guest_ok) == (False, False)
    assert config.globals.share_defaults.read_only is False


def test_a_section_may_be_written_in_parts(load: Loader) -> None:
    config = load("[s]\npath = /s\n[t]\npath = /t\n[S]\ncomment = two\n")
    share = config.share("s")
    assert share is not None
    assert (share.path, share.comment) == ("/s", "two")
    assert [item.name for item in config.shares()] == ["s", "t"]


def test_module_options_of_global_are_valid_for_shares(load: Loader) -> None:
    config = load("""
        [global]
        recycle:keep = no
        recycle:count = 0x10
        [s]
        path = /s
        recycle:keep = yes
    """)
    share = config.share("s")
    assert share is not None
    assert config.globals.parametric("recycle:keep") == "no"
    assert share.parametric("recycle:keep") == "yes"
    assert share.parametric_int("recycle:count") == 16
    assert share.parametric_int("recycle:keep", 7) == 7
    assert share.parametric_bool("recycle:count", default=True) is True
    assert share.parametric("recycle:none", "default") == "default"


def test_copy_takes_what_the_section_does_not_set(load: Loader) -> None:
    config = load("""
        [a]
        path = /a
        comment = of a
        read only = no
        x:y = 1
        [b]
        comment = of b
        copy = A
        read only = yes
    """)
    share = config.share("b")
    assert share is not None
    assert (share.path, share.comment, share.read_only, share.parametric("x:y")) == ("/a", "of b", True, "1")


def test_copy_of_a_section_further_down_is_an_error(load: Loader) -> None:
    with pytest.raises(ConfigError) as caught:
        load("[b]\ncopy = a\n[a]\npath = /a\n")
    assert caught.value.problems[0].line == 2
    assert "no section [a] to copy" in caught.value.problems[0].message


def test_include_by_variable_and_relative_name(load: Loader, tmp_path: Path) -> None:
    (tmp_path / "pc1.conf").write_text("workgroup = included\n")
    text = "[global]\ninclude = %m.conf\n"
    config = load(text, context=SubstContext(client_name="pc1"))
    assert config.globals.workgroup == "INCLUDED"
    assert config.files == (str(tmp_path / "smb.conf"), str(tmp_path / "pc1.conf"))
    # A file that each client may have need not exist for all of them.
    assert load(text, context=SubstContext(client_name="pc2")).warnings == ()


def test_a_section_of_an_included_file_goes_on_after_it(load: Loader, tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("[more]\npath = /more\n")
    config = load("[global]\ninclude = more.conf\ncomment = after\n")
    share = config.share("more")
    assert share is not None
    assert share.comment == "after"


def test_a_missing_include_is_a_warning(load: Loader) -> None:
    assert "cannot include" in messages(load("\ninclude = /nonexistent\n"))[0]


def test_a_file_that_includes_itself_is_an_error(load: Loader) -> None:
    with pytest.raises(ConfigError, match="include itself"):
        load("include = smb.conf\n")


def test_config_file_replaces_the_file(load: Loader, tmp_path: Path) -> None:
    (tmp_path / "other.conf").write_text("workgroup = other\n")
    config = load(f"workgroup = this\nconfig file = {tmp_path}/%m.conf\n", context=SubstContext(client_name="other"))
    assert config.globals.workgroup == "OTHER"
    assert load(f"workgroup = this\nconfig file = {tmp_path}/none\n").globals.workgroup == "THIS"


def test_overrides_win_over_the_file(load: Loader) -> None:
    config = load(
        "workgroup = file\n[s]\npath = /s\nread only = yes\nx:y = 1\n",
        ("Work Group", "line"),
        ("writeable", "yes"),
        ("smb ports", "4450"),
        ("a:b", "c"),
    )
    share = config.share("s")
    assert share is not None
    assert config.globals.workgroup == "LINE"
    assert config.globals.smb_ports == [4450]
    assert share.read_only is False
    assert share.parametric("a:b") == "c"


@pytest.mark.parametrize(
    ("transports", "ports"),
    [("tcp", [445]), ("tcp, nbt", [445, 139]), ("tcp:1445 nbt:1139 8000", [1445, 1139, 8000])],
)
def test_transports_decide_the_ports(load: Loader, transports: str, ports: list[int]) -> None:
    assert load(f"smb ports = 1\nserver smb transports = {transports}\n").globals.smb_ports == ports


def test_all_mistakes_are_reported_with_their_lines(load: Loader, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load("[global]\nmap to guest = sometimes\n[s]\nread only = maybe\ncreate mask = 999\n[t\n")
    problems = caught.value.problems
    assert [problem.line for problem in problems] == [2, 4, 5, 6]
    assert all(problem.file == str(tmp_path / "smb.conf") for problem in problems)
    assert "Bad User" in problems[0].remedy
    assert problems[1].message == "'maybe' is no value for 'read only'"


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none")


def test_bad_overrides_are_an_error() -> None:
    with pytest.raises(ConfigError, match="'x' is no value for 'smb ports'"):
        load_config("", [("smb ports", "x")])


def test_what_has_no_effect_is_reported(load: Loader) -> None:
    config = load("""
        [global]
        wins support = yes
        load printers = perhaps
        brwoseable = yes
        use mmap = no
        [s]
        path = /s
        workgroup = x
        [t]
        [printers]
        path = /p
    """)
    assert messages(config) == [
        "3: parameter 'wins support' is known but not implemented",
        "4: 'perhaps' is no value for 'load printers'",
        "5: unknown parameter 'brwoseable'",
        "6: parameter 'use mmap' has no effect here",
        "9: global parameter 'workgroup' in section [s]",
        "10: [t] has no path",
        "11: [printers] is a printer: printing is not offered",
    ]
    assert config.warnings[2].remedy == "did you mean 'browseable'?"
    share = config.share("t")
    assert share is not None
    assert share.available is False
    assert config.share("printers") is None


def test_bytes_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "smb.conf"
    path.write_bytes(b"\xef\xbb\xbf[s]\npath = /caf\xe9\n")
    share = load_config(path).share("s")
    assert share is not None
    assert share.path.encode("utf-8", "surrogateescape") == b"/caf\xe9"


def test_homes_makes_a_share_for_a_user(load: Loader) -> None:
    config = load("[homes]\nbrowseable = no\nread only = no\nvalid users = %S\nx:y = z\n")
    assert config.shares() == []
    assert config.share("homes") is None
    share = config.home_share("bob", "/home/bob")
    assert share is not None
    assert (share.name, share.path, share.comment) == ("bob", "/home/bob", "Home directory of bob")
    assert share.browseable is True
    assert share.read_only is False
    assert share.valid_users == ["%S"]
    assert share.auto_loaded
    assert share.parametric("x:y") == "z"


def test_homes_with_a_path(load: Loader) -> None:
    share = load("[homes]\npath = /data/%S\ncomment = c\n").home_share("homes", "/home/x")
    assert share is not None
    assert (share.path, share.comment) == ("/data/%S", "c")
    assert not share.is_homes


def test_a_snapshot_does_not_change(load: Loader) -> None:
    config = load("[s]\npath = /s\n")
    with pytest.raises(AttributeError):
        config.globals.workgroup = "X"  # type: ignore[misc, assignment]
    with pytest.raises(AttributeError):
        config.shares()[0].path = "/"  # type: ignore[misc, assignment]


def test_a_share_with_changes_is_another_share(load: Loader) -> None:
    share = load("[s]\npath = /s\n").shares()[0]
    changed = share.but(valid_users=["bob"], force_user="bob")
    assert (changed.valid_users, changed.force_user, changed.path) == (["bob"], "bob", "/s")
    assert share.valid_users == []
    with pytest.raises(AttributeError):
        share.but(valid_usres=[])


def test_encryption_in_global_is_for_sessions(load: Loader) -> None:
    assert load("[global]\nsmb encrypt = required\n").globals.smb_encrypt == REQUIRED

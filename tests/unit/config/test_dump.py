"""What testparm prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from smbd.config.dump import (
    UnknownNameError,
    dump_config,
    list_parameters,
    parameter_text,
    section_named,
)
from smbd.config.loadparm import Config, load_config

TEXT = """
[global]
    workgroup = lab
    create mask = 600
    recycle:keep = yes
    a:b = 1
[homes]
    browseable = no
[data]
    path = /srv
    writeable = on
    create mask = 0744
    valid users = "a b" c
    x:y = 1
    p : q = 2
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "smb.conf"
    path.write_text(TEXT)
    return load_config(path)


def test_the_dump_has_what_differs_in_sambas_order(config: Config) -> None:
    assert list(dump_config(config)) == [
        "# Global parameters",
        "[global]",
        "\tworkgroup = LAB",
        "\ta:b = 1",
        "\trecycle:keep = yes",
        "\tidmap config * : backend = tdb",
        "\tcreate mask = 0600",
        "",
        "",
        "[homes]",
        "\tbrowseable = No",
        "",
        "",
        "[data]",
        "\tcreate mask = 0744",
        "\tpath = /srv",
        "\tread only = No",
        '\tvalid users = "a b" c',
        "\tp : q = 2",
        "\tx:y = 1",
    ]


def test_the_verbose_dump_has_all_of_global(config: Config) -> None:
    lines = list(dump_config(config, verbose=True))
    assert "\tsmb ports = 445 139" in lines
    assert "\tbrowseable = Yes" in lines
    assert lines.index("\tabort shutdown script = ") < lines.index("\twrite raw = Yes")


@pytest.mark.parametrize(
    ("section", "name", "text"),
    [
        ("global", "WorkGroup", "LAB"),
        ("global", "create mask", "0600"),
        ("global", "a:b", "1"),
        ("DATA", "read only", "No"),
        ("data", "writeable", "Yes"),
        ("data", "x:y", "1"),
        ("data", "recycle:keep", "yes"),
        ("homes", "browseable", "No"),
    ],
)
def test_single_parameters(config: Config, section: str, name: str, text: str) -> None:
    assert parameter_text(config, section_named(config, section), name) == text


@pytest.mark.parametrize(("section", "name"), [("global", "nope"), ("data", "workgroup"), ("data", "no:pe")])
def test_unknown_parameters(config: Config, section: str, name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"Parameter {name} unknown for section {section}"):
        parameter_text(config, section_named(config, section), name)


def test_unknown_sections(config: Config) -> None:
    with pytest.raises(UnknownNameError, match="Unknown section nope"):
        section_named(config, "nope")


def test_the_list_of_parameters_has_synonyms() -> None:
    lines = list(list_parameters())
    assert "read only=P_BOOL, (synonyms: writeable[i], writable[i], write ok[i])" in lines
    assert "writeable=P_BOOLREV,FLAG_SYNONYM (inverse synonym of read only)" in lines
    assert "public=P_BOOL,FLAG_SYNONYM (synonym of guest ok)" in lines
    assert lines.index("[local]") < lines.index("[global]")

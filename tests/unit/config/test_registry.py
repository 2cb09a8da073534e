"""The registry: one declaration per parameter, found by any name."""

from __future__ import annotations

import pytest

from smbd.config.parameters import REGISTRY, GlobalDeclarations, ShareDeclarations, default_values
from smbd.config.parameters.rows import row
from smbd.config.registry import GLOBAL, IMPLEMENTED, SHARE, Param, ParameterSet, Registry, fold_name
from smbd.config.values import BOOL, STRING


def test_names_are_compared_without_case_and_blanks() -> None:
    assert fold_name(" Read  ONLY ") == "readonly"
    found = REGISTRY.find("ReadOnly")
    assert found is not None
    assert found[0].name == "read only"


def test_inverted_synonyms_are_marked() -> None:
    for name in ("writeable", "writable", "write ok"):
        found = REGISTRY.find(name)
        assert found is not None
        assert (found[0].name, found[1]) == ("read only", True)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("brwoseable", "browseable"), ("vlaid users", "valid users"), ("writeble", "writeable"), ("xyzzy", None)],
)
def test_unknown_names_get_a_suggestion(wrong: str, right: str | None) -> None:
    assert REGISTRY.suggest(wrong) == right


def test_two_parameters_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two parameters"):
        Registry([row("a b", STRING), row("AB", STRING)])


def test_attributes_and_names_agree() -> None:
    for declarations in (GlobalDeclarations.declarations, ShareDeclarations.declarations):
        for attribute, param in declarations.items():
            assert attribute == param.name.lower().replace(" ", "_")


def test_every_parameter_says_what_it_does_and_prints_its_default() -> None:
    for param in REGISTRY.params:
        assert param.doc.endswith("."), param.name
        assert param.kind.format(param.read(param.default_text)) == param.default_text, param.name


def test_only_parameters_with_an_attribute_are_implemented() -> None:
    assert all(param.attribute for param in REGISTRY.params if param.status == IMPLEMENTED)


def test_a_declaration_leaves_the_class_but_types_the_attribute() -> None:
    class Colours(ParameterSet, scope=SHARE):
        dark_red = Param(BOOL, True, "Whether it is dark.")

    assert list(Colours.declarations) == ["dark_red"]
    assert Colours.declarations["dark_red"].scope == SHARE
    assert not hasattr(Colours(), "dark_red")
    with pytest.raises(AttributeError, match="does not change"):
        Colours().dark_red = False  # type: ignore[misc, assignment]


def test_snapshots_do_not_share_lists() -> None:
    assert default_values(GLOBAL)["smb_ports"] is not default_values(GLOBAL)["smb_ports"]


def test_newer_parameters_are_known() -> None:
    for name in (
        "server smb transports",
        "smb3 unix extensions",
        "smb3 directory leases",
        "persistent handles",
        "continuous availability",
        "server addresses",
        "vfs mkdir use tmp name",
        "automount fs types",
    ):
        assert REGISTRY.find(name) is not None, name

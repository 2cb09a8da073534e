"""Value types: what smb.conf may say and how testparm prints it."""

from __future__ import annotations

from typing import Any

import pytest

from smbd.config import enums, values
from smbd.config.values import ValueType


@pytest.mark.parametrize("word", ["yes", "True", "ON", "1", " yes "])
def test_true_words(word: str) -> None:
    assert values.BOOL.parse(word) is True


@pytest.mark.parametrize("word", ["no", "False", "OFF", "0"])
def test_false_words(word: str) -> None:
    assert values.BOOL.parse(word) is False


@pytest.mark.parametrize(("text", "number"), [("10", 10), ("-3", -3), ("0x10", 16), ("010", 8), ("0", 0), (" 7 ", 7)])
def test_integers_are_read_as_strtol_does(text: str, number: int) -> None:
    assert values.INT.parse(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("5000", 5000), ("1k", 1024), ("2M", 2 << 20), ("3 g", 3 << 30), ("1T", 1 << 40)]
)
def test_sizes_take_suffixes(text: str, number: int) -> None:
    assert values.SIZE.parse(text) == number


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (values.BOOL, "maybe"),
        (values.INT, "10x"),
        (values.INT, ""),
        (values.INT, "08"),
        (values.COUNT, "-1"),
        (values.SIZE, "10Q"),
        (values.OCTAL, "9"),
        (values.OCTAL, "-1"),
        (values.OCTAL, "17777"),
        (values.CHAR, "ab"),
        (values.PORTS, "445 x"),
        (values.PORTS, "70000"),
        (values.TRANSPORTS, "quic"),
        (values.TRANSPORTS, "tcp:0"),
        (values.TRANSPORTS, "445:1"),
        (enums.PROTOCOL, "SMB4"),
        (enums.LEVEL, "sometimes"),
        (values.IntType(0, 2), "3"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_remedy(kind: ValueType[Any], text: str) -> None:
    with pytest.raises(ValueError, match="use "):
        kind.parse(text)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a b, c;d", ["a", "b", "c", "d"]),
        ('"a b" c', ["a b", "c"]),
        ('@"Domain Users" bob', ["@Domain Users", "bob"]),
        ('a "" b', ["a", "", "b"]),
        ("", []),
        (" , ", []),
    ],
)
def test_lists_split_at_blanks_and_commas_but_not_in_quotes(text: str, entries: list[str]) -> None:
    assert values.split_list(text) == entries


def test_lists_are_printed_with_quotes_where_needed() -> None:
    assert values.WORDS.normalise('@"Domain Users",bob') == '"@Domain Users" bob'
    assert values.COMMA_WORDS.normalise("a b") == "a, b"


def test_strings_lose_quotes_but_testparm_shows_them() -> None:
    assert values.STRING.parse('"/foo bar"') == "/foo bar"
    assert values.STRING.normalise('"/foo bar"') == '"/foo bar"'
    assert values.STRING.parse('"a" and "b"') == '"a" and "b"'
    assert values.UPPER_STRING.normalise("group") == "GROUP"


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        (enums.LEVEL, "auto", "if_required"),
        (enums.LEVEL, "mandatory", "required"),
        (enums.LEVEL, "off", "No"),
        (enums.PROTOCOL, "smb3_11", "SMB3"),
        (enums.PROTOCOL, "SMB2_10", "SMB2"),
        (enums.AUTO_BOOL, "1", "Yes"),
        (enums.MAP_READONLY, "perms", "permissions"),
        (enums.NTLM_AUTH, "no", "ntlmv2-only"),
        (enums.MAP_TO_GUEST, "bad   user", "Bad User"),
        (values.OCTAL, "755", "0755"),
        (values.SIZE, "10M", "10485760"),
        (values.TRANSPORTS, "tcp:1445 nbt", "tcp:1445, nbt"),
    ],
)
def test_testparm_shows_the_first_word_of_a_value(kind: ValueType[Any], text: str, shown: str) -> None:
    assert kind.normalise(text) == shown


def test_auto_is_neither_yes_nor_no() -> None:
    assert enums.AUTO_BOOL.parse("auto") is None


def test_transfer_sizes_are_brought_within_bounds_but_shown_as_written() -> None:
    kind = values.TransferSizeType(65536, 8388608)
    assert kind.parse("1") == 65536
    assert kind.parse("16M") == 8388608
    assert kind.parse("1M") == 1048576
    assert kind.normalise("16M") == "16777216"


def test_algorithm_lists_add_to_and_take_from_the_default() -> None:
    kind = values.AlgorithmListType(("A", "B", "C"))
    assert kind.parse("c a") == ["C", "A"]
    assert kind.parse("-B") == ["A", "C"]
    assert kind.parse("-B +b") == ["A", "C", "B"]
    assert kind.normalise("-B") == "-B"
    with pytest.raises(ValueError, match="A, B, C"):
        kind.parse("-X")

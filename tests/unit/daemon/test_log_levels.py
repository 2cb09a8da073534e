from __future__ import annotations

import logging

import pytest

from smbd.log_levels import CLASSES, NOTICE, class_of, parse_log_level, python_level, samba_level


def test_the_named_levels_of_python_have_their_place():
    assert [samba_level(one) for one in (50, 40, 30, NOTICE, 20, 10, 5)] == [0, 0, 1, 2, 3, 5, 10]


def test_mapping_is_monotonic_and_goes_back():
    levels = [python_level(one) for one in range(11)]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == 11
    assert [samba_level(one) for one in levels] == list(range(11))


def test_beyond_the_ends():
    assert python_level(-3) == logging.ERROR
    assert python_level(99) == python_level(10)
    assert samba_level(1) == 10


@pytest.mark.parametrize(
    ("text", "default", "classes", "files"),
    [
        ("3", 3, {}, {}),
        ("", 0, {}, {}),
        ("all:2", 2, {}, {}),
        ("1 auth:3 smb2:5@/tmp/x", 1, {"auth": 3, "smb2": 5}, {"smb2": "/tmp/x"}),
        ("1, auth:3,vfs:10", 1, {"auth": 3, "vfs": 10}, {}),
        ("99 auth:99", 10, {"auth": 10}, {}),
        ("nosuch:3", 0, {"nosuch": 3}, {}),
    ],
)
def test_values_of_log_level(text, default, classes, files):
    levels = parse_log_level(text)
    assert (levels.default, levels.classes, levels.files) == (default, classes, files)


@pytest.mark.parametrize("text", ["x", "-1", "1 2", "auth:", "auth:x", "1 auth:-3", "1 ²"])
def test_what_is_no_log_level(text):
    with pytest.raises(ValueError):
        parse_log_level(text)


def test_levels_are_printed_for_all_classes_and_unknown_ones():
    text = str(parse_log_level("1 auth:3 mine:7")).split()
    assert text[0] == "all:1"
    assert "auth:3" in text
    assert "vfs:1" in text
    assert text[-1] == "mine:7"
    assert len(text) == len(CLASSES) + 1


def test_the_longest_logger_name_decides_the_class():
    assert class_of("smbd.auth.passdb") == "passdb"
    assert class_of("smbd.auth") == "auth"
    assert class_of("smbd.authority") == "all"
    assert class_of("vfs.locking.share_mode") == "locking"

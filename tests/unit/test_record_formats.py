"""What is stored of every record belongs to its version: the table `record_formats` says which fields each one has.

After a change of fields: raise the version of the codec, then ``python -m tests.unit.test_record_formats``.
"""

from __future__ import annotations

import sys
import typing
from pathlib import Path

import msgspec

import smbd.__main__  # imports whatever the server stores
from messaging.records import RecordCodec
from smbd.xsrv.version import VERSION_CODEC, formats

assert smbd.__main__

TABLE = Path(__file__).with_name("record_formats")
#: What belongs to the server; other tests have codecs of their own.
_PACKAGES = {"smbd", "vfs", "messaging"}
#: The accounts: servers do not compare them, for they outlive every release.
_ADMINISTRATION = {"passdb account", "passdb counter", "passdb relative id", "secrets"}


def codecs():
    """All that the server has, by name."""
    found = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in _PACKAGES
        for value in vars(module).values()
        if isinstance(value, RecordCodec)
    }.values()
    named = {codec.name: codec for codec in found}
    assert len(named) == len(found), "two codecs of one name"
    return named


def described(kind):
    """A type as it is stored, down to the bottom."""
    arguments = typing.get_args(kind)
    if arguments:
        origin = typing.get_origin(kind)
        name = "|" if origin not in {list, dict, tuple} else origin.__name__
        return f"{name}[{', '.join(map(described, arguments))}]"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = [(field.name, field.type) for field in msgspec.structs.fields(kind)]
    elif hasattr(kind, "_fields"):
        fields = list(typing.get_type_hints(kind).items())
    else:
        return getattr(kind, "__name__", str(kind))
    return f"({', '.join(f'{name}: {described(of)}' for name, of in fields)})"


def today():
    """Name of a codec -> version and fields."""
    return {name: f"{codec.version} {described(codec.record_type)}" for name, codec in codecs().items()}


def recorded():
    """The same of the table."""
    lines = TABLE.read_text().splitlines() if TABLE.exists() else []
    return dict(line.split("\t") for line in lines)


def unversioned(old, new):
    """What has other fields, but the version that the table knows, or an older one."""
    return [
        name
        for name, text in new.items()
        if name in old and text != old[name] and int(text.split()[0]) <= int(old[name].split()[0])
    ]


def test_fields_change_with_the_version_only():
    now, then = today(), recorded()
    assert not unversioned(then, now), "raise the version: other servers would misread these records"
    assert now == then, "python -m tests.unit.test_record_formats writes the table anew"


def test_a_change_is_noticed():
    assert unversioned({"a": "1 (x: int)"}, {"a": "1 (x: int, y: int)"}) == ["a"]
    assert unversioned({"a": "2 (x: int)"}, {"a": "1 (x: int)"}) == ["a"]
    assert unversioned({"a": "1 (x: int)"}, {"a": "2 (x: int, y: int)", "b": "1 int"}) == []
    assert described(list[tuple[int, bytes] | None]) == "list[|[tuple[int, bytes], NoneType]]"


def test_servers_compare_all_that_they_share():
    assert codecs().keys() - _ADMINISTRATION - {VERSION_CODEC.name} == formats().keys() - {"protocol"}


def main():
    """Write the table, unless a version has to be raised first."""
    now = today()
    if stale := unversioned(recorded(), now):
        sys.exit(f"raise the version first: {', '.join(stale)}")
    TABLE.write_text("".join(f"{name}\t{text}\n" for name, text in sorted(now.items())))


if __name__ == "__main__":
    main()

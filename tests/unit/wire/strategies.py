"""Hypothesis strategies derived from the codec's own struct types.

The width of an integer field comes from the layout where a class has one (`Fixed`), else from the table of
exceptions below; everything else follows from the annotation.
"""

from __future__ import annotations

import importlib
import ipaddress
import pkgutil
import struct
import typing

import msgspec
from hypothesis import strategies as st

import smbd.wire
from smbd.wire import buffer
from smbd.wire.fixed import Fixed

SID = st.lists(st.integers(0, 2**32 - 1), max_size=3).map(
    lambda subs: bytes([1, len(subs), 0, 0, 0, 0, 0, 5]) + struct.pack(f"<{len(subs)}I", *subs)
)
GUID = st.binary(min_size=16, max_size=16)


def _as_utf16_has_it(text: str) -> str:
    """Return `text` with surrogates that stand next to each other joined, as decoding does."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


TEXT = st.text(st.characters(), max_size=12).map(_as_utf16_has_it)  # lone surrogates included
SHORT_NAME = st.text(st.characters(max_codepoint=0xFFFF), max_size=12).map(_as_utf16_has_it)
NO_NUL = TEXT.map(lambda text: text.replace("\0", ""))
BLOB = st.binary(max_size=24)
CONTEXTS = st.dictionaries(
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)), BLOB, max_size=3
)
ADDRESS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))

# Fields whose values are narrower than 32 bits, or bytes of a set form. "Class.field" wins over "field".
U8 = st.integers(0, 0xFF)
U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, 0xFFFFFFFFFFFFFFFF)
SPECIAL: dict[str, st.SearchStrategy[object]] = {
    "Header.signature": GUID,
    "Header.message_id": U64,
    "Header.session_id": U64,
    "Header.credit_charge": U16,
    "Header.command": U16,
    "Header.credits": U16,
    "NegotiateRequest.client_start_time": st.just(0),
    "NegotiateResponse.dialect": st.just(0x0311),
    "NegotiateRequest.dialects": st.lists(U16, max_size=4).map(lambda dialects: [*dialects, 0x0311]),
    "TreeConnectRequest.flags": st.just(4),
    "SessionSetupRequest.flags": U8,
    "SessionSetupRequest.security_mode": U8,
    "ReadRequest.flags": U8,
    "ReadRequest.padding": U8,
    "CreateRequest.create_flags": U64,
    "CreateResponse.flags": U8,
    "WriteRequest.flags": U32,
    "QueryDirectoryRequest.flags": U8,
    "ServerToClientNotification.notification_type": U32,
    "LeaseBreakNotification.new_epoch": U16,
    "LeaseBreakNotification.flags": U32,
    "_LeaseBreakAnswer.lease_duration": U64,
    "LeaseBreakAcknowledgment.lease_duration": U64,
    "LeaseBreakResponse.lease_duration": U64,
    "LeaseBreakAcknowledgment.flags": U32,
    "LeaseBreakResponse.flags": U32,
    "LockElement.offset": U64,
    "LockElement.length": U64,
    "LockElement.flags": U32,
    "IoctlRequest.flags": U32,
    "IoctlResponse.flags": U32,
    "QueryInfoRequest.flags": U32,
    "TransformHeader.flags": U16,
    "MoveDestinationAddress.address": GUID,
    "ErrorContext.error_id": U32,
    "ErrorResponse.contexts": st.just([]),
    "SymbolicLinkError.flags": U32,
    "SymbolicLinkError.unparsed_path_length": U16,
    "ShareRedirectError.target_type": U16,
    "FullEaInformation.name": BLOB.filter(lambda name: b"\0" not in name),
    "FullEaInformation.flags": U8,
    "FileHardLinkInformation.bytes_needed": U32,
    "SnapshotArray.array_size": st.none(),
    "SnapshotArray.snapshots": st.lists(NO_NUL, max_size=3),
    "CopyChunkRequest.source_key": st.binary(min_size=24, max_size=24),
    "ResumeKeyResponse.resume_key": st.binary(min_size=24, max_size=24),
    "QueryQuotaInfo.start_sid": st.just(b""),
    "QueryQuotaInfo.sids": st.lists(SID, max_size=3),
    "QuotaInformation.sid": SID,
    "NfsReparse.kind": st.just(0x4B434F53),
    "NfsReparse.target": st.just(""),
    "NfsReparse.major": st.just(0),
    "NfsReparse.minor": st.just(0),
    "ReparseDataBuffer.tag": U32.map(lambda tag: tag | 0x80000000),
    "ReparseDataBuffer.guid": st.just(b""),
    "Smb1NegotiateRequest.dialects": st.lists(
        st.text(st.characters(min_codepoint=1, max_codepoint=0xFF), max_size=9), max_size=4
    ),
    "Smb1NegotiateRequest.multiplex_id": U16,
    "PosixExtensionsAvailable.versions": st.lists(GUID, min_size=1, max_size=3),
    "CompressedPayload.algorithm": st.sampled_from([1, 2, 3, 5]),
    "CompressedPayload.flags": U16.map(lambda flags: flags | 1),
    "NetworkInterface.address": ADDRESS,
    "AaplResolveIdRequest.file_id": U64,
    "AaplQueryResponse.server_capabilities": st.none() | U64,
    "AaplQueryResponse.volume_capabilities": st.none() | U64,
    "DirectoryEntry.short_name": SHORT_NAME,
    "security_mode": U16,
    "dialect": U16,
    "dialects": st.lists(U16, max_size=4),
    "algorithms": st.lists(U16, max_size=4),
    "hash_algorithms": st.lists(U16, max_size=4),
    "ciphers": st.lists(U16, max_size=4),
    "transform_ids": st.lists(U16, max_size=4),
    "context_type": U16,
    "session_flags": U16,
    "share_type": U8,
    "requested_oplock_level": U8,
    "oplock_level": U8,
    "security_flags": U8,
    "flags": U16,
    "info_type": U8,
    "file_info_class": U8,
    "file_information_class": U8,
    "reserved1": U16,
    "ranges": st.lists(st.tuples(U64, U64), max_size=3),
    "owner": SID,
    "group": SID,
    "contexts": CONTEXTS,
    "algorithm": U16,
}
_WIDE = (
    "file_id_persistent",
    "file_id_volatile",
    "previous_session_id",
    "session_id",
    "system_time",
    "server_start_time",
    "creation_time",
    "last_access_time",
    "last_write_time",
    "change_time",
    "allocation_size",
    "end_of_file",
    "offset",
    "source_offset",
    "target_offset",
    "file_offset",
    "length",
    "index_number",
    "current_byte_offset",
    "parent_file_id",
    "root_directory",
    "volume_creation_time",
    "quota_used",
    "quota_threshold",
    "quota_limit",
    "timeout",
    "link_speed",
    "size",
    "file_data_offset",
    "file_data_length",
    "inode",
    "file_id",
)
_NOT_EMPTY = {"ChainedCompressionTransform.payloads"}
_NARROW_ANYWAY = {"ReadRequest.length", "CopyChunk.length"}
_BYTES_16 = ("client_guid", "server_guid", "guid", "lease_key", "signature", "nonce")
_TYPES = {"Buffer": buffer.Buffer, "Contexts": dict, "Address": ipaddress.IPv4Address}


def structs() -> list[type[msgspec.Struct]]:
    """Return every public struct of the codec."""
    found: dict[str, type[msgspec.Struct]] = {}
    for module_info in pkgutil.walk_packages(smbd.wire.__path__, "smbd.wire."):
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if not isinstance(value, type) or not issubclass(value, msgspec.Struct) or value is Fixed:
                continue
            if not name.startswith("_") and value.__module__.startswith("smbd.wire"):
                found[name] = value
    return list(found.values())


def _layout_fields(cls: type[Fixed]) -> list[st.SearchStrategy[object]]:
    """Return a strategy for each value of a `Fixed` layout."""
    strategies: list[st.SearchStrategy[object]] = []
    count = ""
    for code in cls.layout.format[1:]:
        if code.isdigit():
            count += code
            continue
        if code == "s":
            strategies.append(st.binary(min_size=int(count), max_size=int(count)))
        elif code == "?":
            strategies.append(st.booleans())
        elif code == "q":
            strategies.append(st.integers(-(2**63), 2**63 - 1))
        elif code != "x":
            strategies.append({"B": U8, "H": U16, "I": U32, "Q": U64}[code])
        count = ""
    return strategies


def _field(cls: type[msgspec.Struct], name: str, annotation: object) -> st.SearchStrategy[object]:
    qualified = f"{cls.__name__}.{name}"
    if qualified in SPECIAL:
        return SPECIAL[qualified]
    origin = typing.get_origin(annotation)
    if origin is list:
        (inner,) = typing.get_args(annotation)
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return st.lists(instances(inner), min_size=qualified in _NOT_EMPTY, max_size=3)
    if name in SPECIAL and not (name == "contexts" and origin is list):
        return SPECIAL[name]
    if annotation is int:
        if name in _WIDE and qualified not in _NARROW_ANYWAY:
            return U64
        return U32
    if annotation is bool:
        return st.booleans()
    if annotation is str:
        return TEXT
    if annotation is bytes:
        return GUID if name in _BYTES_16 else BLOB
    if annotation == buffer.Buffer:
        return BLOB
    if typing.get_args(annotation) and type(None) in typing.get_args(annotation):
        return st.none() | TEXT
    raise AssertionError(f"no strategy for {qualified}: {annotation}")


def instances(cls: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Return a strategy for instances of `cls`."""
    fields = cls.__struct_fields__
    if issubclass(cls, Fixed):
        by_layout = _layout_fields(cls)
        by_layout = by_layout[len(by_layout) - len(fields) :]  # a StructureSize may precede
        return st.builds(cls, *by_layout)
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{name: _field(cls, name, hints[name]) for name in fields})

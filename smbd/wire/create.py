"""CREATE, [MS-SMB2] 2.2.13 and 2.2.14. The most frequent and widest message: one Struct per direction."""

from __future__ import annotations

import codecs
import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, EMPTY_DYNAMIC, Buffer, align8, encode_utf16
from smbd.wire.create_contexts import Contexts, pack_contexts, unpack_contexts
from smbd.wire.errors import WireError

_decode_utf_16_le = codecs.utf_16_le_decode

# StructureSize, SecurityFlags, RequestedOplockLevel, ImpersonationLevel, SmbCreateFlags, Reserved,
# DesiredAccess, FileAttributes, ShareAccess, CreateDisposition, CreateOptions, NameOffset, NameLength,
# CreateContextsOffset, CreateContextsLength
_REQUEST: Final = struct.Struct("<HBBIQ8xIIIIIHHII")
_REQUEST_SIZE: Final = 57
_REQUEST_DATA: Final = BODY + _REQUEST.size
_NO_CONTEXTS: Final[Contexts] = {}
_unpack_request: Final = _REQUEST.unpack_from

# StructureSize, OplockLevel, Flags, CreateAction, CreationTime, LastAccessTime, LastWriteTime, ChangeTime,
# AllocationSize, EndofFile, FileAttributes, Reserved2, FileId.Persistent, FileId.Volatile,
# CreateContextsOffset, CreateContextsLength
_RESPONSE: Final = struct.Struct("<HBBIQQQQQQI4xQQII")
_RESPONSE_SIZE: Final = 89
_RESPONSE_DATA: Final = BODY + _RESPONSE.size


class CreateRequest(msgspec.Struct, gc=False):
    """SMB2 CREATE request, 2.2.13.

    Attributes:
        name: Path relative to the share, backslash separated.
        desired_access: Access mask.
        file_attributes: FILE_ATTRIBUTE_*.
        share_access: FILE_SHARE_*.
        create_disposition: FILE_SUPERSEDE .. FILE_OVERWRITE_IF.
        create_options: FILE_DIRECTORY_FILE and the like.
        requested_oplock_level: SMB2_OPLOCK_LEVEL_*.
        impersonation_level: SMB2_IMPERSONATION_*.
        contexts: Create contexts by name; of a name that occurs twice the first counts. Not to be changed.
        security_flags: Reserved.
        create_flags: Reserved.
    """

    name: str
    desired_access: int = 0
    file_attributes: int = 0
    share_access: int = 0
    create_disposition: int = 0
    create_options: int = 0
    requested_oplock_level: int = 0
    impersonation_level: int = 2
    contexts: Contexts = {}
    security_flags: int = 0
    create_flags: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        name = encode_utf16(self.name)
        contexts = pack_contexts(self.contexts)
        offset = 0
        padded = name
        if contexts:
            # The contexts begin on a multiple of 8; so does the name.
            padded = name.ljust(align8(len(name)), b"\0")
            offset = _REQUEST_DATA + len(padded)
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.security_flags,
            self.requested_oplock_level,
            self.impersonation_level,
            self.create_flags,
            self.desired_access,
            self.file_attributes,
            self.share_access,
            self.create_disposition,
            self.create_options,
            _REQUEST_DATA,
            len(name),
            offset,
            len(contexts),
        )
        return fixed + (padded + contexts or EMPTY_DYNAMIC)

    @classmethod
    def unpack(cls, pdu: Buffer) -> CreateRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            (
                size,
                security_flags,
                oplock,
                impersonation,
                create_flags,
                access,
                attributes,
                share,
                disposition,
                options,
                name_offset,
                name_length,
                contexts_offset,
                contexts_length,
            ) = _unpack_request(pdu, BODY)
        except struct.error:
            raise WireError("CREATE request too short") from None
        if size != _REQUEST_SIZE:
            raise WireError("CREATE request: wrong StructureSize")
        name = ""
        if name_length:
            name_end = name_offset + name_length
            if name_offset < _REQUEST_DATA or name_end > len(pdu):
                raise WireError("CREATE name outside of the message")
            if name_length & 1:
                raise WireError("odd length of a CREATE name")
            name = _decode_utf_16_le(pdu[name_offset:name_end], "surrogatepass", True)[0]
        contexts = _NO_CONTEXTS
        if contexts_length:
            contexts_end = contexts_offset + contexts_length
            if contexts_offset < _REQUEST_DATA or contexts_end > len(pdu):
                raise WireError("create contexts outside of the message")
            contexts = unpack_contexts(pdu[contexts_offset:contexts_end])
        return cls(
            name,
            access,
            attributes,
            share,
            disposition,
            options,
            oplock,
            impersonation,
            contexts,
            security_flags,
            create_flags,
        )


def pack_response(
    oplock_level: int,
    flags: int,
    create_action: int,
    creation_time: int,
    last_access_time: int,
    last_write_time: int,
    change_time: int,
    allocation_size: int,
    end_of_file: int,
    file_attributes: int,
    persistent_id: int,
    volatile_id: int,
    contexts: Contexts,
) -> bytes:
    """Return the body of a response with the fields of `CreateResponse`, without making one."""
    data = pack_contexts(contexts) if contexts else b""
    return _RESPONSE.pack(
        _RESPONSE_SIZE, oplock_level, flags, create_action,
        creation_time, last_access_time, last_write_time, change_time,
        allocation_size, end_of_file, file_attributes, persistent_id, volatile_id,
        _RESPONSE_DATA if data else 0, len(data),
    ) + data  # fmt: skip


class CreateResponse(msgspec.Struct, gc=False):
    """SMB2 CREATE response, 2.2.14.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        create_action: FILE_SUPERSEDED, FILE_OPENED, FILE_CREATED, FILE_OVERWRITTEN.
        oplock_level: SMB2_OPLOCK_LEVEL_*.
        creation_time: FILETIME, as are the following three.
        last_access_time: FILETIME.
        last_write_time: FILETIME.
        change_time: FILETIME.
        allocation_size: Bytes.
        end_of_file: Bytes.
        file_attributes: FILE_ATTRIBUTE_*.
        contexts: Create contexts in the order of the answer.
        flags: SMB2_CREATE_FLAG_REPARSEPOINT or 0.
    """

    file_id_persistent: int
    file_id_volatile: int
    create_action: int = 0
    oplock_level: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    allocation_size: int = 0
    end_of_file: int = 0
    file_attributes: int = 0
    contexts: Contexts = {}
    flags: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        return pack_response(
            self.oplock_level, self.flags, self.create_action,
            self.creation_time, self.last_access_time, self.last_write_time, self.change_time,
            self.allocation_size, self.end_of_file, self.file_attributes,
            self.file_id_persistent, self.file_id_volatile, self.contexts,
        )  # fmt: skip

    @classmethod
    def unpack(cls, pdu: Buffer) -> CreateResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            (
                size,
                oplock,
                flags,
                action,
                creation,
                access,
                write,
                change,
                allocation,
                end_of_file,
                attributes,
                persistent,
                volatile,
                contexts_offset,
                contexts_length,
            ) = _RESPONSE.unpack_from(pdu, BODY)
        except struct.error:
            raise WireError("CREATE response too short") from None
        if size != _RESPONSE_SIZE:
            raise WireError("CREATE response: wrong StructureSize")
        contexts: Contexts = {}
        if contexts_length:
            if contexts_offset < _RESPONSE_DATA or contexts_offset + contexts_length > len(pdu):
                raise WireError("create contexts outside of the message")
            contexts = unpack_contexts(pdu[contexts_offset : contexts_offset + contexts_length])
        return cls(
            persistent,
            volatile,
            action,
            oplock,
            creation,
            access,
            write,
            change,
            allocation,
            end_of_file,
            attributes,
            contexts,
            flags,
        )

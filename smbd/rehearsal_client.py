"""The client of `smbd.rehearsal`: a session from NEGOTIATE to LOGOFF as a client of today would have it.

It packs requests with the codec of the server and looks at nothing in the answers but what it needs to go on.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable
from typing import Final

from spnego._spnego import NegState, NegTokenInit, NegTokenResp, pack_mech_type_list, unpack_token

from smbd.auth.passdb import SamAccount
from smbd.auth.password import ntowfv2
from smbd.crypto.kdf import derive_session_keys
from smbd.crypto.preauth import PreauthHash
from smbd.crypto.signing import Signer, make_signer
from smbd.gensec import ntlm_crypto, ntlm_messages
from smbd.gensec.ntlm_messages import MIC_LENGTH, NTLMSSP_SIGNATURE
from smbd.gensec.spnego import OID_NTLMSSP
from smbd.wire import constants
from smbd.wire.close import CloseRequest
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.echo import EchoRequest
from smbd.wire.header import HEADER, Header
from smbd.wire.negotiate import NegotiateRequest, NegotiateResponse
from smbd.wire.negotiate_contexts import (
    EncryptionCapabilities,
    NegotiateContext,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from smbd.wire.query_directory import QueryDirectoryRequest
from smbd.wire.query_info import QueryInfoRequest
from smbd.wire.read_write import ReadRequest, WriteRequest
from smbd.wire.session import LogoffRequest, SessionSetupRequest, SessionSetupResponse
from smbd.wire.tree import TreeConnectRequest
from vfs.access import DELETE, FILE_GENERIC_READ, FILE_GENERIC_WRITE
from vfs.constants import (
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_SHARE_READ,
    FILE_SHARE_WRITE,
    FileAllInformation,
    FileIdBothDirectoryInformation,
)
from vfs.ntstatus import STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS, NTStatusError

_NTLM_FLAGS: Final = (
    ntlm_messages.NTLMSSP_NEGOTIATE_UNICODE
    | ntlm_messages.NTLMSSP_REQUEST_TARGET
    | ntlm_messages.NTLMSSP_NEGOTIATE_SIGN
    | ntlm_messages.NTLMSSP_NEGOTIATE_NTLM
    | ntlm_messages.NTLMSSP_NEGOTIATE_ALWAYS_SIGN
    | ntlm_messages.NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY
    | ntlm_messages.NTLMSSP_NEGOTIATE_VERSION
    | ntlm_messages.NTLMSSP_NEGOTIATE_128
    | ntlm_messages.NTLMSSP_NEGOTIATE_KEY_EXCH
)
_NEGOTIATE: Final = struct.Struct("<8sII16x8x")  # two empty names, a Version
_AUTHENTICATE: Final = struct.Struct("<8sI" + "HHI" * 6 + "I8x16x")  # a Version and the MIC
_CHALLENGE_AT: Final = slice(24, 32)
_TARGET_INFO: Final = struct.Struct("<40xH2xI")
_AV_FLAGS: Final = struct.Struct("<HHIHH")
_MIC_AT: Final = _AUTHENTICATE.size - MIC_LENGTH
_KEY_LENGTH: Final = 16
_FRAME: Final = struct.Struct(">I")
_CREDITS: Final = 8
_PAYLOAD: Final = bytes(4096)

#: Sends one frame and returns the one that answers it.
Exchange = Callable[[bytes], bytes]


class RehearsalClient:
    """One session of one client.

    Args:
        exchange: the connection.
        account: who logs on.
    """

    def __init__(self, exchange: Exchange, account: SamAccount) -> None:
        self._exchange = exchange
        self._user = account.username
        self._nt_hash = account.nt_hash
        self._message_id = 0
        self._session_id = 0
        self._tree_id = 0
        self._signer: Signer | None = None
        self._preauth = PreauthHash()
        self._agreed = NegotiateResponse(0)

    def play(self, share: str) -> None:
        """Log in, connect to a share, work with a file and a directory, log off.

        Raises:
            NTStatusError: the server refuses something.
            OSError, WireError: the connection broke, or the server answers nonsense.
        """
        self._negotiate()
        self._log_in()
        self._send(constants.SMB2_TREE_CONNECT, TreeConnectRequest(rf"\\localhost\{share}").pack())
        self._send(constants.SMB2_ECHO, EchoRequest().pack())
        self._use_file()
        self._list_directory()
        self._send(constants.SMB2_LOGOFF, LogoffRequest().pack())

    def _send(self, command: int, body: bytes, *, preauth: bool = False, more: bool = False) -> bytes:
        """Send a request, signed once there is a key, and return its response."""
        flags = constants.SMB2_FLAGS_SIGNED if self._signer is not None else 0
        header = Header(
            credit_charge=1, command=command, credits=_CREDITS, flags=flags, message_id=self._message_id,
            tree_id=self._tree_id, session_id=self._session_id,
        )  # fmt: skip
        self._message_id += 1
        message = bytearray(header.pack() + body)
        if self._signer is not None:
            self._signer.sign(memoryview(message))
        if preauth:
            self._preauth.update(message)
        answer = self._exchange(_FRAME.pack(len(message)) + message)[_FRAME.size :]
        fields = HEADER.unpack_from(answer)
        status, self._tree_id, self._session_id = fields[3], fields[10], fields[11]
        if status != (STATUS_MORE_PROCESSING_REQUIRED if more else STATUS_SUCCESS):
            raise NTStatusError(status, f"answer to {constants.COMMAND_NAMES[command]}")
        if preauth and (more or command == constants.SMB2_NEGOTIATE):
            self._preauth.update(answer)
        return answer

    def _negotiate(self) -> None:
        contexts = [
            NegotiateContext(one.context_type, one.pack())
            for one in (
                PreauthIntegrityCapabilities([constants.SMB2_PREAUTH_INTEGRITY_SHA512], os.urandom(32)),
                EncryptionCapabilities([constants.SMB2_ENCRYPTION_AES128_GCM]),
                SigningCapabilities([constants.SMB2_SIGNING_AES_GMAC, constants.SMB2_SIGNING_AES_CMAC]),
            )
        ]
        request = NegotiateRequest(
            [constants.SMB2_DIALECT_210, constants.SMB2_DIALECT_311],
            constants.SMB2_NEGOTIATE_SIGNING_ENABLED,
            constants.SMB2_GLOBAL_CAP_MULTI_CHANNEL | constants.SMB2_GLOBAL_CAP_LEASING,
            os.urandom(16),
            contexts,
        )
        answer = self._send(constants.SMB2_NEGOTIATE, request.pack(), preauth=True)
        self._agreed = NegotiateResponse.unpack(answer)

    def _log_in(self) -> None:
        """NTLMv2 in SPNEGO, with all three of their checksums."""
        negotiate = _NEGOTIATE.pack(NTLMSSP_SIGNATURE, 1, _NTLM_FLAGS)
        init = NegTokenInit(mech_types=[OID_NTLMSSP], mech_token=negotiate).pack()
        answer = self._setup(init, more=True)
        challenge = unpack_token(bytes(SessionSetupResponse.unpack(answer).security_buffer)).response_token
        authenticate, key = self._authenticate(negotiate, challenge)
        mech_list = pack_mech_type_list([OID_NTLMSSP])
        mic = ntlm_crypto.first_signature(_NTLM_FLAGS, key, ntlm_crypto.CLIENT, mech_list)
        self._setup(NegTokenResp(NegState.accept_incomplete, None, authenticate, mic).pack())
        algorithm = constants.SMB2_SIGNING_AES_CMAC
        for context in self._agreed.contexts:
            if context.context_type == constants.SMB2_SIGNING_CAPABILITIES:
                algorithm = SigningCapabilities.unpack(context.data).algorithms[0]
        keys = derive_session_keys(self._agreed.dialect, key, self._preauth.value)
        self._signer = make_signer(algorithm, keys.signing_key)

    def _setup(self, token: bytes, *, more: bool = False) -> bytes:
        request = SessionSetupRequest(token, 0, constants.SMB2_NEGOTIATE_SIGNING_ENABLED)
        return self._send(constants.SMB2_SESSION_SETUP, request.pack(), preauth=True, more=more)

    def _authenticate(self, negotiate: bytes, challenge: bytes) -> tuple[bytes, bytes]:
        """Return the AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3) and the session key."""
        length, at = _TARGET_INFO.unpack_from(challenge)
        with_flags = challenge[at : at + length - 4] + _AV_FLAGS.pack(
            ntlm_messages.MSV_AV_FLAGS, 4, ntlm_messages.MSV_AV_FLAG_MIC_PRESENT, 0, 0
        )
        blob = b"\1\1" + bytes(14) + os.urandom(8) + bytes(4) + with_flags + bytes(4)
        owf = ntowfv2(self._nt_hash, self._user, "")
        proof = hmac.digest(owf, challenge[_CHALLENGE_AT] + blob, "md5")
        key = os.urandom(_KEY_LENGTH)
        encrypted = ntlm_crypto.exchange_key(hmac.digest(owf, proof, "md5"), key)
        fields: list[int] = []
        payload = b""
        for value in (bytes(24), proof + blob, b"", self._user.encode("utf-16-le"), b"", encrypted):
            fields += (len(value), len(value), _AUTHENTICATE.size + len(payload))
            payload += value
        message = _AUTHENTICATE.pack(NTLMSSP_SIGNATURE, 3, *fields, _NTLM_FLAGS) + payload
        mic = ntlm_crypto.compute_mic(key, negotiate, challenge, message, _MIC_AT)
        return message[:_MIC_AT] + mic + message[_MIC_AT + MIC_LENGTH :], key

    def _open(self, name: str, access: int, disposition: int, options: int = 0) -> tuple[int, int]:
        request = CreateRequest(
            name=name,
            desired_access=access,
            share_access=FILE_SHARE_READ | FILE_SHARE_WRITE,
            create_disposition=disposition,
            create_options=options,
        )
        response = CreateResponse.unpack(self._send(constants.SMB2_CREATE, request.pack()))
        return response.file_id_persistent, response.file_id_volatile

    def _use_file(self) -> None:
        access = FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE
        file = self._open("rehearsal", access, FILE_OPEN_IF, FILE_DELETE_ON_CLOSE)
        self._send(constants.SMB2_WRITE, WriteRequest(*file, _PAYLOAD).pack())
        self._send(constants.SMB2_READ, ReadRequest(*file, len(_PAYLOAD)).pack())
        query = QueryInfoRequest(*file, constants.SMB2_0_INFO_FILE, FileAllInformation, len(_PAYLOAD))
        self._send(constants.SMB2_QUERY_INFO, query.pack())
        self._send(constants.SMB2_CLOSE, CloseRequest(*file).pack())

    def _list_directory(self) -> None:
        directory = self._open("", FILE_GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE)
        query = QueryDirectoryRequest(*directory, FileIdBothDirectoryInformation, "*", len(_PAYLOAD))
        self._send(constants.SMB2_QUERY_DIRECTORY, query.pack())
        self._send(constants.SMB2_CLOSE, CloseRequest(*directory).pack())

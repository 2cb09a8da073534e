"""NTLMSSP, the server's side ([MS-NLMP] 3.2.5): NEGOTIATE, CHALLENGE, AUTHENTICATE.

Everything that the client proves is verified over the bytes that it sent. Who the user is, and whether the
password was right, is `smbd.auth.logon`'s business; this module makes the keys.
"""

from __future__ import annotations

import hmac
import logging
import os
import socket
from typing import Final

from smbd.auth.context import AuthContext
from smbd.auth.logon import NtlmLogon, ntlm_logon
from smbd.gensec import ntlm_crypto
from smbd.gensec.mechanism import MAX_TOKEN_LENGTH, Mechanism, Step
from smbd.gensec.ntlm_messages import (
    MIC_LENGTH,
    MSV_AV_FLAG_MIC_PRESENT,
    NTLMSSP_ANONYMOUS,
    NTLMSSP_NEGOTIATE_56,
    NTLMSSP_NEGOTIATE_128,
    NTLMSSP_NEGOTIATE_ALWAYS_SIGN,
    NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY,
    NTLMSSP_NEGOTIATE_KEY_EXCH,
    NTLMSSP_NEGOTIATE_NTLM,
    NTLMSSP_NEGOTIATE_OEM,
    NTLMSSP_NEGOTIATE_SEAL,
    NTLMSSP_NEGOTIATE_SIGN,
    NTLMSSP_NEGOTIATE_TARGET_INFO,
    NTLMSSP_NEGOTIATE_UNICODE,
    NTLMSSP_NEGOTIATE_VERSION,
    NTLMSSP_REQUEST_TARGET,
    NTLMSSP_TARGET_TYPE_SERVER,
    NtlmMessageError,
    av_flags,
    pack_challenge,
    unpack_authenticate,
    unpack_negotiate,
)
from vfs.ntstatus import STATUS_INVALID_PARAMETER, STATUS_LOGON_FAILURE, NTStatusError

_log = logging.getLogger(__name__)

CHALLENGE_LENGTH: Final = 8
SESSION_KEY_LENGTH: Final = 16

# What is granted if the client asks for it; the rest of the CHALLENGE's flags do not depend on the client.
_GRANTED: Final = (
    NTLMSSP_NEGOTIATE_SIGN
    | NTLMSSP_NEGOTIATE_SEAL
    | NTLMSSP_NEGOTIATE_ALWAYS_SIGN
    | NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY
    | NTLMSSP_NEGOTIATE_VERSION
    | NTLMSSP_NEGOTIATE_128
    | NTLMSSP_NEGOTIATE_KEY_EXCH
    | NTLMSSP_NEGOTIATE_56
    | NTLMSSP_REQUEST_TARGET
)
_ALWAYS: Final = NTLMSSP_NEGOTIATE_NTLM | NTLMSSP_NEGOTIATE_TARGET_INFO | NTLMSSP_TARGET_TYPE_SERVER


class NtlmAcceptor(Mechanism):
    """One NTLM authentication; the three messages are kept as received and sent until it is over."""

    __slots__ = ("_challenge", "_context", "_flags", "_negotiate", "_server_challenge", "_session_key")

    def __init__(self, context: AuthContext) -> None:
        super().__init__()
        self._context = context
        self._flags = 0
        self._negotiate = b""
        self._challenge = b""
        self._server_challenge = b""
        self._session_key = b""

    def update(self, token: bytes) -> Step:
        """Answer NEGOTIATE with CHALLENGE, and AUTHENTICATE with nothing but the result."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise NTStatusError(STATUS_INVALID_PARAMETER, f"NTLM message of {len(token)} bytes")
        if self._session_info is not None:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "NTLM message after the end of the authentication")
        try:
            if not self._challenge:
                return Step(self._answer_negotiate(token), done=False)
            self._accept_authenticate(token)
        except NtlmMessageError as error:
            raise NTStatusError(STATUS_INVALID_PARAMETER, str(error)) from None
        return Step(b"", done=True)

    def _answer_negotiate(self, message: bytes) -> bytes:
        client_flags = unpack_negotiate(message)
        flags = client_flags & _GRANTED | _ALWAYS
        if client_flags & NTLMSSP_NEGOTIATE_UNICODE:
            flags |= NTLMSSP_NEGOTIATE_UNICODE
        elif client_flags & NTLMSSP_NEGOTIATE_OEM:
            flags |= NTLMSSP_NEGOTIATE_OEM
        else:
            raise NtlmMessageError("the client can do neither Unicode nor OEM text")
        host, _, domain = socket.gethostname().partition(".")
        self._flags = flags
        self._negotiate = message
        self._server_challenge = os.urandom(CHALLENGE_LENGTH)
        self._challenge = pack_challenge(
            flags,
            self._server_challenge,
            self._context.netbios_name,
            domain,
            f"{host}.{domain}" if domain else host,
        )
        return self._challenge

    def _accept_authenticate(self, message: bytes) -> None:
        auth = unpack_authenticate(message)
        # A response that is malformed is no wrong password: nobody is looked up for it.
        has_mic = bool(av_flags(auth.nt_response) & MSV_AV_FLAG_MIC_PRESENT)
        # The client chooses from what the CHALLENGE offered; it cannot add to it.
        self._flags &= auth.flags | _ALWAYS
        result = ntlm_logon(
            self._context,
            NtlmLogon(
                user=auth.user,
                domain=auth.domain,
                workstation=auth.workstation,
                server_challenge=self._server_challenge,
                nt_response=auth.nt_response,
                lm_response=auth.lm_response,
                anonymous_flag=bool(auth.flags & NTLMSSP_ANONYMOUS),
            ),
        )
        info = result.session_info
        if result.session_base_key:
            key = self._exported_session_key(result.session_base_key, auth.encrypted_session_key)
            if has_mic:
                self._check_mic(key, message, auth.mic_offset)
            self._session_key = info.session_key = key
        self._session_info = info

    def _exported_session_key(self, key_exchange_key: bytes, encrypted: bytes) -> bytes:
        """[MS-NLMP] 3.2.5.1.2: the client's random key, or with NTLMv2 the session base key itself."""
        if not self._flags & NTLMSSP_NEGOTIATE_KEY_EXCH:
            return key_exchange_key
        if len(encrypted) == SESSION_KEY_LENGTH:
            return ntlm_crypto.exchange_key(key_exchange_key, encrypted)
        if self._flags & (NTLMSSP_NEGOTIATE_SIGN | NTLMSSP_NEGOTIATE_SEAL):
            raise NtlmMessageError(f"a session key of {len(encrypted)} bytes")
        # Without signing and sealing there is nothing to exchange, and clients put in any value.
        return key_exchange_key

    def _check_mic(self, session_key: bytes, message: bytes, offset: int) -> None:
        if not offset:
            raise NtlmMessageError("the AUTHENTICATE_MESSAGE has no room for the MIC it announces")
        expected = ntlm_crypto.compute_mic(session_key, self._negotiate, self._challenge, message, offset)
        if not hmac.compare_digest(expected, message[offset : offset + MIC_LENGTH]):
            _log.warning("%s: wrong MIC: the NTLM messages were changed", self._context.client_address)
            raise NTStatusError(STATUS_LOGON_FAILURE, "wrong MIC in the AUTHENTICATE_MESSAGE")

    def can_sign(self) -> bool:
        """Only with a session key and extended session security."""
        return bool(self._session_key) and ntlm_crypto.can_sign(self._flags)

    def verify_mic(self, message: bytes, mic: bytes) -> bool:
        """Check the client's first signature."""
        expected = ntlm_crypto.first_signature(self._flags, self._session_key, ntlm_crypto.CLIENT, message)
        return hmac.compare_digest(expected, mic)

    def make_mic(self, message: bytes) -> bytes:
        """Make the server's first signature."""
        return ntlm_crypto.first_signature(self._flags, self._session_key, ntlm_crypto.SERVER, message)

"""SPNEGO, the acceptor's side (RFC 4178 and [MS-SPNG]): which mechanism, and was that choice tampered with.

pyspnego packs and unpacks the envelope. The mechListMIC covers the client's list of mechanisms in DER.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Final

from spnego._spnego import NegState, NegTokenInit, NegTokenResp, pack_mech_type_list, unpack_token

from smbd.auth.context import AuthContext
from smbd.gensec.mechanism import MAX_TOKEN_LENGTH, Acceptor, Mechanism, Step
from smbd.gensec.ntlmssp import NtlmAcceptor
from vfs.ntstatus import STATUS_INVALID_PARAMETER, STATUS_LOGON_FAILURE, STATUS_NOT_SUPPORTED, NTStatusError

_log = logging.getLogger(__name__)

OID_NTLMSSP: Final = "1.3.6.1.4.1.311.2.2.10"

# In order of preference. Kerberos gets its line here when there is a mechanism for it.
MECHANISMS: Final[dict[str, Callable[[AuthContext], Mechanism]]] = {
    OID_NTLMSSP: NtlmAcceptor,
}

_HINT_NAME: Final = b"not_defined_in_RFC4178@please_ignore"
"""What [MS-SPNG] 2.2.1 says every server sends as the name of itself."""


@cache
def negotiate_token() -> bytes:
    """Return the NegTokenInit2 of the NEGOTIATE response: our mechanisms in order of preference."""
    return NegTokenInit(mech_types=list(MECHANISMS), hint_name=_HINT_NAME).pack()


class SpnegoAcceptor(Acceptor):
    """One negotiation and the mechanism that came out of it."""

    __slots__ = ("_context", "_mech_list", "_mechanism", "_mic_required", "_oid")

    def __init__(self, context: AuthContext) -> None:
        super().__init__()
        self._context = context
        self._mechanism: Mechanism | None = None
        self._oid = ""
        self._mech_list = b""
        self._mic_required = False

    def update(self, token: bytes) -> Step:
        """Take a NegTokenInit first, NegTokenResps afterwards."""
        if self._session_info is not None:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "SPNEGO token after the end of the authentication")
        message = _unpack(token)
        if self._mechanism is None:
            if not isinstance(message, NegTokenInit):
                raise NTStatusError(STATUS_INVALID_PARAMETER, "the first SPNEGO token is no NegTokenInit")
            return self._start(message)
        if not isinstance(message, NegTokenResp):
            raise NTStatusError(STATUS_INVALID_PARAMETER, "the SPNEGO token is no NegTokenResp")
        if message.neg_state == NegState.reject:
            raise NTStatusError(STATUS_LOGON_FAILURE, "the client rejects the negotiation")
        if message.response_token is None:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "a NegTokenResp without a token of the mechanism")
        return self._advance(self._mechanism, message.response_token, message.mech_list_mic)

    def _start(self, init: NegTokenInit) -> Step:
        offered = init.mech_types
        oid = next((oid for oid in offered if oid in MECHANISMS), None)
        if oid is None:
            names = ", ".join(offered)[:200]
            raise NTStatusError(STATUS_NOT_SUPPORTED, f"no mechanism in common: {names}")
        self._oid = oid
        self._mech_list = pack_mech_type_list(offered)
        self._mechanism = MECHANISMS[oid](self._context)
        if oid == offered[0] and init.mech_token:
            step = self._mechanism.update(init.mech_token)
            if step.done:
                raise NTStatusError(STATUS_INVALID_PARAMETER, "the mechanism is done too early")
            return Step(self._respond(NegState.accept_incomplete, step.token, first=True), done=False)
        # The optimistic token is another mechanism's: say which one it is to be, and insist on the proof that
        # nobody took the better ones off the list (RFC 4178 section 5).
        self._mic_required = oid != offered[0]
        state = NegState.request_mic if self._mic_required else NegState.accept_incomplete
        return Step(self._respond(state, None, first=True), done=False)

    def _advance(self, mechanism: Mechanism, token: bytes, mic: bytes | None) -> Step:
        step = mechanism.update(token)
        if not step.done:
            return Step(self._respond(NegState.accept_incomplete, step.token), done=False)
        our_mic = None
        # Guests and anonymous users share no key with us: there is nothing to make or check a MIC with.
        if mechanism.can_sign():
            if mic is not None:
                if not mechanism.verify_mic(self._mech_list, mic):
                    _log.warning("%s: wrong mechListMIC", self._context.client_address)
                    raise NTStatusError(STATUS_LOGON_FAILURE, "wrong mechListMIC")
                our_mic = mechanism.make_mic(self._mech_list)
            elif self._mic_required:
                raise NTStatusError(STATUS_LOGON_FAILURE, "the mechListMIC is missing")
        self._session_info = mechanism.session_info
        return Step(self._respond(NegState.accept_complete, step.token or None, mic=our_mic), done=True)

    def _respond(
        self, state: NegState, token: bytes | None, *, first: bool = False, mic: bytes | None = None
    ) -> bytes:
        return NegTokenResp(state, self._oid if first else None, token, mic).pack()


def _unpack(token: bytes) -> NegTokenInit | NegTokenResp:
    if len(token) > MAX_TOKEN_LENGTH:
        raise NTStatusError(STATUS_INVALID_PARAMETER, f"SPNEGO token of {len(token)} bytes")
    try:
        message = unpack_token(token)
    except Exception as error:  # noqa: BLE001 - the decoder fails in many ways; all mean: malformed
        raise NTStatusError(STATUS_INVALID_PARAMETER, f"malformed SPNEGO token: {error!r:.200}") from None
    if not isinstance(message, NegTokenInit | NegTokenResp):
        raise NTStatusError(STATUS_INVALID_PARAMETER, "the token is not SPNEGO")
    return message

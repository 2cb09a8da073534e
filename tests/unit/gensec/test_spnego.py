"""SPNEGO: the choice of the mechanism, its protection, and malformed envelopes."""

from __future__ import annotations

from pathlib import Path

import pytest
import spnego
from spnego._spnego import NegState, NegTokenInit, NegTokenResp, pack_mech_type_list, unpack_token

from smbd.auth.context import AuthContext
from smbd.gensec import negotiate_token, start_acceptor
from smbd.gensec.ntlmssp import NtlmAcceptor
from smbd.gensec.spnego import OID_NTLMSSP, SpnegoAcceptor
from tests.unit.auth.support import PASSWORD, make_context
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_LOGON_FAILURE,
    STATUS_NOT_SUPPORTED,
    NTStatusError,
)

OID_KERBEROS = "1.2.840.113554.1.2.2"


@pytest.fixture
def context(tmp_path: Path) -> AuthContext:
    return make_context(tmp_path)


def status_of(acceptor: SpnegoAcceptor, token: bytes) -> int:
    with pytest.raises(NTStatusError) as caught:
        acceptor.update(token)
    return caught.value.status


def test_negotiate_token_is_that_of_samba() -> None:
    assert negotiate_token().hex() == (
        "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa32a3028a0261b246e6f745f646566696e6564"
        "5f696e5f5246433431373840706c656173655f69676e6f7265"
    )


def test_the_first_token_decides(context: AuthContext) -> None:
    assert isinstance(start_acceptor(context, b"NTLMSSP\0rest"), NtlmAcceptor)
    assert isinstance(start_acceptor(context, negotiate_token()), SpnegoAcceptor)


class Exchange:
    """A client that prefers Kerberos and has to fall back to NTLM."""

    def __init__(self, context: AuthContext) -> None:
        self.mechs = [OID_KERBEROS, OID_NTLMSSP]
        self.acceptor = SpnegoAcceptor(context)
        self.ntlm = spnego.client("daemon", PASSWORD, protocol="ntlm")
        init = NegTokenInit(self.mechs, mech_token=b"a Kerberos ticket")
        self.first: NegTokenResp = unpack_token(self.acceptor.update(init.pack()).token)
        answer = unpack_token(self.acceptor.update(NegTokenResp(response_token=self.ntlm.step()).pack()).token)
        self.authenticate = self.ntlm.step(answer.response_token)

    def finish(self, mic: bytes | None) -> NegTokenResp:
        token = NegTokenResp(response_token=self.authenticate, mech_list_mic=mic).pack()
        step = self.acceptor.update(token)
        assert step.done
        return unpack_token(step.token)


def test_fall_back_is_protected_by_the_mic(context: AuthContext) -> None:
    exchange = Exchange(context)
    assert exchange.first.neg_state == NegState.request_mic
    assert exchange.first.supported_mech == OID_NTLMSSP
    assert exchange.first.response_token is None
    mech_list = pack_mech_type_list(exchange.mechs)
    final = exchange.finish(exchange.ntlm.sign(mech_list))
    assert final.neg_state == NegState.accept_complete
    assert final.mech_list_mic is not None
    exchange.ntlm.verify(mech_list, final.mech_list_mic)


def test_fall_back_without_mic_is_refused(context: AuthContext) -> None:
    with pytest.raises(NTStatusError) as caught:
        Exchange(context).finish(None)
    assert caught.value.status == STATUS_LOGON_FAILURE


def test_fall_back_with_the_mic_of_another_list_is_refused(context: AuthContext) -> None:
    exchange = Exchange(context)
    with pytest.raises(NTStatusError) as caught:
        exchange.finish(exchange.ntlm.sign(pack_mech_type_list([OID_NTLMSSP])))
    assert caught.value.status == STATUS_LOGON_FAILURE


def test_preferred_mechanism_without_optimistic_token(context: AuthContext) -> None:
    acceptor = SpnegoAcceptor(context)
    answer = unpack_token(acceptor.update(NegTokenInit([OID_NTLMSSP]).pack()).token)
    assert (answer.neg_state, answer.supported_mech) == (NegState.accept_incomplete, OID_NTLMSSP)


def test_no_common_mechanism(context: AuthContext) -> None:
    assert status_of(SpnegoAcceptor(context), NegTokenInit([OID_KERBEROS]).pack()) == STATUS_NOT_SUPPORTED
    assert status_of(SpnegoAcceptor(context), NegTokenInit([]).pack()) == STATUS_NOT_SUPPORTED


def test_out_of_turn(context: AuthContext) -> None:
    acceptor = SpnegoAcceptor(context)
    assert status_of(acceptor, NegTokenResp(NegState.accept_complete).pack()) == STATUS_INVALID_PARAMETER
    acceptor.update(NegTokenInit([OID_NTLMSSP]).pack())
    assert status_of(acceptor, NegTokenInit([OID_NTLMSSP]).pack()) == STATUS_INVALID_PARAMETER
    assert status_of(acceptor, NegTokenResp().pack()) == STATUS_INVALID_PARAMETER
    assert status_of(acceptor, NegTokenResp(NegState.reject).pack()) == STATUS_LOGON_FAILURE


def test_after_the_end(context: AuthContext) -> None:
    exchange = Exchange(context)
    exchange.finish(exchange.ntlm.sign(pack_mech_type_list(exchange.mechs)))
    token = NegTokenResp(response_token=exchange.authenticate).pack()
    assert status_of(exchange.acceptor, token) == STATUS_INVALID_PARAMETER


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"\x60",
        b"\x60\x84\xff\xff\xff\xff",
        b"\xa0\x80",
        b"\x30\x03abc",
        b"\xa1\x00",
        b"NTLMSSP\0\1\0\0\0",
        negotiate_token()[:20],
        b"\xa0" * 500,
        bytes(70_000),
    ],
)
def test_malformed(context: AuthContext, token: bytes) -> None:
    assert status_of(SpnegoAcceptor(context), token) in {STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED}

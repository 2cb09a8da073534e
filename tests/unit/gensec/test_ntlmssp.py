"""NTLMSSP by hand-made messages: flags, policy, and everything a hostile client may send."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import spnego
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spnego._ntlm_raw.messages import Authenticate, Challenge, Negotiate

from smbd.auth.context import AuthContext
from smbd.gensec import ntlm_crypto, start_acceptor
from smbd.gensec.ntlm_messages import (
    NTLMSSP_NEGOTIATE_56,
    NTLMSSP_NEGOTIATE_128,
    NTLMSSP_NEGOTIATE_KEY_EXCH,
    NTLMSSP_NEGOTIATE_LM_KEY,
    NTLMSSP_NEGOTIATE_OEM,
    NTLMSSP_NEGOTIATE_SEAL,
    NTLMSSP_NEGOTIATE_SIGN,
    NTLMSSP_NEGOTIATE_TARGET_INFO,
    NTLMSSP_NEGOTIATE_UNICODE,
    NTLMSSP_TARGET_TYPE_SERVER,
    NtlmMessageError,
    av_flags,
)
from smbd.gensec.ntlmssp import NtlmAcceptor
from tests.unit.auth.support import PASSWORD, make_context
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_PARAMETER,
    STATUS_LOGON_FAILURE,
    NTStatusError,
)
from vfs.sid import SID_ANONYMOUS

NEGOTIATE = Negotiate(
    NTLMSSP_NEGOTIATE_UNICODE | NTLMSSP_NEGOTIATE_OEM | NTLMSSP_NEGOTIATE_128 | NTLMSSP_NEGOTIATE_SIGN
).pack()


@pytest.fixture
def context(tmp_path: Path) -> AuthContext:
    return make_context(tmp_path)


def refused(acceptor: NtlmAcceptor, token: bytes) -> int:
    with pytest.raises(NTStatusError) as caught:
        acceptor.update(token)
    return caught.value.status


def anonymous(flags: int = NTLMSSP_NEGOTIATE_UNICODE, **fields: object) -> bytes:
    return Authenticate(flags, **fields).pack()  # type: ignore[arg-type]


def test_challenge(context: AuthContext) -> None:
    challenge = Challenge.unpack(NtlmAcceptor(context).update(NEGOTIATE).token)
    assert challenge.flags & (NTLMSSP_NEGOTIATE_UNICODE | NTLMSSP_NEGOTIATE_128 | NTLMSSP_NEGOTIATE_SIGN)
    assert challenge.flags & NTLMSSP_NEGOTIATE_TARGET_INFO
    assert challenge.flags & NTLMSSP_TARGET_TYPE_SERVER
    not_asked_for = NTLMSSP_NEGOTIATE_OEM | NTLMSSP_NEGOTIATE_SEAL | NTLMSSP_NEGOTIATE_56
    assert not challenge.flags & (not_asked_for | NTLMSSP_NEGOTIATE_LM_KEY | NTLMSSP_NEGOTIATE_KEY_EXCH)
    assert challenge.target_name == "TESTSRV"
    assert challenge.target_info is not None
    assert [int(key) for key in challenge.target_info] == [2, 1, 4, 3, 7, 0]


def test_every_challenge_is_new(context: AuthContext) -> None:
    assert len({NtlmAcceptor(context).update(NEGOTIATE).token[24:32] for _ in range(4)}) == 4


def test_anonymous(context: AuthContext) -> None:
    for lm_response in (b"", b"\0"):
        acceptor = NtlmAcceptor(context)
        acceptor.update(NEGOTIATE)
        assert acceptor.update(anonymous(lm_challenge_response=lm_response)).done
        info = acceptor.session_info
        assert info.is_anonymous
        assert not info.is_guest
        assert info.session_key == b""
        assert info.token.user_sid == SID_ANONYMOUS
        assert not acceptor.can_sign()


def test_anonymous_refused_by_policy(tmp_path: Path) -> None:
    acceptor = NtlmAcceptor(make_context(tmp_path, "restrict anonymous = 2"))
    acceptor.update(NEGOTIATE)
    assert refused(acceptor, anonymous()) == STATUS_ACCESS_DENIED


@pytest.mark.parametrize(
    ("policy", "user", "password", "becomes_guest"),
    [
        ("Never", "nosuch", "x", False),
        ("Bad User", "nosuch", "x", True),
        ("Bad User", "daemon", "x", False),
        ("Bad Password", "nosuch", "x", True),
        ("Bad Password", "daemon", "x", True),
    ],
)
def test_map_to_guest(tmp_path: Path, policy: str, user: str, password: str, becomes_guest: bool) -> None:
    context = make_context(tmp_path, f"map to guest = {policy}")
    client = spnego.client(user, password, protocol="negotiate")
    token = client.step()
    assert token
    acceptor = start_acceptor(context, token)
    token = client.step(acceptor.update(token).token)
    assert token
    if becomes_guest:
        step = acceptor.update(token)
        # As Samba: accept-completed and nothing else, because there is no key for a MIC.
        assert (step.done, step.token.hex()) == (True, "a1073005a0030a0100")
        assert acceptor.session_info.is_guest
        assert acceptor.session_info.session_key == b""
        assert acceptor.session_info.token.is_guest
    else:
        with pytest.raises(NTStatusError) as caught:
            acceptor.update(token)
        assert caught.value.status == STATUS_LOGON_FAILURE


def test_published_mech_list_mics() -> None:
    """Microsoft's example of a 3.1.1 logon: both sides' mechListMIC from the session key."""
    key = bytes.fromhex("270E1BA896585EEB7AF3472D3B4C75A7")
    mech_list = bytes.fromhex("300C060A2B06010401823702020A")
    signature = ntlm_crypto.first_signature(0xE2888215, key, ntlm_crypto.CLIENT, mech_list)
    assert signature.hex() == "0100000063775a9a5fd97f0600000000"
    signature = ntlm_crypto.first_signature(0xE2888215, key, ntlm_crypto.SERVER, mech_list)
    assert signature.hex() == "010000003b453cdc3524164200000000"


def test_message_order(context: AuthContext) -> None:
    acceptor = NtlmAcceptor(context)
    assert refused(acceptor, anonymous()) == STATUS_INVALID_PARAMETER
    with pytest.raises(NTStatusError):
        _ = acceptor.session_info
    acceptor.update(NEGOTIATE)
    assert refused(acceptor, NEGOTIATE.ljust(64, b"\0")) == STATUS_INVALID_PARAMETER
    acceptor.update(anonymous())
    assert refused(acceptor, anonymous()) == STATUS_INVALID_PARAMETER


def test_neither_unicode_nor_oem(context: AuthContext) -> None:
    assert refused(NtlmAcceptor(context), Negotiate(NTLMSSP_NEGOTIATE_128).pack()) == STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("field", range(6))
@pytest.mark.parametrize(("length", "offset"), [(1, 0xFFFFFFFF), (0xFFFF, 64), (1, 0), (2, 95), (0, 0xFFFF)])
def test_fields_outside_the_message(context: AuthContext, field: int, length: int, offset: int) -> None:
    message = bytearray(anonymous().ljust(96, b"\0"))
    struct.pack_into("<HHI", message, 12 + 8 * field, length, length, offset)
    acceptor = NtlmAcceptor(context)
    acceptor.update(NEGOTIATE)
    assert refused(acceptor, bytes(message)) == STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("user", [b"\x00\xd8", b"a", b"a\0\0\0", b"a\0" * 300])
def test_names_that_are_no_names(context: AuthContext, user: bytes) -> None:
    message = bytearray(anonymous())
    struct.pack_into("<HHI", message, 36, len(user), len(user), len(message))
    acceptor = NtlmAcceptor(context)
    acceptor.update(NEGOTIATE)
    assert refused(acceptor, bytes(message) + user) == STATUS_INVALID_PARAMETER


def test_av_flags() -> None:
    head = bytes(44)
    assert av_flags(head) == 0
    assert av_flags(head + bytes.fromhex("0600 0400 02000000 00000000")) == 2
    assert av_flags(head + bytes.fromhex("0200 0200 4100 0600 0400 02000000")) == 2
    assert av_flags(head + bytes.fromhex("00000000 0600 0400 02000000")) == 0
    for damaged in ("0200 ffff 41", "0600 0400 0200", "0600 0200 0200"):
        with pytest.raises(NtlmMessageError):
            av_flags(head + bytes.fromhex(damaged))


def test_too_long(context: AuthContext) -> None:
    assert refused(NtlmAcceptor(context), NEGOTIATE.ljust(70_000, b"\0")) == STATUS_INVALID_PARAMETER


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(data=st.data())
def test_nothing_but_statuses(context: AuthContext, data: st.DataObject) -> None:
    """Mutations of both messages, bare and in SPNEGO, end in a logon or an NTStatusError."""
    protocol = data.draw(st.sampled_from(["ntlm", "negotiate"]))
    client = spnego.client("daemon", PASSWORD, protocol=protocol)
    which = data.draw(st.integers(0, 1))

    def mutate(token: bytes | None, number: int) -> bytes:
        assert token is not None
        if number != which:
            return token
        changed = bytearray(token)
        for _ in range(data.draw(st.integers(1, 4))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        return bytes(changed[: data.draw(st.integers(0, len(changed)))]) if data.draw(st.booleans()) else bytes(changed)

    first = mutate(client.step(), 0)
    try:
        acceptor = start_acceptor(context, first)
        answer = acceptor.update(first).token
        if which == 0:
            return
        acceptor.update(mutate(client.step(answer), 1))
    except NTStatusError:
        pass

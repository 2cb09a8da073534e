"""SPNEGO's messages against the packer and the parser of an independent library, and against nonsense."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from spnego import _spnego

from smbd.gensec import spnego_messages
from smbd.gensec.spnego_messages import NegTokenInit, NegTokenResp, SpnegoMessageError

NTLMSSP, KERBEROS = "1.3.6.1.4.1.311.2.2.10", "1.2.840.113554.1.2.2"
OID_KERBEROS = bytes.fromhex("2a864886f712010202")
LENGTHS = (0, 1, 127, 128, 255, 256, 65536)


@pytest.mark.parametrize("length", LENGTHS)
def test_init(length: int) -> None:
    token = bytes(length)
    theirs = _spnego.NegTokenInit([KERBEROS, NTLMSSP], mech_token=token).pack()
    mechs = [OID_KERBEROS, spnego_messages.OID_NTLMSSP]
    assert spnego_messages.pack_init(mechs, mech_token=token) == theirs
    mech_list = _spnego.pack_mech_type_list([KERBEROS, NTLMSSP])
    assert spnego_messages.pack_mech_types(mechs) == mech_list
    assert spnego_messages.unpack(theirs) == NegTokenInit(mechs, mech_list, token)


def test_init_with_all_fields_and_without_header() -> None:
    theirs = _spnego.NegTokenInit(
        [NTLMSSP], _spnego.ContextFlags.mutual, b"token", hint_name=b"name", mech_list_mic=b"mic"
    ).pack()
    init = spnego_messages.unpack(theirs)
    assert init == NegTokenInit([spnego_messages.OID_NTLMSSP], _spnego.pack_mech_type_list([NTLMSSP]), b"token")
    header = theirs.index(spnego_messages.OID_SPNEGO) + len(spnego_messages.OID_SPNEGO)
    assert spnego_messages.unpack(theirs[header:]) == init


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("state", [state.value for state in _spnego.NegState if state >= 0])
def test_resp(length: int, state: int) -> None:
    token, mic = bytes(length), b"0123456789abcdef"
    theirs = _spnego.NegTokenResp(_spnego.NegState(state), NTLMSSP, token, mic).pack()
    assert spnego_messages.pack_resp(state, spnego_messages.OID_NTLMSSP, token, mic) == theirs
    assert spnego_messages.unpack(theirs) == NegTokenResp(state, token, mic)


def test_resp_with_nothing_in_it() -> None:
    assert spnego_messages.unpack(_spnego.NegTokenResp().pack()) == NegTokenResp(None, None, None)


@pytest.mark.parametrize("cut", range(1, 60))
def test_cut_off(cut: int) -> None:
    whole = spnego_messages.pack_init([OID_KERBEROS, spnego_messages.OID_NTLMSSP], mech_token=b"ticket")
    with pytest.raises(SpnegoMessageError):
        spnego_messages.unpack(whole[:cut] if cut < len(whole) else b"")


@given(st.binary(max_size=80), st.integers(0, 60))
@example(b"\xff", 1)
def test_nonsense_is_refused_or_read(noise: bytes, at: int) -> None:
    whole = spnego_messages.pack_init([OID_KERBEROS, spnego_messages.OID_NTLMSSP], mech_token=b"ticket")
    for token in (noise, whole[:at] + noise + whole[at + len(noise) :]):
        with contextlib.suppress(SpnegoMessageError):
            assert isinstance(spnego_messages.unpack(token), NegTokenInit | NegTokenResp)

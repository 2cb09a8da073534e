"""Logons by independent client implementations: pyspnego's, impacket's, and recorded ones of smbclient."""

from __future__ import annotations

from pathlib import Path

import pytest
import spnego
from impacket import ntlm

from smbd.auth.context import AuthContext
from smbd.gensec import Acceptor, start_acceptor
from smbd.gensec.ntlmssp import NtlmAcceptor
from smbd.gensec.spnego import SpnegoAcceptor
from tests.unit.auth.support import PASSWORD, make_context
from vfs.ntstatus import STATUS_LOGON_FAILURE, NTStatusError


@pytest.fixture
def context(tmp_path: Path) -> AuthContext:
    return make_context(tmp_path)


def converse(client: object, context: AuthContext) -> Acceptor:
    token = client.step()  # type: ignore[attr-defined]
    acceptor = start_acceptor(context, token)
    for _ in range(5):
        step = acceptor.update(token)
        if step.token:
            token = client.step(step.token)  # type: ignore[attr-defined]
        if step.done:
            return acceptor
    raise AssertionError("the conversation does not end")


@pytest.mark.parametrize("protocol", ["ntlm", "negotiate"])
@pytest.mark.parametrize("user", ["daemon", "DAEMON", r"ELSEWHERE\daemon", "daemon@example.com"])
def test_pyspnego(context: AuthContext, protocol: str, user: str) -> None:
    client = spnego.client(user, PASSWORD, hostname="testsrv", service="cifs", protocol=protocol)
    if "@" in user:  # a name in this form is looked up as it is, and there is no such account
        with pytest.raises(NTStatusError):
            converse(client, context)
        return
    acceptor = converse(client, context)
    assert client.complete
    info = acceptor.session_info
    assert info.session_key == client.session_key
    assert (info.user_name, info.domain, info.token.uid) == ("daemon", "TESTSRV", 1)
    assert not info.is_guest
    assert not info.is_anonymous


@pytest.mark.parametrize("protocol", ["ntlm", "negotiate"])
def test_pyspnego_without_integrity(context: AuthContext, protocol: str) -> None:
    client = spnego.client("daemon", PASSWORD, protocol=protocol, context_req=spnego.ContextReq.none)
    assert converse(client, context).session_info.session_key == client.session_key


@pytest.mark.parametrize("password", ["secret1", "", "Secret1 "])
@pytest.mark.parametrize("protocol", ["ntlm", "negotiate"])
def test_wrong_password(context: AuthContext, protocol: str, password: str) -> None:
    client = spnego.client("daemon", password or None, protocol=protocol) if password else None
    if client is None:
        client = spnego.client("daemon", "0" * 32 + ":" + "0" * 32, protocol=protocol)
    with pytest.raises(NTStatusError) as caught:
        converse(client, context)
    assert caught.value.status == STATUS_LOGON_FAILURE


@pytest.mark.parametrize("signing", [True, False])
def test_impacket(context: AuthContext, signing: bool) -> None:
    negotiate = ntlm.getNTLMSSPType1("", "", signingRequired=signing)
    acceptor = NtlmAcceptor(context)
    challenge = acceptor.update(negotiate.getData()).token
    authenticate, key = ntlm.getNTLMSSPType3(negotiate, challenge, "daemon", PASSWORD, "", "", "")
    assert acceptor.update(authenticate.getData()).done
    assert acceptor.session_info.session_key == key


def test_impacket_ntlmv1_is_refused(context: AuthContext) -> None:
    negotiate = ntlm.getNTLMSSPType1("", "", signingRequired=False, use_ntlmv2=False)
    acceptor = NtlmAcceptor(context)
    challenge = acceptor.update(negotiate.getData()).token
    authenticate, _ = ntlm.getNTLMSSPType3(negotiate, challenge, "daemon", PASSWORD, "", "", "", use_ntlmv2=False)
    with pytest.raises(NTStatusError) as caught:
        acceptor.update(authenticate.getData())
    assert caught.value.status == STATUS_LOGON_FAILURE


# smbclient 4.17 against smbd 4.17: user daemon with the password above, 3.1.1; both MICs are in it.
NEGOTIATE = (
    "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a04284e544c4d535350000100000015820862"
    "00000000280000000000000028000000060100000000000f"
)
CHALLENGE = (
    "4e544c4d53535000020000000c000c003800000015828a6238bc81fd6c92308200000000000000003c003c00440000000601"
    "00000000000f52004500460053005200560002000c0052004500460053005200560001000c00520045004600530052005600"
    "040000000300040076006d000700080088d6ddb5817add0100000000"
)
AUTHENTICATE = (
    "a18201a23082019ea2820186048201824e544c4d53535000030000001800180058000000d800d80070000000120012004801"
    "00000c000c005a0100000c000c0066010000100010007201000015820862060100000000000feae23ec482ef1a42b1b9d203"
    "b37ce22800000000000000000000000000000000000000000000000067d635a6f6e06ebc3428c3b2730455d9010100000000"
    "000088d6ddb5817add01588d870647f0169d0000000002000c0052004500460053005200560001000c005200450046005300"
    "52005600040000000300040076006d000700080088d6ddb5817add0106000400020000000800300030000000000000000000"
    "000000000000f2afe6f23ab0e6c865253e0cb26f33a93082f93b9847c443c03b5a311685ba760a0010000000000000000000"
    "000000000000000009001c0063006900660073002f003100320037002e0030002e0030002e0031000000000057004f005200"
    "4b00470052004f00550050006400610065006d006f006e0052004500460053005200560080a70d90268aecad15087bffd03d"
    "7b4ea31204100100000045398ebf8f7aeae900000000"
)
RESULT = "a11b3019a0030a0100a312041001000000a269e82e622a468700000000"


def replay(context: AuthContext, authenticate: bytes) -> tuple[SpnegoAcceptor, bytes]:
    acceptor = SpnegoAcceptor(context)
    acceptor.update(bytes.fromhex(NEGOTIATE))
    mechanism = acceptor._mechanism
    assert isinstance(mechanism, NtlmAcceptor)
    mechanism._challenge = bytes.fromhex(CHALLENGE)
    mechanism._server_challenge = mechanism._challenge[24:32]
    step = acceptor.update(authenticate)
    assert step.done
    return acceptor, step.token


def test_recorded_smbclient(context: AuthContext) -> None:
    """The answer is, to the byte, that of Samba's server."""
    acceptor, answer = replay(context, bytes.fromhex(AUTHENTICATE))
    assert answer.hex() == RESULT
    info = acceptor.session_info
    assert (info.requested_domain, info.workstation) == ("WORKGROUP", "REFSRV")
    assert len(info.session_key) == 16


@pytest.mark.parametrize(
    ("what", "at"),
    [("flags", 77), ("MIC", 90), ("proof", 130), ("client challenge", 162), ("mechListMIC", -5)],
)
def test_recorded_smbclient_tampered(context: AuthContext, what: str, at: int) -> None:
    token = bytearray.fromhex(AUTHENTICATE)
    token[at] ^= 1
    with pytest.raises(NTStatusError) as caught:
        replay(context, bytes(token))
    assert caught.value.status == STATUS_LOGON_FAILURE, what

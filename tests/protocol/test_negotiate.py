"""NEGOTIATE: which dialect comes out, what 3.1.1 adds, and what is refused ([MS-SMB2] 3.3.5.3, 3.3.5.4)."""

from __future__ import annotations

import os
import struct

import msgspec
import pytest

from smbd.wire.constants import (
    FSCTL_VALIDATE_NEGOTIATE_INFO,
    SMB2_DIALECT_2FF,
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
    SMB2_ENCRYPTION_AES128_CCM,
    SMB2_ENCRYPTION_CAPABILITIES,
    SMB2_GLOBAL_CAP_LARGE_MTU,
    SMB2_NEGOTIATE,
    SMB2_PREAUTH_INTEGRITY_CAPABILITIES,
    SMB2_PREAUTH_INTEGRITY_SHA512,
    SMB2_SIGNING_AES_CMAC,
)
from smbd.wire.ioctl import IoctlResponse
from smbd.wire.negotiate import NegotiateRequest, NegotiateResponse
from smbd.wire.negotiate_contexts import (
    EncryptionCapabilities,
    NegotiateContext,
    PreauthIntegrityCapabilities,
)
from tests.servers import unlike_samba
from tests.smbxcli import ALL_CIPHERS, ALL_DIALECTS, ALL_SIGNING, ConnectionLostError, Offer, Session
from vfs.ntstatus import STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, STATUS_SUCCESS

pytestmark = pytest.mark.slow

_PREAUTH = PreauthIntegrityCapabilities([SMB2_PREAUTH_INTEGRITY_SHA512], bytes(32)).pack()
_PREAUTH_CONTEXT = NegotiateContext(SMB2_PREAUTH_INTEGRITY_CAPABILITIES, _PREAUTH)


def negotiate_status(raw, request) -> int:
    return raw.send(SMB2_NEGOTIATE, request).recv().status


@pytest.mark.parametrize("dialect", ALL_DIALECTS, ids=hex)
def test_each_dialect_alone(login, dialect):
    session = login(dialects=[dialect])
    assert session.connection.dialect == dialect
    assert session.connection.echo(session).status == STATUS_SUCCESS


@pytest.mark.parametrize("count", range(1, len(ALL_DIALECTS) + 1))
def test_the_highest_common_dialect_wins_in_any_order(connect, count):
    offered = ALL_DIALECTS[:count]
    assert connect(dialects=offered).dialect == offered[-1]
    assert connect(dialects=offered[::-1]).dialect == offered[-1]


def test_unknown_dialects_are_ignored(connect):
    assert connect(dialects=[0x0123, SMB2_DIALECT_300, 0x0400]).dialect == SMB2_DIALECT_300


def test_no_common_dialect(raw):
    assert negotiate_status(raw, NegotiateRequest([0x0123])) == STATUS_NOT_SUPPORTED


def test_no_dialect_at_all(raw):
    assert negotiate_status(raw, NegotiateRequest([])) == STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("cipher", ALL_CIPHERS)
@pytest.mark.parametrize("signing", ALL_SIGNING)
def test_cipher_and_signing_of_311(login, cipher, signing):
    session = login(ciphers=[cipher], signing=[signing])
    agreed = session.connection.agreement
    assert (agreed.cipher, agreed.signing) == (cipher, signing)
    assert session.connection.echo(session).verified


def test_without_signing_context_cmac_is_used(connect):
    assert connect(signing=[]).agreement.signing == SMB2_SIGNING_AES_CMAC


def test_without_encryption_context_there_is_no_cipher(connect):
    agreed = connect(ciphers=[]).agreement
    assert agreed.cipher == 0
    types = [context.context_type for context in agreed.response.contexts]
    assert SMB2_ENCRYPTION_CAPABILITIES not in types


def test_unknown_cipher_is_answered_with_none(connect):
    agreed = connect(ciphers=[0x7777]).agreement
    assert agreed.cipher == 0


def test_unknown_context_is_ignored(connect):
    extra = NegotiateContext(0x4242, b"whatever")
    assert connect(contexts=[_PREAUTH_CONTEXT, extra]).dialect == SMB2_DIALECT_311


def test_netname_context_is_accepted(connect):
    assert connect(netname="server.example").dialect == SMB2_DIALECT_311


def test_salt_of_the_server_changes(connect):
    salts = set()
    for _ in range(3):
        for context in connect().agreement.response.contexts:
            if context.context_type == SMB2_PREAUTH_INTEGRITY_CAPABILITIES:
                salts.add(bytes(PreauthIntegrityCapabilities.unpack(context.data).salt))
    assert len(salts) == 3


_CCM = NegotiateContext(
    SMB2_ENCRYPTION_CAPABILITIES, EncryptionCapabilities([SMB2_ENCRYPTION_AES128_CCM]).pack()
)
_NO_HASH = NegotiateContext(
    SMB2_PREAUTH_INTEGRITY_CAPABILITIES, PreauthIntegrityCapabilities([], bytes(32)).pack()
)


@pytest.mark.parametrize(
    "contexts",
    [
        pytest.param([], id="none"),
        pytest.param([_CCM], id="no preauth"),
        pytest.param([_PREAUTH_CONTEXT, _PREAUTH_CONTEXT], id="preauth twice", marks=unlike_samba),
        pytest.param([_PREAUTH_CONTEXT, _CCM, _CCM], id="cipher twice", marks=unlike_samba),
        pytest.param([_NO_HASH], id="no hash"),
    ],
)
def test_contexts_of_311_that_are_refused(raw, contexts):
    request = NegotiateRequest([SMB2_DIALECT_311], contexts=contexts)
    assert negotiate_status(raw, request) == STATUS_INVALID_PARAMETER


def test_second_negotiate_ends_the_connection(connect):
    connection = connect()
    with pytest.raises(ConnectionLostError):
        connection.send(SMB2_NEGOTIATE, connection.offer.request()).recv()


def test_limits_and_capabilities(connect):
    old = connect(dialects=[SMB2_DIALECT_202]).agreement.response
    assert (old.max_read_size, old.max_write_size, old.max_transact_size) == (65536, 65536, 65536)
    assert not old.capabilities & SMB2_GLOBAL_CAP_LARGE_MTU
    new = connect(dialects=[SMB2_DIALECT_210]).agreement.response
    assert new.max_read_size == new.max_write_size == 8 << 20
    assert new.capabilities & SMB2_GLOBAL_CAP_LARGE_MTU
    assert new.server_guid == old.server_guid


def test_smb1_negotiate_leads_to_a_second_one(server, raw):
    response = raw.negotiate_smb1(["NT LM 0.12", "SMB 2.002", "SMB 2.???"])
    assert response.body(NegotiateResponse).dialect == SMB2_DIALECT_2FF
    raw.negotiate()
    assert raw.dialect == SMB2_DIALECT_311
    session = Session.login(raw, server.user, server.password)
    assert raw.echo(session).status == STATUS_SUCCESS


def test_smb1_negotiate_for_202(server, raw):
    raw.negotiate_smb1(["NT LM 0.12", "SMB 2.002"])
    assert raw.dialect == SMB2_DIALECT_202
    session = Session.login(raw, server.user, server.password)
    assert raw.echo(session).status == STATUS_SUCCESS


def _validate_body(offer, **changes):
    fields = {
        "capabilities": offer.capabilities,
        "guid": offer.client_guid,
        "mode": offer.security_mode,
        "dialects": list(offer.dialects),
        **changes,
    }
    dialects = b"".join(dialect.to_bytes(2, "little") for dialect in fields["dialects"])
    head = struct.pack(
        "<I16sHH", fields["capabilities"], fields["guid"], fields["mode"], len(fields["dialects"])
    )
    return head + dialects


@pytest.mark.parametrize("dialect", [SMB2_DIALECT_300, SMB2_DIALECT_302], ids=hex)
def test_validate_negotiate_confirms(login, dialect):
    session = login(dialects=[SMB2_DIALECT_202, dialect])
    connection = session.connection
    tree = session.tree_connect("tmp")
    reply = tree.send_fsctl(FSCTL_VALIDATE_NEGOTIATE_INFO, _validate_body(connection.offer), 24).recv()
    data = bytes(reply.body(IoctlResponse).output_data)
    answer = connection.agreement.response
    assert int.from_bytes(data[:4], "little") == answer.capabilities
    assert data[4:20] == answer.server_guid
    assert int.from_bytes(data[20:22], "little") == answer.security_mode
    assert int.from_bytes(data[22:24], "little") == dialect
    assert reply.signed


@pytest.mark.parametrize(
    "changes",
    [{"capabilities": 0}, {"guid": os.urandom(16)}, {"mode": 2}, {"dialects": [SMB2_DIALECT_202]}],
    ids=["capabilities", "guid", "mode", "dialects"],
)
def test_validate_negotiate_unmasks_a_downgrade(login, changes):
    session = login(dialects=[SMB2_DIALECT_202, SMB2_DIALECT_300])
    tree = session.tree_connect("tmp")
    body = _validate_body(session.connection.offer, **changes)
    with pytest.raises(ConnectionLostError):
        tree.send_fsctl(FSCTL_VALIDATE_NEGOTIATE_INFO, body, 24).recv()


def test_tampered_negotiate_breaks_the_session_keys(server, connect):
    """Preauth integrity of 3.1.1: a client that saw another NEGOTIATE gets other keys."""
    connection = connect()
    connection.preauth.update(b"what a man in the middle changed")
    session = Session(connection)
    with pytest.raises(Exception, match="wrong signature"):
        session.authenticate(server.user, server.password)


def test_offer_is_made_of_plain_values():
    assert msgspec.structs.replace(Offer(), dialects=[SMB2_DIALECT_311]).negotiate_contexts()

"""NEGOTIATE ([MS-SMB2] 3.3.5.3, 3.3.5.4): dialect, capabilities, algorithms, preauthentication integrity."""

from __future__ import annotations

import logging
import os
import time
from typing import Final

from messaging.errors import MessagingError
from messaging.server_id import ServerId
from smbd.config.enums import OFF, REQUIRED
from smbd.crypto.preauth import PreauthHash
from smbd.gensec import negotiate_token
from smbd.smb2 import algorithms
from smbd.smb2.request import AsyncResult, ProtocolViolation, Reply, Request, Result
from smbd.wire.constants import (
    SMB2_CREATE_TAG_POSIX,
    SMB2_DIALECT_2FF,
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
    SMB2_ENCRYPTION_AES128_CCM,
    SMB2_ENCRYPTION_CAPABILITIES,
    SMB2_GLOBAL_CAP_DIRECTORY_LEASING,
    SMB2_GLOBAL_CAP_ENCRYPTION,
    SMB2_GLOBAL_CAP_LARGE_MTU,
    SMB2_GLOBAL_CAP_LEASING,
    SMB2_GLOBAL_CAP_MULTI_CHANNEL,
    SMB2_GLOBAL_CAP_PERSISTENT_HANDLES,
    SMB2_NEGOTIATE,
    SMB2_NEGOTIATE_SIGNING_ENABLED,
    SMB2_NEGOTIATE_SIGNING_REQUIRED,
    SMB2_POSIX_EXTENSIONS_AVAILABLE,
    SMB2_PREAUTH_INTEGRITY_CAPABILITIES,
    SMB2_PREAUTH_INTEGRITY_SHA512,
    SMB2_SIGNING_AES_CMAC,
    SMB2_SIGNING_CAPABILITIES,
    SMB2_SIGNING_HMAC_SHA256,
)
from smbd.wire.dtyp import filetime_from_ns
from smbd.wire.negotiate import NegotiateRequest, NegotiateResponse
from smbd.wire.negotiate_contexts import (
    EncryptionCapabilities,
    NegotiateContext,
    PosixExtensionsAvailable,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from smbd.wire.smb1 import Smb1NegotiateRequest
from smbd.xsrv.connection import Connection
from smbd.xsrv.handover import pass_on
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP,
    STATUS_SUCCESS,
    NTStatusError,
)

_log = logging.getLogger(__name__)

DIALECTS: Final = (
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
)
_SALT_LENGTH: Final = 32
#: What a client without multi-credit may transfer at once.
_SINGLE_CREDIT_SIZE: Final = 65536

_SMB1_DIALECT_202: Final = "SMB 2.002"
_SMB1_DIALECT_2FF: Final = "SMB 2.???"


def handle(request: Request) -> Result | AsyncResult:
    """Answer NEGOTIATE, or pass the connection to the process that serves its client already.

    Raises:
        ProtocolViolation: it was answered before on this connection.
        NTStatusError: STATUS_NOT_SUPPORTED without a common dialect, STATUS_INVALID_PARAMETER for contexts
            that the dialect does not allow.
    """
    connection = request.connection
    if connection.negotiated:
        raise ProtocolViolation("a second NEGOTIATE")
    offer = NegotiateRequest.unpack(request.pdu)
    if not offer.dialects:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "no dialects")
    dialect = _choose_dialect(connection, offer.dialects)
    if dialect is None:
        raise NTStatusError(STATUS_NOT_SUPPORTED, f"no common dialect in {[hex(d) for d in offer.dialects]}")
    connection.client_dialects = offer.dialects
    connection.client_capabilities = offer.capabilities
    connection.client_security_mode = offer.security_mode
    connection.client_guid = bytes(offer.client_guid)
    if dialect >= SMB2_DIALECT_210:
        owner = _introduce(connection, dialect)
        if owner is not None:
            request.keep()
            return _pass_on(request, dialect, owner)
    return _answer(request, offer, dialect)


def _introduce(connection: Connection, dialect: int) -> ServerId | None:
    """Take the client, or return the process that should have this connection."""
    client = connection.client
    multi_channel = dialect >= SMB2_DIALECT_300 and connection.ctx.config.globals.server_multi_channel_support
    if multi_channel:
        try:
            client.reception.open()
        except (MessagingError, OSError) as error:
            _log.error("%s: cannot take further connections of this client: %s", connection, error)
    else:
        client.replays.publish(connection.ctx.databases.replays, connection.client_guid)
    owner = client.introduce(connection.client_guid, connection)
    if owner is None or multi_channel:
        return owner
    client.client_guid = connection.client_guid  # each connection has its own process
    return None


async def _pass_on(request: Request, dialect: int, owner: ServerId) -> Result:
    connection = request.connection
    if await pass_on(connection, owner, request.message_id, bytes(request.pdu)):
        return b""  # there is nobody left to send it to
    # That process is about to end: this one is the client's from now on.
    client = connection.client
    client.introduce(connection.client_guid, connection, owner)
    client.client_guid = connection.client_guid
    return _answer(request, NegotiateRequest.unpack(request.pdu), dialect)


def _answer(request: Request, offer: NegotiateRequest, dialect: int) -> Result:
    connection = request.connection
    contexts = _contexts(connection, offer.contexts) if dialect == SMB2_DIALECT_311 else []
    if dialect < SMB2_DIALECT_311:
        _choose_classic_algorithms(connection, dialect)
    body = _response(connection, dialect, contexts)
    connection.negotiated = True
    if dialect != SMB2_DIALECT_311:
        return body
    connection.preauth = PreauthHash()
    connection.preauth.update(request.pdu)
    return Reply(body, preauth=connection.preauth)


def from_smb1(connection: Connection, message: memoryview) -> bytes:
    """Answer the SMB1 NEGOTIATE by which old or careful clients begin ([MS-SMB2] 3.3.5.3).

    Returns the body of an SMB2 NEGOTIATE response; with dialect 2.FF the client negotiates again.

    Raises:
        ProtocolViolation: it offers no SMB2 dialect: SMB1 is not spoken here.
        WireError: it is no SMB1 NEGOTIATE.
    """
    offered = Smb1NegotiateRequest.unpack(message).dialects
    # It counts as the request with message id 0: what follows begins with 1.
    if not connection.credits.take(0, 1):
        raise ProtocolViolation("a second SMB1 NEGOTIATE")
    connection.credits.grant(SMB2_NEGOTIATE, STATUS_SUCCESS, 1, 1)
    if _SMB1_DIALECT_2FF in offered and _choose_dialect(connection, DIALECTS[1:]) is not None:
        return _response(connection, SMB2_DIALECT_2FF, [])
    if _SMB1_DIALECT_202 in offered and _choose_dialect(connection, DIALECTS[:1]) is not None:
        _choose_classic_algorithms(connection, SMB2_DIALECT_202)
        connection.negotiated = True
        connection.client_dialects = [SMB2_DIALECT_202]
        return _response(connection, SMB2_DIALECT_202, [])
    raise ProtocolViolation(f"the client speaks SMB1 only: {', '.join(offered)}")


def _choose_dialect(connection: Connection, offered: list[int] | tuple[int, ...]) -> int | None:
    parameters = connection.ctx.config.globals
    lowest, highest = parameters.server_min_protocol, parameters.server_max_protocol or SMB2_DIALECT_311
    common = [dialect for dialect in DIALECTS if dialect in offered and lowest <= dialect <= highest]
    return max(common, default=None)


def _response(connection: Connection, dialect: int, contexts: list[NegotiateContext]) -> bytes:
    parameters = connection.ctx.config.globals
    large = dialect >= SMB2_DIALECT_210
    connection.dialect = 0 if dialect == SMB2_DIALECT_2FF else dialect
    connection.capabilities = _capabilities(connection)
    connection.security_mode = SMB2_NEGOTIATE_SIGNING_ENABLED
    if parameters.server_signing == REQUIRED:
        connection.security_mode |= SMB2_NEGOTIATE_SIGNING_REQUIRED
    connection.max_transact = parameters.smb2_max_trans if large else _SINGLE_CREDIT_SIZE
    connection.max_read = parameters.smb2_max_read if large else _SINGLE_CREDIT_SIZE
    connection.max_write = parameters.smb2_max_write if large else _SINGLE_CREDIT_SIZE
    return NegotiateResponse(
        dialect=dialect,
        security_mode=connection.security_mode,
        server_guid=connection.ctx.server_guid,
        capabilities=connection.capabilities,
        max_transact_size=connection.max_transact,
        max_read_size=connection.max_read,
        max_write_size=connection.max_write,
        system_time=filetime_from_ns(time.time_ns()),
        security_buffer=negotiate_token(),
        contexts=contexts,
    ).pack()


def _capabilities(connection: Connection) -> int:
    """Return the Capabilities of the response; those of 3.x only to clients that have them too."""
    parameters = connection.ctx.config.globals
    dialect = connection.dialect
    capabilities = 0 if dialect == SMB2_DIALECT_202 else SMB2_GLOBAL_CAP_LARGE_MTU
    # With `kernel oplocks` in [global] clients had better ask for oplocks: no share grants leases.
    if dialect >= SMB2_DIALECT_210 and parameters.smb2_leases and not parameters.share_defaults.kernel_oplocks:
        capabilities |= SMB2_GLOBAL_CAP_LEASING
        if dialect >= SMB2_DIALECT_300 and parameters.smb3_directory_leases is not False:
            capabilities |= connection.client_capabilities & SMB2_GLOBAL_CAP_DIRECTORY_LEASING
    if dialect >= SMB2_DIALECT_300 and parameters.server_multi_channel_support:
        capabilities |= connection.client_capabilities & SMB2_GLOBAL_CAP_MULTI_CHANNEL
    if dialect >= SMB2_DIALECT_300 and connection.ctx.databases.persistent is not None:
        capabilities |= connection.client_capabilities & SMB2_GLOBAL_CAP_PERSISTENT_HANDLES
    if SMB2_DIALECT_300 <= dialect < SMB2_DIALECT_311 and connection.cipher:
        capabilities |= SMB2_GLOBAL_CAP_ENCRYPTION
    return capabilities


def _choose_classic_algorithms(connection: Connection, dialect: int) -> None:
    """Set what dialects before 3.1.1 leave no choice about."""
    if dialect < SMB2_DIALECT_300:
        connection.signing_algorithm = SMB2_SIGNING_HMAC_SHA256
        return
    connection.signing_algorithm = SMB2_SIGNING_AES_CMAC
    if connection.client_capabilities & SMB2_GLOBAL_CAP_ENCRYPTION and _allowed_ciphers(connection):
        connection.cipher = SMB2_ENCRYPTION_AES128_CCM


def _allowed_ciphers(connection: Connection) -> list[int]:
    parameters = connection.ctx.config.globals
    if parameters.smb_encrypt == OFF:
        return []
    return algorithms.preferred(algorithms.ENCRYPTION, parameters.server_smb3_encryption_algorithms)


def _contexts(connection: Connection, offered: list[NegotiateContext]) -> list[NegotiateContext]:
    """Choose algorithms from the negotiate contexts of 3.1.1 ([MS-SMB2] 3.3.5.4)."""
    by_type: dict[int, NegotiateContext] = {}
    for context in offered:
        if context.context_type in by_type:
            raise NTStatusError(STATUS_INVALID_PARAMETER, f"two contexts of type {context.context_type}")
        by_type[context.context_type] = context
    found = by_type.get(SMB2_PREAUTH_INTEGRITY_CAPABILITIES)
    if found is None:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "no preauthentication integrity context")
    hashes = PreauthIntegrityCapabilities.unpack(found.data).hash_algorithms
    if not hashes:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "no hash algorithms")
    if SMB2_PREAUTH_INTEGRITY_SHA512 not in hashes:
        raise NTStatusError(STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP)
    preauth = PreauthIntegrityCapabilities([SMB2_PREAUTH_INTEGRITY_SHA512], os.urandom(_SALT_LENGTH))
    answer = [NegotiateContext(SMB2_PREAUTH_INTEGRITY_CAPABILITIES, preauth.pack())]

    found = by_type.get(SMB2_ENCRYPTION_CAPABILITIES)
    if found is not None:
        ciphers = EncryptionCapabilities.unpack(found.data).ciphers
        if not ciphers:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "no ciphers")
        connection.cipher = algorithms.choose(_allowed_ciphers(connection), ciphers) or 0
        chosen = EncryptionCapabilities([connection.cipher])
        answer.append(NegotiateContext(SMB2_ENCRYPTION_CAPABILITIES, chosen.pack()))

    connection.signing_algorithm = SMB2_SIGNING_AES_CMAC
    found = by_type.get(SMB2_SIGNING_CAPABILITIES)
    if found is not None:
        signing = SigningCapabilities.unpack(found.data).algorithms
        if not signing:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "no signing algorithms")
        order = algorithms.preferred(
            algorithms.SIGNING, connection.ctx.config.globals.server_smb3_signing_algorithms
        )
        algorithm = algorithms.choose(order, signing)
        if algorithm is not None:
            connection.signing_algorithm = algorithm
            answer.append(NegotiateContext(SMB2_SIGNING_CAPABILITIES, SigningCapabilities([algorithm]).pack()))

    found = by_type.get(SMB2_POSIX_EXTENSIONS_AVAILABLE)
    if found is not None and connection.ctx.config.globals.share_defaults.smb3_unix_extensions:
        versions = PosixExtensionsAvailable.unpack(found.data).versions
        connection.posix_extensions = SMB2_CREATE_TAG_POSIX in versions
        if connection.posix_extensions:
            spoken = PosixExtensionsAvailable([SMB2_CREATE_TAG_POSIX])
            answer.append(NegotiateContext(SMB2_POSIX_EXTENSIONS_AVAILABLE, spoken.pack()))
    return answer

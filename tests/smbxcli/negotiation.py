"""What the two sides agreed on in NEGOTIATE, and the offer that leads to it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from smbd.wire.constants import (
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
    SMB2_ENCRYPTION_AES128_CCM,
    SMB2_ENCRYPTION_AES128_GCM,
    SMB2_ENCRYPTION_AES256_CCM,
    SMB2_ENCRYPTION_AES256_GCM,
    SMB2_ENCRYPTION_CAPABILITIES,
    SMB2_GLOBAL_CAP_DIRECTORY_LEASING,
    SMB2_GLOBAL_CAP_ENCRYPTION,
    SMB2_GLOBAL_CAP_LARGE_MTU,
    SMB2_GLOBAL_CAP_LEASING,
    SMB2_GLOBAL_CAP_MULTI_CHANNEL,
    SMB2_NEGOTIATE_SIGNING_ENABLED,
    SMB2_NETNAME_NEGOTIATE_CONTEXT_ID,
    SMB2_PREAUTH_INTEGRITY_CAPABILITIES,
    SMB2_PREAUTH_INTEGRITY_SHA512,
    SMB2_SIGNING_AES_CMAC,
    SMB2_SIGNING_AES_GMAC,
    SMB2_SIGNING_CAPABILITIES,
    SMB2_SIGNING_HMAC_SHA256,
)
from smbd.wire.negotiate import NegotiateRequest, NegotiateResponse
from smbd.wire.negotiate_contexts import (
    EncryptionCapabilities,
    NegotiateContext,
    NetnameNegotiateContext,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)

ALL_DIALECTS = (SMB2_DIALECT_202, SMB2_DIALECT_210, SMB2_DIALECT_300, SMB2_DIALECT_302, SMB2_DIALECT_311)
ALL_CIPHERS = (
    SMB2_ENCRYPTION_AES128_GCM,
    SMB2_ENCRYPTION_AES128_CCM,
    SMB2_ENCRYPTION_AES256_GCM,
    SMB2_ENCRYPTION_AES256_CCM,
)
ALL_SIGNING = (SMB2_SIGNING_AES_GMAC, SMB2_SIGNING_AES_CMAC, SMB2_SIGNING_HMAC_SHA256)


class Offer(msgspec.Struct, kw_only=True):
    """What a client offers; the defaults are those of a modern client.

    Attributes:
        dialects: dialect revisions.
        security_mode: SMB2_NEGOTIATE_SIGNING_*.
        capabilities: SMB2_GLOBAL_CAP_*.
        ciphers: for 3.1.1, in order of preference; empty leaves the context out.
        signing: signing algorithms for 3.1.1; empty leaves the context out.
        netname: server name for 3.1.1; None leaves the context out.
        contexts: replaces the contexts made from the attributes above.
        client_guid: 16 bytes.
    """

    dialects: Sequence[int] = ALL_DIALECTS
    security_mode: int = SMB2_NEGOTIATE_SIGNING_ENABLED
    capabilities: int = (
        SMB2_GLOBAL_CAP_LEASING
        | SMB2_GLOBAL_CAP_DIRECTORY_LEASING
        | SMB2_GLOBAL_CAP_LARGE_MTU
        | SMB2_GLOBAL_CAP_MULTI_CHANNEL
        | SMB2_GLOBAL_CAP_ENCRYPTION
    )
    ciphers: Sequence[int] = ALL_CIPHERS
    signing: Sequence[int] = ALL_SIGNING
    netname: str | None = None
    contexts: Sequence[NegotiateContext] | None = None
    client_guid: bytes = msgspec.field(default_factory=lambda: os.urandom(16))

    def negotiate_contexts(self) -> list[NegotiateContext]:
        """The negotiate contexts of this offer."""
        if self.contexts is not None:
            return list(self.contexts)
        preauth = PreauthIntegrityCapabilities([SMB2_PREAUTH_INTEGRITY_SHA512], os.urandom(32))
        found = [NegotiateContext(SMB2_PREAUTH_INTEGRITY_CAPABILITIES, preauth.pack())]
        if self.ciphers:
            data = EncryptionCapabilities(list(self.ciphers)).pack()
            found.append(NegotiateContext(SMB2_ENCRYPTION_CAPABILITIES, data))
        if self.signing:
            data = SigningCapabilities(list(self.signing)).pack()
            found.append(NegotiateContext(SMB2_SIGNING_CAPABILITIES, data))
        if self.netname is not None:
            data = NetnameNegotiateContext(self.netname).pack()
            found.append(NegotiateContext(SMB2_NETNAME_NEGOTIATE_CONTEXT_ID, data))
        return found

    def request(self) -> NegotiateRequest:
        """The NEGOTIATE request of this offer."""
        with_contexts = SMB2_DIALECT_311 in self.dialects
        return NegotiateRequest(
            dialects=list(self.dialects),
            security_mode=self.security_mode,
            capabilities=self.capabilities,
            client_guid=self.client_guid,
            contexts=self.negotiate_contexts() if with_contexts else [],
        )


class Agreement(msgspec.Struct, frozen=True):
    """What was agreed on.

    Attributes:
        dialect: the dialect revision.
        cipher: SMB2_ENCRYPTION_*, 0 for none.
        signing: SMB2_SIGNING_*.
        response: the server's message.
    """

    dialect: int
    cipher: int
    signing: int
    response: NegotiateResponse

    @classmethod
    def of(cls, response: NegotiateResponse) -> Agreement:
        """Read the server's choice out of its response."""
        cipher = 0
        signing = SMB2_SIGNING_HMAC_SHA256
        if response.dialect >= SMB2_DIALECT_300:
            signing = SMB2_SIGNING_AES_CMAC
            if response.dialect < SMB2_DIALECT_311 and response.capabilities & SMB2_GLOBAL_CAP_ENCRYPTION:
                cipher = SMB2_ENCRYPTION_AES128_CCM
        for context in response.contexts:
            if context.context_type == SMB2_ENCRYPTION_CAPABILITIES:
                (cipher,) = EncryptionCapabilities.unpack(context.data).ciphers
            elif context.context_type == SMB2_SIGNING_CAPABILITIES:
                (signing,) = SigningCapabilities.unpack(context.data).algorithms
        return cls(response.dialect, cipher, signing, response)

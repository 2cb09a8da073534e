"""Security mechanisms behind one interface, as the session setup sees them.

`start_acceptor` gives an acceptor for a client's first token; its `update` is called with that token and
every further one until a step is done, and then its `session_info` says who has logged on.
"""

from __future__ import annotations

from smbd.auth.context import AuthContext
from smbd.gensec.mechanism import Acceptor, Step
from smbd.gensec.ntlm_messages import NTLMSSP_SIGNATURE
from smbd.gensec.ntlmssp import NtlmAcceptor
from smbd.gensec.spnego import SpnegoAcceptor, negotiate_token

__all__ = ["Acceptor", "Step", "negotiate_token", "start_acceptor"]


def start_acceptor(context: AuthContext, first_token: bytes) -> Acceptor:
    """Return the acceptor for an authentication that begins with `first_token`, which is not consumed.

    A client may leave SPNEGO out and speak NTLMSSP directly ([MS-SMB2] 3.3.5.5.3 leaves it to GSS).
    """
    if first_token.startswith(NTLMSSP_SIGNATURE):
        return NtlmAcceptor(context)
    return SpnegoAcceptor(context)

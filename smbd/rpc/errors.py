"""How an RPC call fails: status codes of fault PDUs ([C706] appendix E) and Win32 errors."""

from __future__ import annotations

from typing import Final

# Fault codes: [C706] appendix E and, for the first two, [MS-ERREF] 2.2.
FAULT_ACCESS_DENIED: Final = 0x00000005
FAULT_BAD_STUB_DATA: Final = 0x000006F7
NCA_S_FAULT_CONTEXT_MISMATCH: Final = 0x1C00001A
NCA_S_FAULT_REMOTE_NO_MEMORY: Final = 0x1C00001B
NCA_S_OP_RNG_ERROR: Final = 0x1C010002
NCA_S_UNK_IF: Final = 0x1C010003
NCA_S_PROTO_ERROR: Final = 0x1C01000B

# Win32 error codes ([MS-ERREF] 2.2).
ERROR_SUCCESS: Final = 0
ERROR_ACCESS_DENIED: Final = 5
ERROR_NOT_SUPPORTED: Final = 50
ERROR_INVALID_PARAMETER: Final = 87
ERROR_INVALID_NAME: Final = 123
ERROR_INVALID_LEVEL: Final = 124


class RpcFault(Exception):  # noqa: N818 - the name of the PDU
    """A call that ends with a fault PDU instead of a response.

    Attributes:
        status: of the PDU.
        fatal: nothing more can be understood on this connection.
    """

    def __init__(self, status: int, reason: str = "", *, fatal: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.fatal = fatal

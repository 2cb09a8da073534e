"""Local Security Authority: names of SIDs and SIDs of names ([MS-LSAT]), and the domain's own ([MS-LSAD])."""

from __future__ import annotations

from typing import Final

from smbd.rpc.lsarpc import lookup_names, lookup_sids, policy
from smbd.rpc.pdu import SyntaxId
from smbd.rpc.service import Service

SERVICE: Final = Service(
    "lsarpc",
    SyntaxId.of("12345778-1234-abcd-ef00-0123456789ab", 0),
    {
        0: policy.close,
        6: policy.open_policy,
        7: policy.query_information_policy,
        14: lookup_names.lookup_names,
        15: lookup_sids.lookup_sids,
        44: policy.open_policy2,
        45: policy.get_user_name,
        46: policy.query_information_policy,
        57: lookup_sids.lookup_sids2,
        58: lookup_names.lookup_names2,
        68: lookup_names.lookup_names3,
        76: lookup_sids.lookup_sids3,
        77: lookup_names.lookup_names4,
        130: policy.open_policy3,
    },
)

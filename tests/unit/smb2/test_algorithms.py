"""The server's order of algorithms."""

from smbd.smb2 import algorithms
from smbd.wire.constants import SMB2_SIGNING_AES_CMAC, SMB2_SIGNING_AES_GMAC, SMB2_SIGNING_HMAC_SHA256


def test_the_configured_order_counts():
    order = algorithms.preferred(algorithms.SIGNING, ["HMAC-SHA256", "aes-128-gmac"])
    assert order == [SMB2_SIGNING_HMAC_SHA256, SMB2_SIGNING_AES_GMAC]


def test_unknown_names_are_passed_over():
    assert algorithms.preferred(algorithms.SIGNING, ["ROT13"]) == []


def test_the_servers_preference_wins_over_the_clients():
    order = [SMB2_SIGNING_AES_GMAC, SMB2_SIGNING_AES_CMAC]
    assert algorithms.choose(order, [SMB2_SIGNING_AES_CMAC, SMB2_SIGNING_AES_GMAC]) == SMB2_SIGNING_AES_GMAC
    assert algorithms.choose(order, [SMB2_SIGNING_HMAC_SHA256]) is None

"""Cryptography of SMB 2 and 3: key derivation, signing, sealing, pre-authentication integrity.

Nothing here knows a session or a connection. Every object is made once per key and then used for each
message, in place, because building a cipher costs more than sealing a small message with it.
"""

"""Key derivation, signing, sealing and preauthentication integrity of SMB2/3."""

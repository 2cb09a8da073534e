"""Configuration: the smb.conf grammar, the parameter registry and the immutable snapshots made from them."""

"""Byte transports that carry SMB2 messages."""

"""The SMB2/SMB3 server: bytes, protocol objects, sessions, daemons and tools."""

__version__ = "0.1.0"

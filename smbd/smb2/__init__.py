"""The SMB2 command processor: one file per command."""

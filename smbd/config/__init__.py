"""smb.conf: grammar, registry of parameters, substitutions and host access."""

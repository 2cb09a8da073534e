"""How processes share state: databases, record watch, message bus. Knows nothing of SMB."""

"""Security mechanisms: tokens in, tokens and a session out."""

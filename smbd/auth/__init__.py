"""Accounts, tokens and who may come in."""

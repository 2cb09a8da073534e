"""Accounts, identities and policy: who may log on, and as whom the server then acts.

The account database and the identifiers are plain data; `logon` decides on an authentication, `policy` on a
share. Nothing here knows a packet.
"""

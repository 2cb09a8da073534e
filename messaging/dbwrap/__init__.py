"""Records that processes share: one interface, stored in TDB files, in memory, or (clustered) in CTDB."""

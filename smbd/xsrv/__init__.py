"""The protocol objects: client, connection, session, tree connect, open, and their global records."""

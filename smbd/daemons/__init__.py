"""Helper processes of the server."""

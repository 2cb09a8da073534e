"""Command line tools for the administrator."""

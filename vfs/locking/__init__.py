"""Per-file state shared by all processes."""

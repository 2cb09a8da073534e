"""Stackable parts of the object store, one per file, named as in `vfs objects`."""

"""Many clients at one file and one directory: nothing may hang, be forgotten, or be left over."""

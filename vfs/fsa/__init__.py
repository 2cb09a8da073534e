"""File system behaviour per [MS-FSA] 2.1.5."""

"""Files as NTFS semantics: the [MS-FSA] object store over a POSIX file system."""

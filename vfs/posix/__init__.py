"""The backend: handle-based access to a POSIX file system."""

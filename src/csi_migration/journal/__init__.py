"""The working directory: backup files, the append-only journal and the lock."""

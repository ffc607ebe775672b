"""The command line: one file a command, thin, importing late."""

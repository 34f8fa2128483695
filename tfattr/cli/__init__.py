"""The command line: ``tfattr --help``."""

"""conchgo: one SSH port for a team's files."""

__version__ = "0.1.0"

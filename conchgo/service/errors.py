"""Why a service does not start: each of these is one line for the administrator."""

from __future__ import annotations


class ConfigurationError(Exception):
    """The configuration is wrong: the line names the file or the environment variable, the key and the reason."""


class StartError(Exception):
    """Something that the configuration names cannot be used: the line names the key and the reason."""

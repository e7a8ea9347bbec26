"""What the configuration says to commands, besides which of them are on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class GitSettings:
    """`create_on_push`: a push to where nothing is makes a bare repository there, whose HEAD is `default_branch`."""

    create_on_push: bool = False
    default_branch: str = "main"


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """For all users. `strict_permissions`: programs that only read need the verbs of those that write."""

    strict_permissions: bool = False
    git: GitSettings = field(default_factory=GitSettings)


DEFAULTS: Final = CommandSettings()

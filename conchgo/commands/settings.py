"""What the configuration says to commands, besides which of them are on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class GitSettings:
    """`create_on_push`: a push to where nothing is makes a bare repository there, whose HEAD is `default_branch`."""

    create_on_push: bool = False
    default_branch: str = "main"


@dataclass(frozen=True, slots=True)
class RsyncSettings:
    """`links`: whether rsync makes symbolic links as the user's permissions say (`permitted`), or none (`refuse`)."""

    links: Literal["permitted", "refuse"] = "permitted"


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """For all users. `strict_permissions`: programs that only read need the verbs of those that write."""

    strict_permissions: bool = False
    git: GitSettings = field(default_factory=GitSettings)
    rsync: RsyncSettings = field(default_factory=RsyncSettings)


DEFAULTS: Final = CommandSettings()

"""What holds for a user, and what comes then of each row, whatever the door: one table for all of `tests.doors`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from conchgo.accounts.model import FilePattern
from tests.permission_table import IF_DENIED, IF_HIDDEN, IF_MOUNTED, OPERATIONS, SINGLE_VERBS, Answer, Row, Touch


@dataclass(frozen=True)
class Place:
    """Where a user works: the directory `base`; that is the folder "place" where `folders` (path to name) hold it."""

    name: str
    base: str = "/"
    folders: Mapping[str, str] = field(default_factory=dict)


HOME = Place("home")
FOLDER = Place("a folder in a folder", "/outer/place", {"/outer": "outer", "/outer/place": "place"})
PLACES = (HOME, FOLDER, Place("a folder in the home's place", folders={"/": "place"}))


def _everything(_base: str) -> Mapping[str, tuple[str, ...]]:
    return {"/": ("*",)}


def _no_patterns(_base: str) -> tuple[FilePattern, ...]:
    return ()


@dataclass(frozen=True)
class Protection:
    """What holds for a user who works in some directory, and what comes of an row there.

    `folder` is a name there where a folder is mounted.
    """

    name: str
    expected: Callable[[Row], Answer]
    permissions: Callable[[str], Mapping[str, tuple[str, ...]]] = _everything
    patterns: Callable[[str], tuple[FilePattern, ...]] = _no_patterns
    folder: str = ""


def _without(verb: str) -> Protection:
    return Protection(
        f"without {verb}",
        lambda row: Answer.REFUSED if verb in row.verbs else Answer.DONE,
        permissions=lambda base: {"/": ("*",), base: tuple(SINGLE_VERBS - {verb})},
    )


def _denied(name: str) -> Protection:
    """In capitals, for the case makes no difference."""
    return Protection(
        f"{name} denied",
        partial(_for_name, name, IF_DENIED),
        patterns=lambda base: (FilePattern(base, denied_patterns=(name.upper(),)),),
    )


def _hidden(name: str) -> Protection:
    return Protection(
        f"{name} hidden",
        partial(_for_name, name, IF_HIDDEN),
        patterns=lambda base: (FilePattern(base, denied_patterns=(name,), deny_policy=1),),
    )


def _mounted(name: str) -> Protection:
    return Protection(f"a folder at {name}", partial(_for_name, name, IF_MOUNTED), folder=name)


def _for_name(name: str, answers: Mapping[Touch, Answer], row: Row) -> Answer:
    touch = row.touches.get(b"/" + name.encode())
    return Answer.DONE if touch is None else answers[touch]


NAMES = sorted({name[1:].decode() for row in OPERATIONS for name in row.touches})

PERMISSIONS = tuple(map(_without, sorted(SINGLE_VERBS)))
PROTECTIONS = (
    *PERMISSIONS,
    *map(_denied, NAMES),
    *map(_hidden, NAMES),
    # Where a folder is there is no link.
    *(_mounted(name) for name in NAMES if name != "link"),
)

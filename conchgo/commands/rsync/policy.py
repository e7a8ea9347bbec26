"""What becomes of a request's options by the session's permissions and patterns: refused, taken away, or added to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

from conchgo.accounts.permissions import Permissions, is_pattern, matches
from conchgo.commands.rsync.aim import BESIDE, Aim
from conchgo.commands.rsync.filters import concern, vary
from conchgo.commands.rsync.grammar import Request
from conchgo.commands.settings import RsyncSettings
from conchgo.errors import PermissionDenied, Unsupported
from conchgo.paths import VirtualPath
from conchgo.processes.interface import Access, Place
from conchgo.reserved import is_reserved

#: What needs a verb that rsync could not be kept from using otherwise; all else that needs one is taken away.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "chmod": ("A", "E"),
    "chtimes": ("U",),
    "create_symlinks": ("H", "link-dest"),
}
#: Names that no rule is asked about before they are made.
_UNRULED: Final = ("b", "suffix", "no-implied-dirs")
_SIZE: Final = re.compile(r"([\d.]+)(?:([bkmgtp])(ib|b)?)?([+-]1)?", re.IGNORECASE)
_POWERS: Final = "bkmgtp"


@dataclass(frozen=True, slots=True)
class Links:
    """`made` whether symbolic links may be made at all, `munged` whether they are unusable here."""

    made: bool
    munged: bool


def access_of(request: Request) -> Access:
    """Who sends files and removes them then writes, too."""
    removes = request.has("remove-source-files", "remove-sent-files")
    return Access.READ if request.sender and not removes else Access.WRITE


def least_verbs(permissions: Permissions, base: VirtualPath, access: Access) -> frozenset[str]:
    """What may be done everywhere below: where `access` is not allowed, nothing is done at all."""
    depth = len(base.parts)
    below = (
        verbs
        for key, verbs in permissions.rules.items()
        if verbs >= access.value and len(key.parts) > depth and all(map(matches, base.parts, key.parts))
    )
    return reduce(frozenset.intersection, below, permissions.verbs(base))


def masked_keys(place: Place) -> list[VirtualPath]:
    """Keys of permissions whose directories are not to be there: those that no mount could mask, and those that one
    does, for a directory may get the name meanwhile that the mount does not cover.
    """
    top, wanted = place.binds[0].at, place.access.value
    keys = list(place.unexpressed)
    for key, verbs in place.permissions.rules.items():
        named = key != top and key.is_within(top) and not any(map(is_pattern, key.parts))
        if named and not verbs >= wanted and place.permissions.verbs(key) == verbs:
            deeper = [more for other, more in place.permissions.rules.items() if other != key and other.is_within(key)]
            if key not in keys and not any(more >= wanted for more in deeper):
                keys.append(key)
    return keys


def links_of(request: Request, verbs: frozenset[str], settings: RsyncSettings) -> Links:
    """Who may not make links gets them munged: unusable, but not lost, for they come back as they were."""
    munged = "create_symlinks" not in verbs or request.has("munge-links")
    if request.sender:
        return Links(made=False, munged=munged)
    return Links(made=settings.links != "refuse", munged=munged and settings.links != "refuse")


def check(request: Request, aim: Aim, place: Place, verbs: frozenset[str]) -> None:
    """Raises PermissionDenied or Unsupported: an option would do what the session may not, or what no rule governs."""
    for _, name in request.values("partial-dir"):
        if "/" in name or name == ".." or is_reserved(name.encode("utf-8", "surrogateescape")):
            raise Unsupported("rsync: --partial-dir must be one plain name here")
    base = place.binds[0].at
    if place.unexpressed or vary(place.patterns, base):
        _check_ways(request, aim, base)
    if request.sender:
        return
    for verb, needing in _NEEDS.items():
        if verb not in verbs and request.has(*needing):
            raise PermissionDenied(f"permission denied: of {', '.join(needing)}, none without {verb}")
    if place.unexpressed or concern(place.patterns, base):
        for option in _UNRULED:
            if request.has(option):
                raise Unsupported(f"rsync's option {option} is not possible where file patterns or permissions vary")


def _check_ways(request: Request, aim: Aim, base: VirtualPath) -> None:
    """Rules know names, and rsync follows links on the way to what it is told of: whoever puts one there meanwhile,
    or has it on a list of files, would have others hold.
    """
    for option in ("files-from", *BESIDE):
        if request.has(option):
            raise Unsupported(f"rsync's option {option} is not possible where file patterns or permissions vary")
    for argument in aim.arguments:
        if argument.path != base and (argument.path.parent != base or (argument.content and len(aim.arguments) > 1)):
            raise Unsupported("rsync: one directory at a time, where file patterns or permissions vary")


def options(
    request: Request,
    aim: Aim,
    verbs: frozenset[str],
    links: Links,
    largest: int | None,
    at: Callable[[VirtualPath], bytes],
) -> Iterator[bytes]:
    """The options for the daemon. What is added comes last, and is nothing that the client would have to know of."""
    beside = iter(aim.beside)
    for name, value in request.options:
        if name == "munge-links":
            continue
        if name in BESIDE:
            _, path = next(beside)
            yield b"--%s=%s" % (name.encode(), at(path) or b"/")
        elif value is None:
            yield b"--" + name.encode()
        else:
            yield b"--%s=%s" % (name.encode(), value.encode("utf-8", "surrogateescape"))
    if request.sender:
        return
    yield b"--no-super"
    if "chmod" not in verbs:
        yield b"--no-perms"
    if "chtimes" not in verbs:
        yield b"--no-times"
    if links.made and not links.munged and not request.has("safe-links"):
        yield b"--safe-links"
    if largest is not None:
        asked = [size_of(value) for _, value in request.values("max-size")]
        yield b"--max-size=%d" % min([largest, *asked])


def size_of(text: str) -> int:
    """Bytes, as rsync counts them (`parse_size_arg` in its options.c). The grammar let nothing else pass."""
    size = _SIZE.fullmatch(text)
    if size is None:
        raise Unsupported(f"rsync: {text} is no size")
    number, unit, suffix, one = size.groups()
    base = 1000 if (suffix or "").lower() == "b" else 1024
    return int(float(number) * base ** _POWERS.index((unit or "b").lower())) + int(one or 0)

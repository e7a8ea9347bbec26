"""Which part of the session's tree a request is about, and how the daemon is told of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from conchgo.commands.command import UsageError
from conchgo.commands.rsync.grammar import Request
from conchgo.errors import ConchgoError, NotADirectory, NotFound, Unsupported
from conchgo.paths import VirtualPath
from conchgo.reserved import is_below_reserved
from conchgo.vfs.interface import Filesystem, Kind

#: Options that name directories at this end, which files are put in, or taken from.
BESIDE: Final = ("backup-dir", "link-dest", "copy-dest", "compare-dest")
#: What begins the part of a path that --relative keeps.
_KEPT: Final = "/./"
_WILDCARDS: Final = frozenset(b"*?[")
_ESCAPED: Final = re.compile(rb"[*?\[\\]")


@dataclass(frozen=True, slots=True)
class Argument:
    """A source or the target: `path` has no links on its way.

    With `content` it is what is in the directory that counts, not its name. `kept` is how many components of the path
    --relative keeps (None: it was not asked for).
    """

    path: VirtualPath
    content: bool
    kept: int | None = None


@dataclass(frozen=True, slots=True)
class Aim:
    """`base` is the directory (or the only file) that all is within; `beside` are the directories of options."""

    base: VirtualPath
    arguments: tuple[Argument, ...]
    beside: tuple[tuple[str, VirtualPath], ...] = ()


def aimed(files: Filesystem, request: Request, found: Sequence[Sequence[VirtualPath]]) -> Aim:
    """`found` are the paths that each of the request's paths means, by its wildcards. Blocks.

    Raises:
        UsageError, Unsupported: rsync can't be told of that.
        NotFound, PermissionDenied ...: what there is of the session's tree.
    """
    return _sources(files, request, found) if request.sender else _target(files, request)


def word(module: bytes, argument: Argument, at: Callable[[VirtualPath], bytes]) -> bytes:
    """The word for the daemon, which expands wildcards; `at` is where it finds a path, within its module."""
    place = at(argument.path)
    if argument.kept is not None:
        parts = place.split(b"/")
        split = len(parts) - argument.kept
        if split < 1:
            raise Unsupported("--relative cannot keep that much of a path here")
        place = b"/".join((*parts[:split], b".", *parts[split:]))
    return module + b"/".join(map(_plain, place.split(b"/"))) + (b"/" if argument.content or not place else b"")


def needs_name(aim: Aim) -> bool:
    """Whether the name of the base itself is a part of what is asked for."""
    return any(argument.path == aim.base and not argument.content for argument in aim.arguments)


def _plain(name: bytes) -> bytes:
    return _ESCAPED.sub(rb"\\\g<0>", name) if not _WILDCARDS.isdisjoint(name) else name


def _target(files: Filesystem, request: Request) -> Aim:
    (text,) = request.paths
    path = files.require("list", _parsed(files, text))
    stat = files.peek(path)
    directory = stat is not None and stat.kind is Kind.DIRECTORY
    if stat is None and not _WILDCARDS.isdisjoint(path.name):
        raise UsageError("rsync: there is a wildcard in the name of what is not there yet; make the directory first")
    inside = path.parent if stat is not None and not directory else path
    beside = tuple((name, _beside(files, value, inside)) for name, value in request.values(*BESIDE))
    base = _common([path if directory else path.parent, *(one for _, one in beside)]) if beside else path
    return Aim(base, (Argument(path, directory or text.endswith("/")),), beside)


def _beside(files: Filesystem, value: str, directory: VirtualPath) -> VirtualPath:
    path = files.require("list", VirtualPath.parse(os.fsencode(value), directory))
    if is_below_reserved(path):
        raise NotFound
    return path


def _sources(files: Filesystem, request: Request, found: Sequence[Sequence[VirtualPath]]) -> Aim:
    listed = request.has("files-from")
    relative = request.has("R") and not listed
    arguments: list[Argument] = []
    for text, paths in zip(request.paths, found, strict=True):
        content = listed or text.rsplit("/", 1)[-1] in ("", ".", "..")
        for path in paths:
            argument = _source(files, path, content=content)
            arguments.append(_relative(argument, path, _prefix(files, text)) if relative else argument)
    if listed and len(arguments) > 1:
        raise UsageError("rsync: a list of files is of one directory")
    if len(arguments) == 1:
        (only,) = arguments
        return Aim(only.path.parent if _is_link(files, only.path) else only.path, (only,))
    return Aim(_common([one.path if one.content else one.path.parent for one in arguments]), tuple(arguments))


def _prefix(files: Filesystem, text: str) -> VirtualPath:
    """What --relative leaves out of a path."""
    before, mark, _ = text.partition(_KEPT)
    if mark:
        return _parsed(files, before or "/")
    return VirtualPath() if text.startswith("/") else files.start


def _relative(argument: Argument, asked: VirtualPath, prefix: VirtualPath) -> Argument:
    if argument.path != asked or not asked.is_within(prefix):
        raise Unsupported("--relative keeps no path with links or .. in it; name the directory that is meant")
    return Argument(argument.path, argument.content, len(asked.relative_to(prefix)))


def _source(files: Filesystem, path: VirtualPath, *, content: bool) -> Argument:
    """A link that is named itself is sent as a link."""
    if not content and path.parts and _is_link(files, path):
        return Argument(files.require("list", path.parent) / path.name, content=False)
    resolved = files.require("list", path)
    stat = files.stat(resolved)
    if content and stat.kind is not Kind.DIRECTORY:
        raise NotADirectory
    return Argument(resolved, content or not path.parts)


def _is_link(files: Filesystem, path: VirtualPath) -> bool:
    try:
        return files.lstat(path).kind is Kind.LINK
    except ConchgoError:
        return False


def _parsed(files: Filesystem, text: str) -> VirtualPath:
    return VirtualPath.parse(os.fsencode(text), files.start)


def _common(paths: Sequence[VirtualPath]) -> VirtualPath:
    """The deepest directory that all are within."""
    first, *others = paths
    return next(one for one in first.ancestors() if all(path.is_within(one) for path in others))

"""Repositories in a session's tree: where one is, what git may be told of it, and how an empty one is made.

All of it goes through the session's Filesystem, as if the user did it by SFTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

from conchgo.accounts.patterns import FilePatterns, Verdict
from conchgo.commands.git.clean_config import clean_config
from conchgo.commands.git.config_file import MAX_SIZE
from conchgo.errors import NotFound, PermissionDenied, Unsupported
from conchgo.paths import VirtualPath
from conchgo.vfs.interface import Filesystem, Kind, OpenOptions
from conchgo.vfs.removing import Removal

_HEX: Final = b"0" * 40
#: Names of all kinds that git has in a repository. `%` is a hash; branches are taken as they come.
_NAMES: Final = (
    b"HEAD HEAD.lock config packed-refs packed-refs.lock packed-refs.new shallow shallow.lock "
    b"objects objects/pack objects/info objects/tmp_objdir-incoming-AbCdEf objects/0a objects/0a/% "
    b"objects/pack/pack-%.pack objects/pack/pack-%.idx objects/pack/pack-%.rev objects/pack/pack-%.keep "
    b"objects/pack/tmp_pack_AbCdEf objects/pack/tmp_idx_AbCdEf objects/info/packs objects/info/commit-graph "
    b"refs refs/heads refs/heads/main refs/heads/main.lock refs/tags refs/tags/v1 info info/refs "
    b"logs logs/HEAD logs/refs logs/refs/heads logs/refs/heads/main"
)


@dataclass(frozen=True, slots=True)
class Repository:
    """What a program is shown of a repository in the place of what is there: `config` is the clean one."""

    config: bytes
    has_hooks: bool


def located(files: Filesystem, path: VirtualPath) -> VirtualPath | None:
    """The directory of git itself that is meant by `path`, found as git does (path.c, enter_repo); None: there is none.

    Raises:
        Unsupported: there is a `.git` that leads elsewhere.
    """
    return next((candidate for candidate in _candidates(path) if _is_repository(files, candidate)), None)


def missing(files: Filesystem, path: VirtualPath) -> NoReturn:
    """Say why there is no repository that `path` means.

    Raises:
        NotFound: something else is there, or nothing.
        PermissionDenied: what is there may not be looked at.
    """
    try:
        files.stat(path)
    except NotFound:
        raise NotFound(f"{path}: {NotFound.default}") from None
    raise NotFound(f"{path}: no git repository is there")


def _candidates(path: VirtualPath) -> Iterator[VirtualPath]:
    yield path / b".git"
    yield path
    if path.parts:
        with_suffix = path.parent / (path.name + b".git")
        yield with_suffix / b".git"
        yield with_suffix


def _is_repository(files: Filesystem, path: VirtualPath) -> bool:
    if files.peek(path) is None:
        return False
    if path.name == b".git" and files.lstat(path).kind is not Kind.DIRECTORY:
        raise Unsupported(f"{path} leads elsewhere; only a directory of that name is a repository here")
    kinds = [None if (stat := files.peek(path / name)) is None else stat.kind for name in (b"objects", b"refs")]
    return kinds == [Kind.DIRECTORY, Kind.DIRECTORY] and files.peek(path / b"HEAD") is not None


def looked_at(files: Filesystem, path: VirtualPath, patterns: FilePatterns) -> Repository:
    """What is to be known before git works in `path`, which has no links on its way.

    Raises:
        PermissionDenied: file patterns do not allow what git has there.
        InvalidArgument: git can't work with its config.
        Unsupported: what git works with lies elsewhere, or is of a kind that is not known here.
        NotFound: it has no config.
    """
    _require_names(patterns, path)
    if files.peek(path / b"commondir") is not None:
        raise Unsupported(f"{path} is a linked worktree; use the repository that it belongs to")
    if _kind(files, path / b"config") is not Kind.FILE:
        raise NotFound(f"{path} has no file named config, as every repository has")
    file = files.open(path / b"config", OpenOptions(read=True))
    try:
        content = file.pread(MAX_SIZE + 1, 0)
    finally:
        file.close()
    return Repository(clean_config(content), _kind(files, path / b"hooks") is Kind.DIRECTORY)


def _kind(files: Filesystem, path: VirtualPath) -> Kind | None:
    return None if files.peek(path) is None else files.lstat(path).kind


def _require_names(patterns: FilePatterns, path: VirtualPath) -> None:
    """To patterns a repository is one thing: they allow what git has in it, or they don't."""
    for name in _NAMES.replace(b"%", _HEX).split():
        if patterns.verdict(VirtualPath((*path.parts, *name.split(b"/")))) is not Verdict.ALLOW:
            raise PermissionDenied(f"permission denied: file patterns do not allow {name.decode()} in {path}")


def steps_to_make(
    path: VirtualPath, branch: str, object_format: str = "sha1"
) -> Iterator[Callable[[Filesystem], None]]:
    """What makes an empty bare repository where nothing is; each step may be waited for, and repeated then.

    Only the last one makes it a repository to whoever looks.
    """
    for name in (b"", b"objects", b"objects/info", b"objects/pack", b"refs", b"refs/heads", b"refs/tags"):
        yield partial(_make_directory, path=VirtualPath.parse(name, path))
    version = 0 if object_format == "sha1" else 1
    config = f"[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = true\n"
    if version:
        config += f"[extensions]\n\tobjectFormat = {object_format}\n"
    yield partial(_write, path=path / b"config", content=config.encode())
    yield partial(_write, path=path / b"HEAD", content=f"ref: refs/heads/{branch}\n".encode())


def remove(files: Filesystem, path: VirtualPath) -> None:
    """Take away what was begun; each call goes on where the last one ended."""
    removal = Removal(files, path)
    while removal.step():
        pass


def _make_directory(files: Filesystem, path: VirtualPath) -> None:
    files.mkdir(path)


def _write(files: Filesystem, path: VirtualPath, content: bytes) -> None:
    file = files.open(path, OpenOptions(write=True, create=True, truncate=True))
    try:
        file.pwritev([memoryview(content)], 0)
    except BaseException:
        file.abandon()
        raise
    file.close()

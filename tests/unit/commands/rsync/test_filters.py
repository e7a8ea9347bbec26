"""Rules are compared with what the session's own filesystem allows, by a real rsync on random trees."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from conchgo.accounts.model import FilePattern
from conchgo.accounts.patterns import FilePatterns, Verdict
from conchgo.commands.rsync.filters import concern, filter_rules, vary
from conchgo.commands.rsync.module import Module
from conchgo.errors import ConchgoError, Unsupported
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Create, Kind
from conchgo.storage.local import LocalStorage
from conchgo.vfs.filtered import Filtered, Names
from tests.programs import require_program

#: Files by their paths; what ends with a slash is an empty directory.
Tree = frozenset[bytes]

_NAMES = [
    *(b"a", b"A", b"b.exe", b"B.EXE", b"k.iso", b"K.\xc4\xb0\xc5\xbfo", b"\xe2\x84\xaa.iso", b"x.jpg", b"d.jpg", b"*"),
    *(b".conchgo-upload", b".Conchgo-x", b"\xff.exe", b"\xc3.\xc3\xa9xe", b"a[1].exe", b"\\", b"\xc3\x89"),
]
_GLOBS = ["*.exe", "*.ISO", "k.*", "[ab]*", "*.jpg", "a\\[1\\]*", "**x*", "[k-s].*", "é", "É*", "\\*", "\\\\", "*"]
_POINTS = ["/", "/a", "/a/A", "/d.jpg", "/b.exe/a", "/a/\\"]


def _paths(*, most: int) -> st.SearchStrategy[Tree]:
    path = st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4).map(b"/".join)
    return st.frozensets(st.one_of(path, path.map(lambda path: path + b"/")), max_size=most)


_globs = st.lists(st.sampled_from(_GLOBS), max_size=3).map(tuple)
_patterns = st.lists(
    st.builds(
        FilePattern,
        st.sampled_from(_POINTS),
        allowed_patterns=_globs,
        denied_patterns=_globs,
        deny_policy=st.sampled_from([0, 1]),
    ).filter(lambda pattern: pattern.allowed_patterns or pattern.denied_patterns),
    max_size=4,
    unique_by=lambda pattern: pattern.path,
).map(FilePatterns.parse)
_bases = st.sampled_from([ROOT, ROOT, VirtualPath((b"a",))])
# Each example starts programs: to make a failing one smaller would take minutes.
_slow = settings(
    max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)


def plant(root: bytes, tree: Tree) -> None:
    """What can't be, because something else is there, is not made."""
    for path in sorted(tree):
        whole = root + b"/" + path
        try:
            os.makedirs(whole if path.endswith(b"/") else os.path.dirname(whole), exist_ok=True)
            if not path.endswith(b"/"):
                with open(whole, "xb") as file:
                    file.write(path)
        except OSError:
            continue


def found(root: bytes) -> set[bytes]:
    paths = set()
    for directory, names, files in os.walk(root):
        beneath = directory[len(root) :]
        paths |= {beneath + b"/" + name + b"/" for name in names} | {beneath + b"/" + name for name in files}
    return paths


class Daemon:
    """rsync with the rules of some patterns for a tree at `root`, of which clients see what is at `base`."""

    def __init__(
        self,
        root: bytes,
        base: VirtualPath,
        patterns: FilePatterns,
        *,
        writes: bool,
        masked: Sequence[VirtualPath] = (),
        within: bytes = b"",
    ) -> None:
        directory = os.path.dirname(root)
        self._rules, self._configuration = directory + b"/rules", directory + b"/rsyncd.conf"
        real = root + b"".join(b"/" + part for part in base.parts)
        rules = filter_rules(
            base, patterns, masked, lambda path: (root + bytes(path).rstrip(b"/"))[len(within) :], writes=writes
        )
        module = Module(b"files", within or b"/", self._rules, directory + b"/log", b"mark", not writes, False)
        content = module.configuration() + (b"uid = 0\ngid = 0\n" if os.geteuid() == 0 else b"")
        for path, text in ((self._rules, rules), (self._configuration, content)):
            with open(path, "wb") as file:
                file.write(text)
        self.url = b"rsync://localhost/files" + real[len(within) :] + b"/"

    def run(self, *arguments: bytes | str) -> None:
        program = require_program("rsync")
        connect = b"%s --server --daemon --config=%s ." % (program.encode(), self._configuration)
        environment: Mapping[bytes, bytes] = {b"RSYNC_CONNECT_PROG": connect, b"PATH": os.environb[b"PATH"]}
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, check=False)
        assert done.returncode in (0, 23, 24, 25), done.stderr


@pytest.fixture(scope="module", autouse=True)
def _rsync() -> None:
    require_program("rsync")


@_slow
@given(tree=_paths(most=12), patterns=_patterns, base=_bases)
@example(
    tree=frozenset({b"a/b.exe/a", b"a/x.jpg", b"b.exe"}),
    patterns=FilePatterns.parse([FilePattern("/", ("*.jpg",), ("*",), 0), FilePattern("/a", (), ("*.exe",), 1)]),
    base=ROOT,
)
def test_what_may_be_read_is_sent(tree, patterns, base):
    assume(not patterns.hides(base))
    with TemporaryDirectory() as directory:
        root, copy = os.fsencode(directory) + b"/root", os.fsencode(directory) + b"/copy"
        plant(root, frozenset({b"a/"}))
        plant(root, tree)
        daemon = Daemon(root, base, patterns, writes=False)
        daemon.run("-r", daemon.url, copy)
        os.makedirs(copy, exist_ok=True)
        assert found(copy) == set(_readable(Filtered(LocalStorage(root), Names(patterns)), base, base))


def _readable(storage: Filtered, directory: VirtualPath, base: VirtualPath) -> Iterator[bytes]:
    for entry in storage.scan(directory):
        path = directory / entry.name
        shown = bytes(VirtualPath(path.relative_to(base)))
        if storage.lstat(path).kind is Kind.DIRECTORY:
            yield shown + b"/"
            yield from _readable(storage, path, base)
            continue
        try:
            storage.open(path, read=True, write=False, create=Create.NEVER).close()
        except ConchgoError:
            continue
        yield shown


@_slow
@given(tree=_paths(most=12), there=_paths(most=8), patterns=_patterns, base=_bases, delete=st.booleans())
def test_what_may_be_made_is_taken_and_only_what_may_be_removed_goes(tree, there, patterns, base, delete):
    assume(not patterns.hides(base))
    with TemporaryDirectory() as directory:
        sources = os.fsencode(directory) + b"/source"
        root, expected = os.fsencode(directory) + b"/root", os.fsencode(directory) + b"/expected"
        plant(sources, tree | {b"always/"})
        for one in (root, expected):
            plant(one, frozenset({b"a/"}))
            plant(one, there)
        daemon = Daemon(root, base, patterns, writes=True)
        daemon.run("-r", *(["--delete"] if delete else []), sources + b"/", daemon.url)
        storage = Filtered(LocalStorage(expected), Names(patterns))
        _put(storage, Names(patterns), sources, base, delete=delete)
        assert found(root) == found(expected)


def _put(storage: Filtered, names: Names, source: bytes, directory: VirtualPath, *, delete: bool) -> None:
    """As rsync goes: it does not go into a directory that it must not make, even where that is there."""
    wanted = {entry.name: entry for entry in os.scandir(source)}
    if delete:
        for entry in list(storage.scan(directory)):
            path = directory / entry.name
            kind = storage.lstat(path).kind
            if entry.name not in wanted or wanted[entry.name].is_dir() != (kind is Kind.DIRECTORY):
                _remove(storage, names, path)
    for name, entry in wanted.items():
        path = directory / name
        if names.verdict(path) is not Verdict.ALLOW:
            continue
        try:
            if entry.is_dir():
                if _is(storage, path, Kind.FILE):
                    storage.remove(path)
                if not _is(storage, path, Kind.DIRECTORY):
                    storage.mkdir(path)
                _put(storage, names, entry.path, path, delete=delete)
            else:
                if _is(storage, path, Kind.DIRECTORY):
                    storage.rmdir(path)
                create = Create.NEVER if _is(storage, path, Kind.FILE) else Create.NEW
                storage.open(path, read=False, write=True, create=create).close()
        except ConchgoError:
            continue


def _is(storage: Filtered, path: VirtualPath, kind: Kind) -> bool:
    try:
        return storage.lstat(path).kind is kind
    except ConchgoError:
        return False


def _remove(storage: Filtered, names: Names, path: VirtualPath) -> None:
    if names.verdict(path) is not Verdict.ALLOW:
        return
    try:
        if storage.lstat(path).kind is Kind.DIRECTORY:
            for entry in list(storage.scan(path)):
                _remove(storage, names, path / entry.name)
            storage.rmdir(path)
        else:
            storage.remove(path)
    except ConchgoError:
        return


def taken(directory: os.PathLike[str], tree: Tree, *, base: str = "/", masked: Sequence[str] = ()) -> set[bytes]:
    """What arrives of a tree, where keys of permissions are masked."""
    here, below = os.fsencode(directory), VirtualPath.parse(base.encode())
    plant(here + b"/source", tree)
    plant(here + b"/root", frozenset({bytes(below)[1:] + b"/"}))
    keys = [VirtualPath.parse(key.encode()) for key in masked]
    daemon = Daemon(here + b"/root", below, NO_PATTERNS, writes=True, masked=keys)
    daemon.run("-r", here + b"/source/", daemon.url)
    return found(here + b"/root" + bytes(below).rstrip(b"/"))


NO_PATTERNS = FilePatterns({})


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("/private", {b"/x/", b"/x/private/", b"/x/private/f", b"/p1/", b"/p1/f", b"/p[1]/", b"/p[1]/f"}),
        ("/*/private", {b"/private/", b"/private/f", b"/x/", b"/p1/", b"/p1/f", b"/p[1]/", b"/p[1]/f"}),
        ("/p[1]", {b"/private/", b"/private/f", b"/x/", b"/x/private/", b"/x/private/f"}),
        ("/p[^1]*", {b"/x/", b"/x/private/", b"/x/private/f", b"/p1/", b"/p1/f"}),
        ("/?", {b"/private/", b"/private/f", b"/p1/", b"/p1/f", b"/p[1]/", b"/p[1]/f"}),
    ],
)
def test_directories_that_no_mount_masks_are_not_made(tmp_path, key, kept):
    tree = frozenset({b"private/f", b"x/private/f", b"p1/f", b"p[1]/f"})
    assert taken(tmp_path, tree, masked=[key]) == kept


def test_keys_are_those_of_the_whole_tree(tmp_path):
    assert taken(tmp_path, frozenset({b"c/f", b"b/f"}), base="/a", masked=["/a/b", "/*/c"]) == set()


@pytest.mark.parametrize("relative", [[], ["--no-relative"]])
def test_a_list_of_files_leads_into_no_hidden_directory(tmp_path, relative):
    here = os.fsencode(tmp_path)
    patterns = FilePatterns.parse([FilePattern("/", ("*.jpg",), (), 1)])
    plant(here + b"/root", frozenset({b"hidden/a.jpg", b"b.jpg", b".conchgo-x/c.jpg"}))
    (tmp_path / "list").write_bytes(b"hidden/a.jpg\n.conchgo-x/c.jpg\nb.jpg\n../root/hidden/a.jpg\n../rsyncd.conf\n")
    daemon = Daemon(here + b"/root", ROOT, patterns, writes=False, within=here + b"/root")
    daemon.run("-r", b"--files-from=" + here + b"/list", *relative, daemon.url, here + b"/copy/")
    assert found(here + b"/copy") == {b"/b.jpg"}


def test_nothing_beside_the_base_is_sent(tmp_path):
    here = os.fsencode(tmp_path)
    plant(here + b"/root", frozenset({b"a/f", b"b/f"}))
    daemon = Daemon(here + b"/root", VirtualPath((b"a",)), NO_PATTERNS, writes=False)
    url = daemon.url.removesuffix(b"a/")
    daemon.run("-r", url, url + b"b/", url + b"../rsyncd.conf", here + b"/copy")
    assert found(here + b"/copy") == {b"/a/", b"/a/f"}


def test_a_deletion_spares_what_is_denied_even_when_what_is_excluded_shall_go(tmp_path):
    here = os.fsencode(tmp_path)
    patterns = FilePatterns.parse([FilePattern("/", (), ("*.exe",))])
    plant(here + b"/root", frozenset({b"a.exe", b"b", b".conchgo-x", b"d/A.EXE"}))
    plant(here + b"/source", frozenset({b"c"}))
    daemon = Daemon(here + b"/root", ROOT, patterns, writes=True)
    daemon.run("-r", "--delete-excluded", "--exclude=*.exe", here + b"/source/", daemon.url)
    assert found(here + b"/root") == {b"/a.exe", b"/.conchgo-x", b"/c", b"/d/", b"/d/A.EXE"}


@pytest.mark.parametrize("glob", ["?.exe", "[^a].exe", "[!a]*", "k" * 20, "a\n", "\udcff", "x" * 3000])
def test_what_cannot_be_said_is_refused(glob):
    patterns = FilePatterns.parse([FilePattern("/", (), (glob,))])
    with pytest.raises(Unsupported, match="use sftp"):
        filter_rules(ROOT, patterns, (), bytes, writes=True)


def test_what_is_said_of_other_directories_is_no_matter():
    patterns = FilePatterns.parse([FilePattern("/other", (), ("?.exe",)), FilePattern("/a/b", (), ("*.exe",))])
    filter_rules(VirtualPath((b"a",)), patterns, (), bytes, writes=True)
    assert concern(patterns, ROOT)
    assert concern(patterns, VirtualPath((b"a", b"b", b"c")))
    assert not concern(patterns, VirtualPath((b"c",)))


@pytest.mark.parametrize(
    ("pattern", "base", "expected"),
    [
        (FilePattern("/", (), ("*.exe",)), "/", False),
        (FilePattern("/", (), ("*.exe",)), "/a/b", False),
        (FilePattern("/", (), ("*.exe",), 1), "/a/b", True),
        (FilePattern("/", ("*.jpg",), ("*",)), "/", True),
        (FilePattern("/a", (), ("*.exe",)), "/", True),
        (FilePattern("/a", (), ("*.exe",)), "/a", False),
        (FilePattern("/a", (), ("*.exe",), 1), "/b", False),
    ],
)
def test_where_the_way_to_a_name_matters(pattern, base, expected):
    assert vary(FilePatterns.parse([pattern]), VirtualPath.parse(base.encode())) is expected

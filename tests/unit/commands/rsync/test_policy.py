from dataclasses import replace

import pytest

from conchgo.accounts.model import FilePattern
from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.commands.rsync.aim import Aim, Argument
from conchgo.commands.rsync.grammar import Request, parse
from conchgo.commands.rsync.policy import Links, access_of, check, least_verbs, links_of, masked_keys, options, size_of
from conchgo.commands.settings import RsyncSettings
from conchgo.errors import PermissionDenied, Unsupported
from conchgo.paths import ROOT, VirtualPath
from conchgo.processes.interface import Access, Bind, Kind, Place

ALL = Permissions.parse({"/": ["*"]}).verbs(ROOT)
SIX = Access.WRITE.value
TARGET = VirtualPath((b"d",))
AIM = Aim(TARGET, (Argument(TARGET, content=True),))
NO_PATTERNS = FilePatterns({})


def push(*words: str) -> Request:
    return parse(["--server", *words, ".", "/d"])


def pull(*words: str) -> Request:
    return push("--sender", *words)


def place(patterns: FilePatterns = NO_PATTERNS, unexpressed: tuple[VirtualPath, ...] = ()) -> Place:
    binds = (Bind(TARGET, None, True),)
    rules = Permissions.parse({"/": ["*"]})
    return Place(TARGET, TARGET, Kind.DIRECTORY, Access.WRITE, binds, rules, patterns, unexpressed)


def told(
    request: Request, verbs: frozenset[str] = ALL, links: Links | None = None, largest: int | None = None
) -> list[bytes]:
    links = links or links_of(request, verbs, RsyncSettings())
    return list(options(request, AIM, verbs, links, largest, bytes))


def test_who_only_sends_only_reads():
    assert access_of(pull("-re.")) is Access.READ
    assert access_of(pull("-re.", "--remove-source-files")) is Access.WRITE
    assert access_of(push("-re.")) is Access.WRITE


def test_the_least_verbs_are_those_of_all_directories_that_are_worked_in():
    rules = Permissions.parse(
        {"/": ["*"], "/d/a": ["chmod", *SIX], "/d/closed": ["list"], "/d/*/c": ["*"], "/other": ["chown", *SIX]}
    )
    assert least_verbs(rules, TARGET, Access.WRITE) == SIX | {"chmod", "delete_files", "delete_dirs"}
    assert least_verbs(rules, VirtualPath((b"x",)), Access.WRITE) == ALL


def test_links():
    may, may_not, refuse = ALL, SIX, RsyncSettings(links="refuse")
    assert links_of(push("-le."), may, RsyncSettings()) == Links(made=True, munged=False)
    assert links_of(push("-le."), may_not, RsyncSettings()) == Links(made=True, munged=True)
    assert links_of(push("-le.", "--munge-links"), may, RsyncSettings()) == Links(made=True, munged=True)
    assert links_of(push("-le."), may_not, refuse) == Links(made=False, munged=False)
    assert links_of(pull("-le."), may_not, RsyncSettings()) == Links(made=False, munged=True)


def test_what_is_added_comes_last():
    assert told(push("-le.", "--delete")) == [b"--delete", b"--no-super", b"--safe-links"]
    assert told(push("-le.", "--safe-links")) == [b"--safe-links", b"--no-super"]
    assert told(push("-le.", "--munge-links")) == [b"--no-super"]
    assert told(push("-le."), SIX) == [b"--no-super", b"--no-perms", b"--no-times"]
    assert told(pull("-le.", "--numeric-ids"), SIX) == [b"--numeric-ids"]


def test_the_smaller_size_holds():
    assert told(push("-e."), largest=1000)[-1] == b"--max-size=1000"
    assert told(push("-e.", "--max-size=1k"), largest=1000)[-1] == b"--max-size=1000"
    assert told(push("-e.", "--max-size=5b"), largest=1000)[-1] == b"--max-size=5"


@pytest.mark.parametrize(
    ("text", "size"),
    [("7", 7), ("7b", 7), ("2k", 2048), ("2KB", 2000), ("1.5MiB", 1572864), ("1g-1", 2**30 - 1), ("1T+1", 2**40 + 1)],
)
def test_sizes_as_rsync_reads_them(text, size):
    assert size_of(text) == size


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["-Ae."], "chmod"),
        (["-Ee."], "chmod"),
        (["-Ue."], "chtimes"),
        (["-He."], "create_symlinks"),
        (["--link-dest=x"], "create_symlinks"),
    ],
)
def test_what_cannot_be_taken_away_needs_its_verb(words, verb):
    check(push(*words), AIM, place(), ALL)
    check(pull(*words), AIM, place(), ALL - {verb})
    with pytest.raises(PermissionDenied, match=verb):
        check(push(*words), AIM, place(), ALL - {verb})


@pytest.mark.parametrize("words", [["-be."], ["--suffix=.exe"], ["--no-implied-dirs"]])
def test_names_that_no_rule_is_asked_about(words):
    check(push(*words), AIM, place(), ALL)
    for varied in (
        place(FilePatterns.parse([FilePattern("/d/x", ("*",))])),
        place(unexpressed=(VirtualPath((b"d", b"*")),)),
    ):
        with pytest.raises(Unsupported):
            check(push(*words), AIM, varied, ALL)


def test_directories_beside_where_other_patterns_hold():
    beside = VirtualPath((b"d", b"x"))
    aim = Aim(TARGET, AIM.arguments, (("link-dest", beside),))
    everywhere = FilePatterns.parse([FilePattern("/", (), ("*.exe",))])
    check(push("--link-dest=x"), aim, place(everywhere), ALL)
    with pytest.raises(Unsupported):
        check(push("--link-dest=x"), aim, place(FilePatterns.parse([FilePattern("/d/x", (), ("*.exe",))])), ALL)


@pytest.mark.parametrize("name", ["/abs", "../up", "..", ".conchgo-x", "a/b"])
def test_partial_directories_are_plain_names(name):
    with pytest.raises(Unsupported):
        check(push(f"--partial-dir={name}"), AIM, place(), ALL)
    check(push("--partial-dir=.rsync-partial"), AIM, place(), ALL)


def test_directories_are_masked_by_name_too_but_for_what_may_be_used_in_them():
    rules = Permissions.parse(
        {
            "/": ["*"],
            "/d/a": ["list"],
            "/d/b": ["list"],
            "/d/b/c": ["*"],
            "/x": ["list"],
            "/d/ok": ["*"],
            "/d/?": ["list"],
        }
    )
    glob, exact = VirtualPath((b"d", b"?")), VirtualPath((b"d", b"a"))
    found = masked_keys(replace(place(unexpressed=(glob,)), permissions=rules))
    assert found == [glob, exact]

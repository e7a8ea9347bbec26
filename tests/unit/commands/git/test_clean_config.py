from __future__ import annotations

import subprocess

import pytest

from conchgo.commands.git.clean_config import clean_config
from conchgo.commands.git.config_file import MAX_SIZE, Variable, variables
from conchgo.errors import InvalidArgument, Unsupported
from tests.programs import require_program


def cleaned(content: bytes) -> list[Variable]:
    return list(variables(clean_config(content)))


def test_what_decides_how_a_repository_is_read_stays() -> None:
    content = b"""[core]
        repositoryformatversion = 1
        filemode = yes
        bare
        logAllRefUpdates = always
[extensions]
        objectFormat = sha256
[receive]
        denyNonFastForwards = 1
        denyDeletes = 0
        denyDeleteCurrent = warn
[transfer]
        hideRefs = refs/pull
        hideRefs = "!refs/pull/\\"1\\""
"""
    assert cleaned(content) == [
        (b"core.repositoryformatversion", b"1"),
        (b"core.filemode", b"true"),
        (b"core.bare", b"true"),
        (b"core.logallrefupdates", b"always"),
        (b"extensions.objectformat", b"sha256"),
        (b"receive.denynonfastforwards", b"true"),
        (b"receive.denydeletes", b"false"),
        (b"receive.denydeletecurrent", b"warn"),
        (b"transfer.hiderefs", b"refs/pull"),
        (b"transfer.hiderefs", b'!refs/pull/"1"'),
    ]


def test_nothing_that_names_a_program_or_a_file_stays() -> None:
    content = b"""[core]
        bare = true
        hooksPath = /repo.git/evil
        fsmonitor = /repo.git/evil
        sshCommand = evil
        alternateRefsCommand = evil
        worktree = /
        attributesFile = /etc/passwd
[include]
        path = /etc/passwd
[includeIf "gitdir:/"]
        path = evil
[tar "evil"]
        command = /repo.git/evil
        remote = true
[core "x"]
        bare = false
[uploadpack]
        packObjectsHook = evil
[filter "x"]
        smudge = evil
        process = evil
[receive]
        maxInputSize = 0
        unpackLimit = 100000
        denyCurrentBranch = updateInstead
        fsckObjects = false
[extensions]
        worktreeConfig = true
        partialClone = origin
[remote "origin"]
        url = ext::evil
        uploadpack = evil
"""
    assert cleaned(content) == [(b"core.bare", b"true")]


@pytest.mark.parametrize(
    "content",
    [
        b"[core]\nbare = maybe\n",
        b"[core]\nrepositoryformatversion = 2\n",
        b"[core]\nrepositoryformatversion\n",
        b"[extensions]\nobjectFormat = md5\n",
        b'[transfer]\nhideRefs = "a\\nb"\n',
        b"[transfer]\nhideRefs\n",
        b"[core\n",
        b"#" * (MAX_SIZE + 1),
    ],
)
def test_what_git_would_not_take_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArgument):
        clean_config(content)


def test_a_repository_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"extensions\.relativeworktrees"):
        clean_config(b"[extensions]\nrelativeWorktrees = true\n")


@pytest.mark.parametrize("text", [b"TRUE", b"On", b"yes", b"2", b"-1", b"+0", b"00", b"off", b"No", b"", b"False"])
def test_booleans_are_those_of_git(text: bytes) -> None:
    content = b"[core]\nbare = " + text + b"\n"
    command = [require_program("git"), "config", "--file", "-", "--type", "bool", "core.bare"]
    by_git = subprocess.run(command, input=content, capture_output=True, check=True).stdout.strip()
    assert cleaned(content) == [(b"core.bare", by_git)]


def test_git_reads_the_clean_one() -> None:
    content = clean_config(b'[transfer]\nhideRefs = "\\\\ # \\" ;  x "\n')
    command = [require_program("git"), "config", "--file", "-", "--null", "transfer.hideRefs"]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    assert done.stdout == b'\\ # " ;  x \0'

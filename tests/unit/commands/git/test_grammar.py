from __future__ import annotations

import pytest

from conchgo.commands.command import UsageError
from conchgo.commands.git.grammar import repository_path
from conchgo.commands.words import words


def path_of(line: bytes) -> str:
    return repository_path([word.text for word in words(line)[1:]])


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (b"git-upload-pack '/repo.git'", "/repo.git"),
        (b"git-receive-pack 'repo.git'", "repo.git"),
        (b"git-upload-archive '/a b.git'", "/a b.git"),
        # As git quotes ' and !, and as other clients write what needs no quotes.
        (b"git-upload-pack '/it'\\''s'\\!'.git'", "/it's!.git"),
        (b'git-upload-pack "/repo.git"', "/repo.git"),
        (b"git-upload-pack /repo.git", "/repo.git"),
        (b"git-upload-pack './-repo'", "./-repo"),
        (b"git-upload-pack '/one;id #.git'", "/one;id #.git"),
        (b"git-upload-pack '/$(id)`id`.git'", "/$(id)`id`.git"),
        (b"git-upload-pack '/\xff.git'", "/\udcff.git"),
    ],
)
def test_one_path_is_understood(line: bytes, path: str) -> None:
    assert path_of(line) == path


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"git-upload-pack", "one path"),
        (b"git-upload-pack ''", "one path"),
        (b"git-upload-pack /a /b", "one path"),
        (b"git-upload-pack /a; id", "one path"),
        (b"git-upload-pack /a\nid", "one path"),
        (b"git-upload-pack --upload-pack=evil /a", "--upload-pack=evil: no option"),
        (b"git-receive-pack /a --exec=evil", "--exec=evil: no option"),
        (b"git-upload-pack --help", "--help: no option"),
        (b"git-upload-pack --stateless-rpc /a", "no option"),
        (b"git-upload-pack '-repo'", "-repo: no option"),
        (b"git-upload-pack -- /a", "--: no option"),
        (b"git-upload-pack '~/a'", "~ means nothing"),
        (b"git-upload-pack '~root/a'", "~ means nothing"),
        (b"git-upload-pack '/a\nb'", "control character"),
        (b"git-upload-pack '/a\x1b[2J'", "control character"),
        (b"git-upload-pack '--a\nb'", r"--a\nb: no option"),
    ],
)
def test_all_else_is_refused(line: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]*$") as refused:
        path_of(line)
    assert why in str(refused.value)

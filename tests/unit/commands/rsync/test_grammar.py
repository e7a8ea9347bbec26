import pytest

from conchgo.commands.command import UsageError
from conchgo.commands.rsync.grammar import Request, parse, secluded_words
from conchgo.commands.words import words


def read(line: str) -> Request:
    return parse([word.text for word in words(line.encode())[1:]])


def test_a_push():
    request = read("rsync --server -vlogDtpre.iLsfxCIvu --delete-during --partial-dir .rp --max-size=5m . /a/b")
    assert not request.sender
    assert request.letters == "vlogDtpr"
    assert request.capabilities == "e.iLsfxCIvu"
    assert request.options == (("delete-during", None), ("partial-dir", ".rp"), ("max-size", "5m"))
    assert request.paths == ("/a/b",)


def test_a_pull_of_several_paths():
    request = read("rsync --server --sender -logDtpre.LsfxCIvu --numeric-ids . 'a b' c/")
    assert request.sender
    assert request.paths == ("a b", "c/")
    assert request.has("numeric-ids", "delete")
    assert not request.has("delete", "z")


@pytest.mark.parametrize("line", ["-B700", "-@-1"])
def test_numbers_that_come_alone(line):
    assert read(f"rsync --server -re. {line} . /a").options[0][1] == line[2:]


def test_values_may_be_words_of_their_own_and_are_no_paths():
    request = read("rsync --server -re. --link-dest ../one --link-dest=../two --backup-dir . . /a")
    assert request.values("link-dest") == [("link-dest", "../one"), ("link-dest", "../two")]
    assert request.values("backup-dir") == [("backup-dir", ".")]
    assert request.paths == ("/a",)


def test_paths_that_are_kept_off_the_command_line():
    line = [word.text for word in words(b"rsync --server -slogDtpre.LsfxCIvu")[1:]]
    assert parse(line).secluded
    request = parse(secluded_words(line, ["rsync", "--delete", ".", "/with * and $HOME"]))
    assert not request.secluded
    assert request.letters == "logDtpr"
    assert request.has("delete")
    assert request.paths == ("/with * and $HOME",)


@pytest.mark.parametrize("more", [[], ["rsync"], ["/bin/sh", ".", "/a"], ["rsync", "/a"]])
def test_secluded_words_that_make_no_sense(more):
    with pytest.raises(UsageError):
        secluded_words(["--server", "-sre."], more)


@pytest.mark.parametrize(
    "line",
    [
        "rsync --server --daemon .",
        "rsync --daemon",
        "rsync --server -re. --config=/x . /a",
        "rsync --server -re. --config /x . /a",
        "rsync --server -re. -e sh . /a",
        "rsync --server -re. --rsh=sh . /a",
        "rsync --server -re. --rsync-path=x . /a",
        "rsync --server -re. --log-file=/x . /a",
        "rsync --server -re. --log-file-format=%i . /a",
        "rsync --server -re. --log-format=%f . /a",
        "rsync --server --sender -re. --files-from=/etc/passwd . /a",
        "rsync --server --sender -re. --files-from /etc/passwd . /a",
        "rsync --server --sender -re. --files-from=:/etc/passwd . /a",
        "rsync --server -re. --exclude-from=/etc/passwd . /a",
        "rsync --server -re. --filter=x . /a",
        "rsync --server -re. --upload-pack=evil . /a",
        "rsync --server -re. --write-devices . /a",
        "rsync --server -re. --copy-devices . /a",
        "rsync --server -re. --no-munge-links . /a",
        "rsync --server -re. --super . /a",
        "rsync --server -re. --fake-super . /a",
        "rsync --server -re. --iconv=utf8 . /a",
        "rsync --server -re. --debug=all . /a",
        "rsync --server -re. --max-alloc=0 . /a",
        "rsync --server -re. --compress-threads=256 . /a",
        "rsync --server -re. --temp-dir=/x . /a",
        "rsync --server -re. --only-write-batch=X . /a",
        "rsync --server -re. --copy-unsafe-links . /a",
        "rsync --server -re. --insecure-links . /a",
        "rsync --server -re. --delete=x . /a",
        "rsync --server -re. --timeout=x . /a",
        "rsync --server -re. --suffix=a/b . /a",
        "rsync --server -re. --sen . /a",
        "rsync --server -re. -- . /a",
        "rsync --server -Lre. . /a",
        "rsync --server -Kre. . /a",
        "rsync --server -kre. . /a",
        "rsync --server -re.x31=z . /a",
        "rsync --server -re. . /a /b",
        "rsync --server -re. . -x",
        "rsync --server --sender -re. . /a -x",
        "rsync --server -re. . '/a\nb'",
        "rsync --server -re. .",
        "rsync --server -re. /a",
        "rsync --server - . /a",
        "rsync --server",
        "rsync --sender --server -re. . /a",
        "rsync /a /b",
        "rsync",
        "rsync --server -re. . " + "a " * 10_001,
    ],
)
def test_what_is_not_in_the_tables_is_refused(line):
    with pytest.raises(UsageError):
        read(line)


def test_a_refusal_names_what_it_is_about():
    with pytest.raises(UsageError, match="--log-file"):
        read("rsync --server -re. --log-file=/x . /a")
    with pytest.raises(UsageError, match="-K"):
        read("rsync --server -rKe. . /a")
    with pytest.raises(UsageError, match=r"--files-from.*client only"):
        read("rsync --server --sender -re. --files-from=:/etc/passwd . /a")

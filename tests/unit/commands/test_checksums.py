"""md5sum and its like against coreutils itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conchgo.commands.checksums import COMMANDS
from conchgo.storage.local import LocalStorage
from tests.unit.commands.running import Later, Running, filesystem, put, run

COREUTILS = ["md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "b2sum"]
NAMES = [
    b"a",
    b"with space",
    b"back\\slash",
    b"new\nline",
    b"carriage\rreturn",
    b"\xff\xfe",
    b"-dash",
    b"#x",
    b"'quoted'",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        (tmp_path / name.decode("utf-8", "surrogateescape")).write_bytes(name * number * 1000)
    (tmp_path / "directory").mkdir()
    return tmp_path


def coreutils(tree: Path, name: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([name, *arguments], cwd=tree, input=stdin, capture_output=True, env={"LC_ALL": "C"})


def served(tree: Path):
    return filesystem(LocalStorage(bytes(tree)))


@pytest.mark.parametrize("name", COREUTILS)
@pytest.mark.parametrize("options", [(), ("-b",), ("-t",), ("--tag",), ("-z",)])
def test_prints_what_coreutils_prints(tree, name, options) -> None:
    words = [*options, "--", *(each.decode("utf-8", "surrogateescape") for each in NAMES)]
    expected = coreutils(tree, name, *words)
    channel = run(served(tree), name, *words)
    assert bytes(channel.output) == expected.stdout
    assert (channel.status, channel.errors) == (0, b"")


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_knows_the_hash_of_nothing(name) -> None:
    empty = {
        "md5sum": "d41d8cd98f00b204e9800998ecf8427e",
        "sha1sum": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "xxh128sum": "99aa06d3014798d86001c324468d497f",
        "crc32": "00000000",
    }
    found = bytes(run(filesystem(), name).output).decode()
    assert found.endswith("  -\n")
    if name in COREUTILS:
        assert found.encode() == coreutils(Path("/"), name).stdout
    assert found.split()[0] == empty.get(name, found.split()[0])


def test_hashes_all_of_standard_input_as_it_comes() -> None:
    running = Running(filesystem(), "sha256sum", "-")
    for _ in range(50):
        running.send(b"x" * 32768)
    assert running.channel.taken == 50 * 32768
    running.end()
    assert bytes(running.channel.output) == coreutils(Path("/"), "sha256sum", stdin=b"x" * 32768 * 50).stdout


def test_long_pieces_of_standard_input_are_hashed_in_a_thread() -> None:
    runner = Later()
    running = Running(filesystem(), "sha256sum", runner=runner)
    running.send(b"x" * 1000)
    assert not runner.jobs
    running.send(b"x" * 32768)
    for _ in range(5):
        running.send(b"x" * 32768)
    running.end()
    while runner.jobs:
        runner.do()
    expected = coreutils(Path("/"), "sha256sum", stdin=b"x" * (1000 + 6 * 32768)).stdout
    assert bytes(running.channel.output) == expected


@pytest.mark.parametrize("name", COREUTILS)
def test_checks_what_coreutils_printed(tree, name) -> None:
    names = [each.decode("utf-8", "surrogateescape") for each in NAMES if each != b"-dash"]
    for options in ((), ("--tag",), ("-b",)):
        (tree / "sums").write_bytes(coreutils(tree, name, *options, "--", *names).stdout)
        channel = run(served(tree), name, "-c", "sums")
        assert (channel.status, channel.errors) == (0, b"")
        assert bytes(channel.output).count(b": OK\n") == len(names)


@pytest.mark.parametrize(
    "lines",
    [
        "{0} a\n{0} with space\n",
        "{0}\ta\n  {0} a\n",
        "{0}  a\n{0} a\n{0} *a\n",
        "{0} a\n{0}  a\n{0} *a\n",
        "{0} *\n{0}   \n",
        "MD5 (a) = {0}\nMD5(a)={0}\n MD5 (a)=\t{0}\n",
        "MD5 (a) = {0}\n{0} a\nSHA1 (a) = {0}\nMD5 (a) = 00\nMD5 (a\n",
        "\\{0}  back\\\\slash\n\\MD5 (new\\nline) = {0}\n\\{0}  a\\x\n",
        "{0}a\n{0}\n{0} \n00 a\n",
    ],
)
def test_reads_the_lines_that_coreutils_reads(tree, lines) -> None:
    (tree / "sums").write_text(lines.format("d41d8cd98f00b204e9800998ecf8427e"))
    expected = coreutils(tree, "md5sum", "-c", "sums")
    channel = run(served(tree), "md5sum", "-c", "sums")
    assert (channel.status, bytes(channel.output)) == (expected.returncode, expected.stdout)


def test_says_of_each_file_what_is_wrong_with_it(tree) -> None:
    lines = coreutils(tree, "md5sum", "a", "with space", "#x").stdout
    lines = lines.replace(b"with space", b"missing") + b"nonsense\n" + b"0" * 32 + b"  a\n"
    channel = run(served(tree), "md5sum", "-c", "-w", stdin=lines)
    assert channel.status == 1
    assert bytes(channel.output).splitlines() == [b"a: OK", b"missing: FAILED open or read", b"#x: OK", b"a: FAILED"]
    assert channel.complaints == [
        "md5sum: missing: no such file or directory",
        "md5sum: -: 4: improperly formatted MD5 checksum line",
        "md5sum: WARNING: 1 improperly formatted line(s)",
        "md5sum: WARNING: 1 listed file(s) could not be read",
        "md5sum: WARNING: 1 computed checksum(s) did NOT match",
    ]


@pytest.mark.parametrize(
    ("options", "status", "output"),
    [
        (("--quiet",), 1, b"a: FAILED\n"),
        (("--status",), 1, b""),
        (("--ignore-missing",), 1, b"a: FAILED\n#x: OK\n"),
    ],
)
def test_tells_as_much_as_is_asked(tree, options, status, output) -> None:
    lines = b"0" * 32 + b"  a\n" + coreutils(tree, "md5sum", "#x").stdout
    if options == ("--ignore-missing",):
        lines += b"1" * 32 + b"  missing\n"
    channel = run(served(tree), "md5sum", "-c", *options, stdin=lines)
    assert (channel.status, bytes(channel.output)) == (status, output)


def test_a_malformed_line_fails_only_where_that_is_asked(tree) -> None:
    lines = coreutils(tree, "md5sum", "a").stdout + b"nonsense\n"
    assert run(served(tree), "md5sum", "-c", stdin=lines).status == 0
    assert run(served(tree), "md5sum", "-c", "--strict", stdin=lines).status == 1
    assert run(served(tree), "md5sum", "-c", stdin=b"nonsense\n").complaints == [
        "md5sum: -: no properly formatted MD5 checksum lines found"
    ]


def test_the_other_names_are_done_where_one_fails(tree) -> None:
    channel = run(served(tree), "md5sum", "directory", "missing", "a")
    assert channel.status == 1
    assert bytes(channel.output) == coreutils(tree, "md5sum", "a").stdout
    assert channel.complaints == ["md5sum: directory: is a directory", "md5sum: missing: no such file or directory"]


def test_names_are_shown_so_that_a_terminal_survives_them(tree) -> None:
    channel = run(served(tree), "md5sum", "\x1b]0;evil\x07")
    assert channel.complaints == ["md5sum: \\x1b]0;evil\\x07: no such file or directory"]


def test_what_may_not_be_downloaded_is_not_hashed() -> None:
    files = filesystem(permissions={"/": ("*",), "/private": ("list", "upload", "overwrite")})
    put(files, b"/public", b"x")
    files.mkdir(files.start / b"private")
    channel = run(files, "md5sum", "private/secret", "public")
    assert channel.status == 1
    assert b"public" in channel.output
    assert channel.complaints == ["md5sum: private/secret: permission denied"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--frobnicate",), "unrecognized arguments: --frobnicate"),
        (("-c", "--tag"), "--tag makes sense without --check only"),
        (("--quiet", "a"), "--quiet makes sense with --check only"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_is_done(words, reason) -> None:
    channel = run(filesystem(), "md5sum", *words)
    assert channel.status == 2
    assert not channel.output
    assert channel.complaints[0].startswith(f"md5sum: {reason}; usage: md5sum [-btz]")


def test_an_endless_line_is_refused() -> None:
    running = Running(filesystem(), "md5sum", "-c")
    for _ in range(5):
        running.send(b"x" * 32768)
    assert running.channel.status is None or running.channel.status == 1
    running.end()
    assert running.channel.complaints == ["md5sum: -: a line is longer than 65536 bytes"]


def test_who_reads_no_complaints_is_asked_for_no_more_lines() -> None:
    running = Running(filesystem(), "md5sum", "-c", "-w")
    running.channel.congested = True
    running.send(b"not a line\n" * 1000)
    assert running.program._console.waits
    assert not running.channel.errors


def test_a_long_check_file_gives_way_to_others() -> None:
    running = Running(filesystem(), "md5sum", "-c", "-w")
    running.send(b"not a line\n" * 1000)
    assert running.clock.getDelayedCalls()
    running.end()
    while running.clock.getDelayedCalls():
        running.clock.advance(0)
    assert len(running.channel.complaints) == 1001
    assert running.channel.status == 1


@pytest.mark.parametrize(
    "words", [("a", "-b", "with space"), ("a", "--tag", "--", "-dash", "#x"), ("-b", "--", "a", "--"), ("--", "-", "a")]
)
def test_options_stand_anywhere_before_two_dashes(tree, words) -> None:
    expected = coreutils(tree, "md5sum", *words)
    channel = run(served(tree), "md5sum", *words)
    assert bytes(channel.output) == expected.stdout
    assert bool(channel.status) == bool(expected.returncode)

"""scp, byte by byte: what a good, a careless and a hostile scp at the other end gets."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from conchgo.edge.console import MAX_LINE
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.local import LocalStorage
from conchgo.vfs.compose import Mount
from conchgo.vfs.uploads.rules import UploadMode
from tests.contract.storage.helpers import descriptors
from tests.unit.commands.running import EVERYTHING, Later, Running, filesystem, get, put


class Scp(Running):
    """An scp at this end, that says what it is told to."""

    def say(self, *parts: bytes) -> bytes:
        """Send, and give what comes back."""
        before = len(self.channel.output)
        for part in parts:
            self.send(part)
            self.turn()
        return bytes(self.channel.output[before:])

    def turn(self) -> None:
        """Let the server go on as long as it gives way to others."""
        while self.clock.getDelayedCalls():
            self.clock.advance(0)

    def finish(self) -> int:
        self.end()
        self.turn()
        assert self.channel.status is not None
        return self.channel.status


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def served(home: Path, permissions=EVERYTHING, **view):
    return filesystem(LocalStorage(bytes(home)), permissions, **view)


def sink(home: Path, *words: str, **view) -> Scp:
    scp = Scp(served(home, **view), "scp", "-t", *words)
    assert scp.channel.output == b"\0"
    return scp


# Taking files


def test_a_file_is_taken(home) -> None:
    scp = sink(home, "name")
    assert scp.say(b"C0640 5 other\n") == b"\0"
    assert scp.say(b"hello", b"\0") == b"\0"
    assert scp.finish() == 0
    assert (home / "name").read_bytes() == b"hello"
    assert (home / "name").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("cut", [1, 2, 3, 7])
def test_it_does_not_matter_how_the_bytes_come(home, cut) -> None:
    scp = sink(home, "-r", "-p", "tree")
    script = b"T10 0 20 0\nD0755 0 x\nT30 0 40 0\nC0600 10 a b\n0123456789\0C0644 0 empty\n\0E\n"
    for at in range(0, len(script), cut):
        scp.say(script[at : at + cut])
    assert scp.finish() == 0
    assert bytes(scp.channel.output) == b"\0" * 9
    assert (home / "tree" / "a b").read_bytes() == b"0123456789"
    assert (home / "tree" / "a b").stat().st_mtime == 30
    assert (home / "tree" / "empty").read_bytes() == b""
    assert (home / "tree").stat().st_mtime == 10


def test_into_a_directory_that_is_there(home) -> None:
    (home / "there").mkdir()
    scp = sink(home, "-r", "there")
    scp.say(b"D0755 0 new\n", b"C0644 1 f\n", b"x", b"\0", b"E\n", b"C0644 1 g\n", b"y", b"\0")
    assert scp.finish() == 0
    assert (home / "there" / "new" / "f").read_bytes() == b"x"
    assert (home / "there" / "g").read_bytes() == b"y"


@pytest.mark.parametrize(
    "line",
    [
        b"C0644 -1 x\n",
        b"C0644 99999999999999999999 x\n",
        b"C0644 9223372036854775808 x\n",
        b"C0644 1.5 x\n",
        b"C0644 1\n",
        b"C0644  1 x\n",
        b"C 1 x\n",
        b"C0644 1 \n",
        b"C0644 1 a/b\n",
        b"C0644 1 ..\n",
        b"C0644 1 .\n",
        b"C0644 1 a\0b\n",
        b"D0755 0 ../../etc\n",
        b"T-1 0 0 0\n",
        b"T1 0\n",
        b"X0644 1 x\n",
        b"\n",
        b"E\n",
        b"E0\n",
        b"SSH-2.0-OpenSSH\n",
        b"C0644 1 x" + b"y" * MAX_LINE + b"\n",
    ],
)
def test_what_is_no_line_of_scp_ends_it(home, line) -> None:
    scp = sink(home, "-r", "target")
    answer = scp.say(line)
    assert answer[:6] == b"\2scp: "
    assert answer.endswith(b"\n")
    assert answer.count(b"\n") == 1
    assert scp.channel.status == 1
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("name", [b"tab\there", b"\x1b[2J", b"\x7f"])
def test_a_name_with_a_control_character_is_passed_over(home, name) -> None:
    scp = sink(home, "-r", ".")
    for answer in (scp.say(b"C0644 1 %s\n" % name), scp.say(b"D0755 0 %s\n" % name)):
        assert answer.startswith(b"\1scp: /")
        assert answer.endswith(b": a control character is in the name\n")
        assert answer[5:-1].decode("ascii").isprintable()
    assert scp.say(b"C0644 1 f\n", b"x", b"\0") == b"\0\0"
    assert scp.finish() == 1
    assert os.listdir(home) == ["f"]


def test_a_control_line_of_10_mib_is_not_kept(home) -> None:
    scp = sink(home, "target")
    for _ in range(320):
        scp.send(b"x" * 32768)
    assert scp.channel.status == 1
    assert scp.channel.taken > 319 * 32768
    assert len(scp.channel.output) < 200


def test_a_line_without_its_end_is_no_line(home) -> None:
    scp = sink(home, "target")
    scp.send(b"C0644 1 x")
    assert scp.finish() == 1
    assert list(home.iterdir()) == []


def test_a_directory_without_r_ends_it(home) -> None:
    scp = sink(home, "target")
    assert scp.say(b"D0755 0 x\n").startswith(b"\2scp: ")
    assert scp.channel.status == 1


@pytest.mark.parametrize("mode", UploadMode)
@pytest.mark.parametrize("sent", [0, 3])
def test_a_file_that_is_cut_off_is_not_kept(home, sent, mode) -> None:
    scp = sink(home, "name", uploads=mode)
    scp.say(b"C0644 5 x\n", b"abc"[:sent])
    assert scp.finish() == 1
    assert list(home.iterdir()) == []


def test_what_was_there_survives_a_cut_off_atomic_upload(home) -> None:
    (home / "name").write_bytes(b"old")
    scp = sink(home, "name", uploads=UploadMode.ATOMIC)
    scp.say(b"C0644 5 x\n", b"abc")
    assert scp.finish() == 1
    assert (home / "name").read_bytes() == b"old"
    assert len(list(home.iterdir())) == 1


def test_a_client_that_vanishes_leaves_no_half_file(home) -> None:
    scp = sink(home, "name")
    scp.say(b"C0644 5 x\n", b"abc")
    scp.program.connection_lost()
    scp.turn()
    assert list(home.iterdir()) == []


def test_a_file_whose_sender_failed_is_not_kept(home) -> None:
    """It became shorter while it was sent: zeros came in its place, and then this."""
    scp = sink(home, "name")
    assert scp.say(b"C0644 5 x\n", b"ab\0\0\0", b"\1scp: x: file changed size\n") == b"\0\0"
    assert scp.finish() == 1
    assert list(home.iterdir()) == []


def test_the_senders_warnings_end_nothing(home) -> None:
    scp = sink(home, "-r", "tree")
    scp.say(b"\1scp: a: No such file or directory\n", b"D0755 0 x\n", b"C0644 1 f\n", b"x", b"\0", b"E\n")
    assert scp.finish() == 1
    assert (home / "tree" / "f").read_bytes() == b"x"


def test_the_senders_error_ends_it(home) -> None:
    scp = sink(home, "name")
    assert scp.say(b"\2scp: out of cheese\n") == b""
    assert scp.channel.status == 1


def test_what_may_not_be_written_is_passed_over_and_the_rest_is_taken(home) -> None:
    (home / "tree" / "taken").mkdir(parents=True)
    scp = sink(home, "-r", ".", permissions={"/": ("*",), "/tree/closed": ("list",)})
    answers = [
        scp.say(b"D0755 0 tree\n"),
        scp.say(b"C0644 1 taken\n"),
        scp.say(b"D0755 0 closed\n"),
        scp.say(b"C0644 1 f\n"),
        scp.say(b"E\n"),
        scp.say(b"C0644 1 f\n", b"x", b"\0"),
        scp.say(b"E\n"),
    ]
    assert answers == [
        b"\0",
        b"\1scp: /tree/taken: is a directory\n",
        b"\0",
        b"\1scp: /tree/closed/f: permission denied\n",
        b"\0",
        b"\0\0",
        b"\0",
    ]
    assert scp.finish() == 1
    assert (home / "tree" / "f").read_bytes() == b"x"


def test_more_than_there_is_room_for_is_refused_before_it_is_sent(home) -> None:
    scp = sink(home, "name")
    assert scp.say(b"C0644 %d x\n" % (2**62)) == b"\1scp: /name: no space left on the storage\n"
    assert scp.finish() == 1
    assert list(home.iterdir()) == []


def test_a_quota_is_told_from_a_full_disk(home) -> None:
    ledger = MemoryLedger()
    ledger.count("user:alice", Usage(40, 1))
    mount = Mount(LocalStorage(bytes(home)), Charge("user:alice", (("user:alice", Limits(size=100)),)))
    scp = Scp(filesystem(mount, ledger=ledger), "scp", "-t", ".")
    assert scp.say(b"C0644 128 x\n") == b"\1scp: /x: quota exceeded\n"
    # To the last byte, though `df` tells of blocks.
    assert scp.say(b"C0644 60 x\n", bytes(60), b"\0") == b"\0\0"
    assert scp.finish() == 1
    assert ledger.usage("user:alice") == Usage(100, 2)


def test_d_wants_a_directory(home) -> None:
    (home / "file").touch()
    for words in (("-d", "-t", "file"), ("-d", "-t", "missing"), ("-t", "missing/"), ("-t", "missing/.")):
        scp = Scp(served(home), "scp", *words)
        name = words[-1].rstrip("/.").encode()
        assert bytes(scp.channel.output) == b"\2scp: /%s: not a directory\n" % name
        assert scp.channel.status == 1


def test_a_thousand_directories_may_be_in_each_other() -> None:
    scp = Scp(filesystem(), "scp", "-r", "-t", "tree")
    for _ in range(1500):
        scp.say(b"D0755 0 d\n")
    scp.say(b"E\n" * 1500)
    assert scp.finish() == 0


# Sending files


def source(home: Path, *words: str, **view) -> Scp:
    return Scp(served(home, **view), "scp", "-f", *words)


def test_a_file_is_sent(home) -> None:
    (home / "file").write_bytes(b"hello")
    (home / "file").chmod(0o604)
    os.utime(home / "file", (20, 10))
    scp = source(home, "-p", "file")
    assert scp.say(b"\0") == b"T10 0 20 0\n"
    assert scp.say(b"\0") == b"C0604 5 file\n"
    assert scp.say(b"\0") == b"hello\0"
    assert scp.say(b"\0") == b""
    assert scp.finish() == 0


def test_a_tree_is_sent_files_first(home) -> None:
    (home / "tree" / "a").mkdir(parents=True)
    (home / "tree" / "a" / "deep").write_bytes(b"1")
    (home / "tree" / "z").write_bytes(b"")
    (home / "tree" / "new\nline").symlink_to("z")
    scp = source(home, "-r", "tree")
    scp.say(b"\0" * 100)
    assert scp.finish() == 0
    lines = bytes(scp.channel.output)
    assert lines.startswith(b"D0755 0 tree\nC")
    assert b"C0644 0 new\\^Jline\n\0" in lines
    assert lines.endswith(b"D0755 0 a\nC0644 1 deep\n1\0E\nE\n")


def test_the_root_is_called_after_the_user(home) -> None:
    scp = source(home, "-r", "/")
    assert scp.say(b"\0").endswith(b" 0 alice\n")


@pytest.mark.parametrize("grows", [True, False])
def test_as_many_bytes_are_sent_as_were_announced(home, grows) -> None:
    (home / "file").write_bytes(b"x" * 10)
    scp = source(home, "file")
    assert scp.say(b"\0") == b"C0644 10 file\n"
    os.truncate(home / "file", 100 if grows else 4)
    sent = scp.say(b"\0")
    if grows:
        assert sent == b"x" * 10 + b"\0"
    else:
        assert sent == b"xxxx" + bytes(6) + b"\1scp: /file: the file became shorter while it was sent\n"
    scp.say(b"\0")
    assert scp.finish() == (0 if grows else 1)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("missing",), b"/missing: no such file or directory"),
        (("directory",), b"/directory: not a regular file"),
        (("*.none",), b"/*.none: no such file or directory"),
        (("fifo",), b"/fifo: not a regular file"),
    ],
)
def test_what_can_not_be_sent_is_told(home, words, text) -> None:
    (home / "directory").mkdir()
    os.mkfifo(home / "fifo")
    (home / "file").touch()
    scp = source(home, *words, "file")
    assert scp.say(b"\0") == b"\1scp: " + text + b"\nC0644 0 file\n"
    scp.say(b"\0\0")
    assert scp.finish() == 1


def test_a_directory_that_links_to_itself_is_sent_once(home) -> None:
    (home / "tree" / "a").mkdir(parents=True)
    (home / "tree" / "a" / "loop").symlink_to("..")
    scp = source(home, "-r", "tree")
    scp.say(b"\0" * 50)
    assert scp.finish() == 1
    assert bytes(scp.channel.output).count(b"D0755") == 2
    assert b"\1scp: /tree/a/loop: the directory is within itself, by a link\n" in scp.channel.output


@pytest.mark.parametrize("pattern", ["*", "[ab]*", "?*.txt", "x", "d*/*", "*/[!a]*", ".*", "nothing*"])
def test_wildcards_are_those_of_a_shell(home, pattern) -> None:
    for name in ("a.txt", "b.txt", ".hidden", "d1/ab", "d1/xy", "d2/q.txt"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).touch()
    shell = subprocess.run(
        ["sh", "-c", f"ls -d {pattern}"], cwd=home, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/bin"}
    ).stdout.split()
    expected = [name for name in shell if (home / name).is_file()]
    scp = source(home, pattern)
    scp.say(b"\0" * 60)
    sent = [name.decode() for name in re.findall(rb"C0644 0 (.+)\n", scp.channel.output)]
    assert sorted(sent) == sorted(Path(name).name for name in expected)


def test_a_client_that_leaves_ends_the_search_for_names(home, monkeypatch) -> None:
    for number in range(50):
        (home / f"{number}").mkdir()
    monkeypatch.setattr("conchgo.commands.files._TURN", 0)
    runner = Later()
    scp = Scp(served(home), "scp", "-f", "*/*/*", runner=runner)
    scp.send(b"\0")
    for _ in range(3):
        runner.do()
    scp.program.connection_lost()
    # What is begun, and the listing that is open.
    runner.do()
    runner.do()
    assert not runner.jobs
    assert scp.told == [(1, "cut off before it was done")]


def test_a_tree_is_read_in_pieces_files_before_directories(home, monkeypatch) -> None:
    monkeypatch.setattr("conchgo.commands.scp.source._BATCH", 3)
    for directory in (home / "tree", home / "tree" / "d1", home / "tree" / "d2"):
        directory.mkdir()
        for number in range(7):
            (directory / f"f{number}").touch()
    (home / "tree" / "link").symlink_to("d1")
    scp = source(home, "-r", "tree")
    scp.say(b"\0" * 100)
    assert scp.finish() == 0
    kinds = [line[:1] for line in bytes(scp.channel.output).replace(b"\0", b"").splitlines()]
    directory = [b"D", *[b"C"] * 7, b"E"]
    assert kinds == [b"D", *[b"C"] * 7, *directory * 3, b"E"]


def test_more_directories_than_should_wait_are_warned_of(home, monkeypatch) -> None:
    monkeypatch.setattr("conchgo.commands.scp.source._MOST_WAITING", 2)
    for name in "abcd":
        (home / "tree" / name).mkdir(parents=True)
    scp = source(home, "-r", "tree")
    scp.say(b"\0" * 20)
    assert scp.finish() == 1
    output = bytes(scp.channel.output)
    assert output.count(b"\x01scp: /tree/") == output.count(b": more than 2 directories wait: send it alone\n") == 2
    assert output.count(b"D0755 0") == 3


@pytest.mark.parametrize("answers", [b"\0", b"\0\0", b"\0\x01no\n", b"\0\0\0\0"])
def test_a_client_that_leaves_in_a_tree_leaves_nothing_open(home, answers) -> None:
    (home / "tree" / "deep").mkdir(parents=True)
    for number in range(3):
        (home / "tree" / f"{number}").touch()
    files = served(home)
    before = descriptors()
    scp = Scp(files, "scp", "-r", "-f", "tree")
    scp.say(answers)
    scp.program.connection_lost()
    scp.turn()
    assert descriptors() == before


@pytest.mark.parametrize("answers", [b"", b"\0\1", b"\0\1no", b"\0\2", b"\0\7", b"\0\0"])
def test_answers_that_end_too_early_or_are_none(home, answers) -> None:
    (home / "file").write_bytes(b"x")
    scp = source(home, "file")
    scp.say(answers)
    assert scp.finish() == 1
    assert scp.channel.complaints == []


def test_a_client_that_says_no_gets_the_next_file(home) -> None:
    for name in "ab":
        (home / name).write_bytes(name.encode())
    scp = source(home, "a", "b")
    assert scp.say(b"\0") == b"C0644 1 a\n"
    assert scp.say(b"\1scp: a: Permission denied\n") == b"C0644 1 b\n"
    assert scp.say(b"\0") == b"b\0"
    scp.say(b"\0")
    assert scp.finish() == 1


def test_a_client_that_gives_up_ends_it(home) -> None:
    (home / "a").touch()
    scp = source(home, "a")
    scp.say(b"\0")
    scp.say(b"\2no\n")
    assert scp.channel.status == 1


def test_a_client_that_does_not_read_is_waited_for_with_little_in_memory(home) -> None:
    (home / "big").write_bytes(bytes(8 * 2**20))
    scp = source(home, "big")
    scp.say(b"\0")
    scp.channel.congested = True
    scp.say(b"\0")
    assert len(scp.channel.output) < 100
    assert not scp.program.busy
    scp.channel.congested = False
    scp.program.drained()
    scp.turn()
    assert len(scp.channel.output) > 8 * 2**20
    scp.say(b"\0")
    assert scp.finish() == 0


@pytest.mark.parametrize("words", ["", "-t", "-f", "-t -f x", "-t a b", "x", "-t --bad x"])
def test_a_call_that_no_scp_makes_is_refused(home, words) -> None:
    scp = Scp(served(home), "scp", *words.split())
    assert scp.channel.status == 2
    assert len(scp.channel.complaints) == 1
    assert not scp.channel.output


@pytest.mark.parametrize("words", [("-pt", "./x"), ("-v", "-r", "-d", "-t", "--", "/")])
def test_flags_may_be_clustered_as_appliances_do(home, words) -> None:
    assert bytes(Scp(served(home), "scp", *words).channel.output) == b"\0"


def test_permissions_are_those_of_every_door(home) -> None:
    files = served(home, {"/": ("list",)})
    assert Scp(files, "scp", "-t", "x").say(b"C0644 1 x\n") == b"\1scp: /x: permission denied\n"
    put(served(home), b"/x", b"secret")
    assert Scp(files, "scp", "-f", "x").say(b"\0") == b"\1scp: /x: permission denied\n"
    assert get(served(home), b"/x") == b"secret"


def test_who_sends_many_lines_at_once_is_not_alone(home) -> None:
    scp = sink(home, "name")
    scp.send(b"\x01warning\n" * 1000)
    assert scp.program.busy
    assert scp.clock.getDelayedCalls()
    assert scp.finish() == 1


def test_a_line_in_pieces_is_one(home) -> None:
    scp = sink(home, "-r", ".")
    name = b"n" * 255
    assert scp.say(b"D0755 0 ", name[:100], name[100:], b"\nE", b"\n") == b"\0\0"
    assert scp.finish() == 0
    assert (home / os.fsdecode(name)).is_dir()

"""What holds for every command: how it is found, what becomes of its failures, and its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from conchgo.commands.command import Call, Command, UsageError
from conchgo.commands.table import commands
from conchgo.commands.words import MAX_COMMAND, words
from conchgo.errors import NotBefore, QuotaExceeded
from conchgo.vfs.interface import OpenOptions
from tests.unit.commands.running import Later, Running, filesystem, put, run


def command(work: Callable[[Call], Awaitable[int]]) -> Command:
    return Command("try", "[WORD]", "tries something", (), False, False, work)


def start(work: Callable[[Call], Awaitable[int]], **options) -> Running:
    return Running(filesystem(), "try", row=command(work), **options)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"md5sum a b", ["md5sum", "a", "b"]),
        (b"  md5sum\t'a b'  ", ["md5sum", "a b"]),
        (b'md5sum "a\\"b" c\\ d', ["md5sum", 'a"b', "c d"]),
        (b"md5sum #x", ["md5sum", "#x"]),
        (b"md5sum \xff\xfe", ["md5sum", "\udcff\udcfe"]),
        (b"md5sum ''", ["md5sum", ""]),
        (b"md5sum $HOME `id` *", ["md5sum", "$HOME", "`id`", "*"]),
        (b"", []),
    ],
)
def test_a_line_is_split_as_a_shell_does_it(line, expected) -> None:
    assert [word.text for word in words(line)] == expected


@pytest.mark.parametrize(
    ("line", "text", "pattern"),
    [
        (b"a*", "a*", "a*"),
        (b'"a*"', "a*", "a\\*"),
        (b"'[a]'?", "[a]?", "\\[a]?"),
        (b"a\\*b*", "a*b*", "a\\*b*"),
        (b"'\\'*", "\\*", "\\\\*"),
        (b'"a\\*\\$\\"\\\\"', 'a\\*$"\\', 'a\\\\\\*$"\\\\'),
        (b"a\\\nb", "ab", "ab"),
    ],
)
def test_a_pattern_tells_what_was_quoted(line, text, pattern) -> None:
    assert words(line) == [(text, pattern)]


@pytest.mark.parametrize("line", [b"md5sum 'a", b'md5sum "', b'md5sum "a\\', b"md5sum a\\"])
def test_a_quotation_without_an_end_is_told(line) -> None:
    with pytest.raises(UsageError, match=r"^cannot read the command line: no (closing quotation|escaped character)$"):
        words(line)


def test_what_goes_wrong_is_one_line_and_an_exit_status() -> None:
    async def full(call: Call) -> int:
        raise QuotaExceeded("quota exceeded: no more")

    async def misused(call: Call) -> int:
        raise UsageError("a word is wanted")

    async def broken(call: Call) -> int:
        raise ZeroDivisionError

    running = [start(work) for work in (full, misused, broken)]
    assert [one.channel.status for one in running] == [1, 2, 1]
    first, second, third = (one.channel.complaints for one in running)
    assert first == ["try: quota exceeded: no more"]
    assert second == ["try: a word is wanted; usage: try [WORD]"]
    assert third[0].startswith("try: failure (reference ")
    assert running[0].told == [(1, "quota exceeded: no more")]


@pytest.mark.parametrize(("number", "name"), [(15, b"TERM"), (25, b"XFSZ@conchgo"), (70, b"70@conchgo")])
def test_a_program_that_a_signal_ended(number: int, name: bytes) -> None:
    async def ended(call: Call) -> int:
        return -number

    running = start(ended)
    assert (running.channel.status, running.channel.signal) == (None, name)
    assert running.told == [(128 + number, None)]


def test_a_command_that_waits_for_its_client_is_not_busy() -> None:
    running = Running(filesystem(), "md5sum")
    assert not running.program.busy
    running.end()
    assert running.channel.status == 0


def test_a_client_that_leaves_ends_what_waits_for_it() -> None:
    running = Running(filesystem(), "md5sum")
    running.program.connection_lost()
    assert running.told == [(1, "cut off before it was done")]


def test_what_is_open_when_the_client_leaves_is_closed() -> None:
    files, runner = filesystem(), Later()
    put(files, b"/f", b"x" * 100)
    closed: list[int] = []

    async def reading(call: Call) -> int:
        file = await call.files.do(lambda filesystem: filesystem.open(call.files.path("f"), OpenOptions(read=True)))
        try:
            await call.files.hop(file.pread, 1, 0)
            await call.files.hop(file.pread, 1, 0)
        finally:
            await call.files.close(file)
            closed.append(1)
        return 0

    running = Running(files, "try", runner=runner, row=command(reading))
    assert runner.jobs
    running.program.connection_lost()
    assert not closed
    while runner.jobs:
        runner.do()
    assert closed
    assert running.told == [(1, "cut off before it was done")]
    assert not running.program.busy


def test_work_that_must_wait_is_asked_again_in_its_time() -> None:
    asked = []

    def work(filesystem) -> str:
        asked.append(1)
        if len(asked) < 3:
            raise NotBefore(0)
        return "done"

    async def waiting(call: Call) -> int:
        assert await call.files.do(work) == "done"
        return 0

    running = start(waiting)
    assert running.program.busy
    while running.channel.status is None:
        running.clock.advance(1)
    assert running.channel.status == 0
    assert len(asked) == 3


def test_cd_and_pwd_tell_where_one_is() -> None:
    files = filesystem(start=b"/incoming")
    assert bytes(run(files, "pwd").output) == b"/incoming\n"
    for arguments in ((), ("anywhere",), ("..", "x")):
        channel = run(files, "cd", *arguments)
        assert (channel.status, bytes(channel.output), channel.errors) == (0, b"", b"")


def test_help_shows_what_there_is() -> None:
    text = bytes(run(filesystem(), "help").output).decode()
    for row in commands().values():
        assert f"  {row.name}" in text
        assert row.help in text


@pytest.mark.parametrize("line", [b"x" * (MAX_COMMAND + 1), b"x " * MAX_COMMAND])
def test_a_line_that_would_take_long_to_split_is_refused(line: bytes) -> None:
    with pytest.raises(UsageError, match="longer than"):
        words(line)


@pytest.mark.parametrize("options", [("-r",) * 10_000, ("-" + "r" * 10_000,)], ids=["many", "clustered"])
def test_more_options_than_anybody_means_are_refused(options: tuple[str, ...]) -> None:
    channel = run(filesystem(), "scp", "-t", *options, "x")
    assert channel.status == 2
    assert channel.complaints[0].startswith("scp: too many options")


def test_names_behind_two_dashes_are_no_options() -> None:
    channel = run(filesystem(), "md5sum", "--", *("-name",) * 1000)
    assert channel.status == 1
    assert len(channel.complaints) == 1000


@pytest.mark.parametrize("name", ["pwd", "help"])
def test_commands_that_take_no_words_say_so(name) -> None:
    channel = run(filesystem(), name, "word")
    assert (channel.status, bytes(channel.output)) == (2, b"")
    assert len(channel.complaints) == 1

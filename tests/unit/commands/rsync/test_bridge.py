import pytest

from conchgo.commands.rsync.bridge import Bridge
from conchgo.errors import Failure, InvalidArgument

GREETING = b"@RSYNCD: 32.0 sha512 md5\n"
VERSION_32, VERSION_29 = b"\x20\0\0\0", b"\x1d\0\0\0"
WORDS = [b"--server", b"-re.", b".", b"files/a b"]


def joined(pieces):
    return b"".join(map(bytes, pieces))


def opened(bridge: Bridge, version: bytes = VERSION_32) -> tuple[bytes, bytes]:
    """What the daemon and the client got until then."""
    sent = [bridge.from_program(GREETING), bridge.from_client(version), bridge.from_program(b"@RSYNCD: OK\n")]
    return joined(one for pair in sent for one in pair[0]), joined(one for pair in sent for one in pair[1])


def test_both_hear_what_they_wait_for():
    to_program, to_client = opened(Bridge(b"files", WORDS))
    assert to_program == b"@RSYNCD: 32.0 md5 md4\nfiles\n--server\0-re.\0.\0files/a b\0\0"
    assert to_client == VERSION_32


def test_old_versions_end_words_with_newlines():
    to_program, to_client = opened(Bridge(b"files", WORDS), VERSION_29)
    assert to_program.startswith(b"@RSYNCD: 29.0 ")
    assert to_program.endswith(b"\n--server\n-re.\n.\nfiles/a b\n\n")
    assert to_client == VERSION_32


def test_bytes_may_come_in_any_order_and_size():
    bridge = Bridge(b"files", WORDS)
    to_program, to_client = b"", b""
    for data in (VERSION_32 + b"filters", *(bytes([byte]) for byte in GREETING + b"\n@RSYNCD: OK\nrest")):
        feed = bridge.from_program if len(data) == 1 else bridge.from_client
        sent = feed(data)
        to_program, to_client = to_program + joined(sent[0]), to_client + joined(sent[1])
    assert to_program.endswith(b"files/a b\0\0filters")
    assert to_client == VERSION_32 + b"rest"


def test_what_the_client_sent_before_comes_first():
    bridge = Bridge(b"files", WORDS, VERSION_32 + b"early ")
    bridge.from_client(b"data")
    bridge.from_program(GREETING)
    to_program, _ = bridge.from_program(b"@RSYNCD: OK\n")
    assert joined(to_program).endswith(b"\0\0early data")


def test_the_client_is_answered_only_when_the_daemon_takes_its_data():
    bridge = Bridge(b"files", WORDS)
    assert joined(bridge.from_program(GREETING)[1]) == b""
    assert joined(bridge.from_client(VERSION_32)[1]) == b""


def test_then_all_goes_through():
    bridge = Bridge(b"files", WORDS)
    opened(bridge)
    assert bridge.from_client(b"up") == ([b"up"], ())
    assert bridge.from_program(b"down") == ((), [b"down"])
    assert bridge.client_ended() == ((), ())


def test_a_client_that_sends_before_it_is_answered():
    bridge = Bridge(b"files", WORDS)
    bridge.from_client(bytes(60_000))
    with pytest.raises(InvalidArgument):
        bridge.from_client(bytes(60_000))


def test_a_client_that_is_no_rsync():
    bridge = Bridge(b"files", WORDS)
    bridge.from_program(GREETING)
    with pytest.raises(InvalidArgument):
        bridge.from_client(b"GET / HTTP/1.1\n")


@pytest.mark.parametrize("line", [b"@ERROR: chroot failed\n", b"hello\n", b"@RSYNCD: x\n", bytes(70_000)])
def test_a_daemon_that_does_not_begin(line):
    bridge = Bridge(b"files", WORDS)
    if line.startswith(b"@ERROR"):
        bridge.from_program(GREETING)
        bridge.from_client(VERSION_32)
    with pytest.raises(Failure):
        bridge.from_program(line)


def test_a_newline_that_would_be_another_word():
    bridge = Bridge(b"files", [b"--server", b"a\nb"])
    bridge.from_client(VERSION_29)
    bridge.from_program(GREETING)
    with pytest.raises(InvalidArgument):
        bridge.from_program(b"@RSYNCD: OK\n")


def test_events_are_told():
    told: list[bytes] = []
    Bridge(b"files", WORDS, tell=told.append).events(b"line")
    assert told == [b"line"]

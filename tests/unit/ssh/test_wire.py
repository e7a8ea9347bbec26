import pytest

from conchgo.ssh.wire import ProtocolViolation, Reader


def test_fields_come_in_order() -> None:
    fields = Reader(b"\x07\x01" + b"\0\0\0\x05" + b"\0\0\0\x02ab" + b"xyz" + b"rest")

    assert (fields.byte(), fields.boolean(), fields.uint32()) == (7, True, 5)
    assert (fields.string(), fields.raw(3), fields.rest()) == (b"ab", b"xyz", b"rest")
    fields.end()


@pytest.mark.parametrize(
    ("data", "field"),
    [(b"", Reader.byte), (b"", Reader.boolean), (b"\0\0\0", Reader.uint32), (b"\0\0\0\x05four", Reader.string)],
)
def test_a_field_that_is_not_there_is_the_peers_fault(data, field) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        field(Reader(data))

    assert caught.value.code == 2


def test_nothing_may_follow_the_last_field() -> None:
    with pytest.raises(ProtocolViolation):
        Reader(b"x").end()

from __future__ import annotations

from conchgo.sessions.notices import Notice
from tests.unit.sessions.helpers import WrittenStream


def test_a_notice_says_its_line_and_ends() -> None:
    stream, notice = WrittenStream(), Notice("Not here.", 7)
    notice.started(stream)
    assert (stream.output, stream.errors, stream.status) == (b"", b"Not here.\r\n", 7)
    notice.data_received(b"12345")
    notice.input_ended()
    notice.drained()
    notice.connection_lost()
    assert stream.input_consumed == 5

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conchgo.quota.journal import Journal, read
from conchgo.quota.records import Doubt, Intent, Mark, Outcome, Payer, Record, framed, records

PAYER = Payer(1, "user:alice", ("user:alice", "folder:shared"))
INTENT = Intent(7, 1, b"/a/b\xff", (2**64 - 1, 2**63), 5, 10, 1, 2, True)
NEW = Intent(8, 1, b"/", None, 0, 0, 0, 0, False)
OUTCOME = Outcome(7, 1, -5, -1, (3, 4), 0, 0, 1.25, 1.5)
ALL: list[Record] = [PAYER, INTENT, NEW, OUTCOME, Outcome(8, 1, 0, 0, None, 0, 0, 1.25, 2.5), Mark(3), Doubt(7)]


def filled(path: Path, *wanted: Record) -> Journal:
    journal = Journal(str(path))
    for record in wanted:
        journal.write(record.payload())
    return journal


def test_what_was_written_is_read(tmp_path: Path) -> None:
    filled(tmp_path / "a", *ALL)
    assert read(str(tmp_path / "a")) == (0, ALL)


def test_a_record_that_was_cut_off_ends_the_journal() -> None:
    whole = framed(PAYER.payload(), 5)
    cut = framed(INTENT.payload(), 5)
    for length in range(len(cut)):
        assert list(records(whole + cut[:length], 5)) == [PAYER]
        assert list(records(whole + cut[:length] + bytes(50), 5)) == [PAYER]


def test_no_path_looks_like_a_record() -> None:
    inner = framed(Outcome(9, 1, 5, 5, None, 0, 0, 0, 0).payload(), 0)
    outer = framed(INTENT._replace(path=b"/" + inner).payload(), 1234)
    assert list(records(outer[outer.index(inner) :], 1234)) == []


def test_a_new_file_goes_on_with_what_follows_the_mark(tmp_path: Path) -> None:
    journal = filled(tmp_path / "a", PAYER, INTENT)
    journal.mark(Mark(3).payload())
    journal.write(OUTCOME.payload())
    journal.renew(3, [PAYER.payload()])
    journal.write(NEW.payload())
    assert read(str(tmp_path / "a")) == (3, [PAYER, OUTCOME, NEW])
    assert os.listdir(tmp_path) == ["a"]


def test_what_could_not_be_written_comes_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, pwrite = filled(tmp_path / "a", PAYER), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: pwrite(descriptor, data[:10], offset))
    with pytest.raises(OSError, match="full"):
        journal.write(NEW.payload())
    journal.write_or_owe(OUTCOME.payload())
    monkeypatch.setattr(os, "pwrite", pwrite)
    journal.write(INTENT.payload())
    assert read(str(tmp_path / "a")) == (0, [PAYER, OUTCOME, INTENT])


def test_it_has_room_on_the_disk_from_the_beginning(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    assert os.stat(tmp_path / "a").st_blocks * 512 >= 2**20


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    assert os.stat(tmp_path / "a").st_mode & 0o777 == 0o600


def test_a_closed_journal_writes_to_nobody_elses_file(tmp_path: Path) -> None:
    journal = filled(tmp_path / "a")
    journal.close()
    descriptor = os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError, match="Bad file descriptor"):
        journal.write(NEW.payload())
    os.close(descriptor)


@pytest.mark.parametrize("content", [b"", b"conchgo journal", b"something else that is longer than a header" * 3])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match="no journal"):
        read(str(tmp_path / "a"))

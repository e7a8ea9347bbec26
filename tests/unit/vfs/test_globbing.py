"""Wildcards that ask for more than a server should do."""

from __future__ import annotations

import pytest

from conchgo.errors import Failure
from conchgo.paths import VirtualPath
from conchgo.vfs import globbing
from conchgo.vfs.globbing import expanded
from tests.unit.commands.running import filesystem, put

p = VirtualPath.parse


@pytest.fixture
def files():
    files = filesystem()
    for number in range(10):
        put(files, b"/%d" % number, b"")
        files.symlink(b".", p(b"/to%d" % number))
    return files


def test_links_lead_to_no_more_names_than_a_list_should_hold(files, monkeypatch) -> None:
    monkeypatch.setattr(globbing, "_MOST", 300)
    assert len(expanded(files, p(b"/to*/*"))) == 200
    with pytest.raises(Failure, match="more than 300 names match"):
        expanded(files, p(b"/to*/to*/*"))


def test_links_lead_to_no_more_work_than_a_thread_should_do(files, monkeypatch) -> None:
    monkeypatch.setattr(globbing, "_MOST_SEEN", 1000)
    assert expanded(files, p(b"/to*/nothing*")) == []
    with pytest.raises(Failure, match="fewer wildcards"):
        expanded(files, p(b"/to*/to*/nothing*"))

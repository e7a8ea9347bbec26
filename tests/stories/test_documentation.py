"""What docs say of the code is what the code says of itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conchgo.commands.documentation import table
from conchgo.service.algorithms import LISTS
from conchgo.sftp.documentation import tables
from conchgo.ssh.algorithms import ALGORITHM_SETS, ALGORITHMS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_sftp_tables_are_those_of_the_code() -> None:
    text = (DOCS / "sftp.md").read_text()
    documented = text.partition("<!-- tables -->")[2].partition("<!-- /tables -->")[0]
    assert documented.strip() == tables().strip()


def test_the_commands_are_those_of_the_code() -> None:
    text = (DOCS / "commands.md").read_text()
    documented = text.partition("<!-- table -->")[2].partition("<!-- /table -->")[0]
    assert documented.strip() == table().strip()


@pytest.mark.parametrize(("key", "field"), LISTS.items())
def test_the_algorithms_are_those_of_the_code(key: str, field: str) -> None:
    """Behind a semicolon: those that the default set has not."""
    (row,) = re.findall(rf"^\| `{key}`[^|]*\| (.*) \|$", (DOCS / "service.md").read_text(), re.MULTILINE)
    documented = [re.findall(r"[\w@.-]+", part) for part in f"{row};".split(";")[:2]]
    default = getattr(ALGORITHM_SETS["default"], field)
    other = [name for name in ALGORITHMS[field] if name not in default]
    assert documented == [[name.decode() for name in names] for names in (default, other)]

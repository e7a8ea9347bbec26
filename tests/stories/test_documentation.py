"""What docs say of the code is what the code says of itself."""

from __future__ import annotations

from pathlib import Path

from conchgo.sftp.documentation import tables

DOCS = Path(__file__).parents[2] / "docs"


def test_the_sftp_tables_are_those_of_the_code() -> None:
    text = (DOCS / "sftp.md").read_text()
    documented = text.partition("<!-- tables -->")[2].partition("<!-- /tables -->")[0]
    assert documented.strip() == tables().strip()

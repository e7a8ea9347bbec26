"""docs/compatibility.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "compatibility.md"


def test_every_row_names_tests_that_exist() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "---" not in line]
    covered = [re.findall(r"[\w/]+/test_\w+\.py", row.rpartition(" | ")[2]) for row in rows if "| Tests |" not in row]
    assert len(covered) >= 51
    for names in covered:
        assert names
        for name in names:
            assert (TESTS / name).is_file(), name

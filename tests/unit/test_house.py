"""Laws of the house that import-linter can't say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "conchgo"

#: The one module that may import what Twisted calls private.
PRIVATE = PACKAGE / "ssh" / "conch_private.py"


def _private_names(tree: ast.AST) -> Iterator[str]:
    """Names and modules of Twisted with a leading underscore that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twisted"):
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names if alias.name.startswith("twisted")]
        else:
            continue
        yield from (name for name in dotted if any(part.startswith("_") for part in name.split(".")))


def test_private_names_of_twisted_are_imported_in_one_module() -> None:
    found = {
        str(path.relative_to(PACKAGE)): names
        for path in PACKAGE.rglob("*.py")
        if path != PRIVATE and (names := list(_private_names(ast.parse(path.read_text()))))
    }
    assert found == {}
    assert list(_private_names(ast.parse(PRIVATE.read_text())))


def test_no_module_is_longer_than_500_lines() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert [str(path) for path, size in sizes.items() if size > 500] == []

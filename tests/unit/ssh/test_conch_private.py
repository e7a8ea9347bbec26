"""Private names of Conch change without notice: they are imported in one module (import-linter cannot say this)."""

import ast
import glob
import os

import conchgo

ROOT = os.path.dirname(conchgo.__file__)


def private_imports(path: str) -> list[str]:
    """The names with a leading underscore that a module imports from Twisted."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if name.startswith("twisted.") and "._" in name]


def test_private_names_of_conch_are_imported_in_one_module() -> None:
    paths = glob.glob(f"{ROOT}/**/*.py", recursive=True)
    found = {os.path.relpath(path, ROOT) for path in paths if private_imports(path)}

    assert found == {os.path.join("ssh", "conch_private.py")}

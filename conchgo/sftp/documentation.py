"""The tables of docs/sftp.md, made from the tables of requests: `python -m conchgo.sftp.documentation`."""

from __future__ import annotations

from collections.abc import Iterable

from conchgo.sftp import extensions
from conchgo.sftp.requests import REQUESTS
from conchgo.sftp.rows import Row


def _table(heading: str, rows: Iterable[Row]) -> list[str]:
    lines = [f"| {heading} | changes something | permissions it may ask |", "| --- | --- | --- |"]
    for row in rows:
        name = f"`{row.name}`" + (f" {row.version.decode()}" if row.version else "")
        verbs = ", ".join(f"`{verb}`" for verb in row.needs) or "none of its own"
        lines.append(f"| {name} | {'yes' if row.writes else 'no'} | {verbs} |")
    return lines


def tables() -> str:
    """Both tables, in Markdown."""
    return "\n".join(
        [
            *_table("Request", REQUESTS.values()),
            "",
            *_table("Extension", (*extensions.ENGINE, *extensions.FILESYSTEM)),
            "",
        ]
    )


if __name__ == "__main__":
    print(tables(), end="")

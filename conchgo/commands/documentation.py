"""The table of docs/commands.md, made from the table of commands: `python -m conchgo.commands.documentation`."""

from __future__ import annotations

from conchgo.commands.table import BUILT_IN


def table() -> str:
    """In Markdown."""
    lines = ["| Command | what it does | permissions | changes something | on by default |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for row in BUILT_IN:
        usage = f"{row.name} {row.synopsis}".rstrip().replace("|", "\\|")
        verbs = ", ".join(f"`{verb}`" for verb in row.needs) or "none"
        lines.append(f"| `{usage}` | {row.help} | {verbs} | {_word(row.writes)} | {_word(row.default)} |")
    return "\n".join(lines) + "\n"


def _word(holds: bool) -> str:
    return "yes" if holds else "no"


if __name__ == "__main__":
    print(table(), end="")

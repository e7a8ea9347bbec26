"""The options that carry file patterns: each replaces the part of a record that it is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

from conchgo.accounts.naming import shown
from conchgo.accounts.patterns import DENY_POLICY, HIDE_POLICY
from conchgo.errors import InvalidArgument

#: A directory and its globs; None for nothing.
Rule = tuple[str, list[str]] | None

#: Option: the field that it sets, and the policy that it is for (None: either).
PARTS: Final[Mapping[str, tuple[str, int | None]]] = {
    "allowed_patterns": ("allowed_patterns", None),
    "denied_patterns": ("denied_patterns", DENY_POLICY),
    "hidden_patterns": ("denied_patterns", HIDE_POLICY),
}


def rule(text: str) -> Rule:
    """`/dir::*.jpg,*.png`, as SFTPGo takes it; an empty text is no rule."""
    if not text:
        return None
    path, _, listed = text.partition("::")
    globs = [glob for glob in map(str.strip, listed.split(",")) if glob]
    if not path.startswith("/") or not globs:
        raise click.BadParameter(f"{shown(text)}: write it as /dir::*.jpg,*.png")
    return path, globs


def replaced(option: str, patterns: Iterable[Mapping[str, Any]], rules: Iterable[Rule]) -> Sequence[Mapping[str, Any]]:
    """The `file_patterns` of a record with the rules of the option in place of what they had of that kind.

    Raises:
        InvalidArgument: what is denied in a directory would be hidden and not hidden.
    """
    field, policy = PARTS[option]
    kept = {record.get("path", ""): {**record} for record in patterns}
    for record in kept.values():
        if policy in (None, record.get("deny_policy") or DENY_POLICY):
            record[field] = []
    for path, globs in filter(None, rules):
        record = kept.setdefault(path, {"path": path})
        record[field] = [*_globs(record, field), *globs]
        if policy is not None and record.setdefault("deny_policy", policy) != policy:
            raise InvalidArgument(
                f"filters.file_patterns: {shown(path)}: names there are denied (--denied-patterns) or hidden "
                "(--hidden-patterns), not both; clear the others"
            )
    return [
        record for record in kept.values() if _globs(record, "allowed_patterns") or _globs(record, "denied_patterns")
    ]


def _globs(record: Mapping[str, Any], field: str) -> Sequence[str]:
    return record.get(field) or []

"""`conchgo status`: what runs, and what system commands have to run in."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import click

from conchgo.cli.context import Context
from conchgo.cli.display import print_fields, print_json
from conchgo.database.owners import living_owners
from conchgo.processes.launching import Limits
from conchgo.processes.roots import version
from conchgo.processes.tiers import Finding, find_boxes
from conchgo.sessions.sql import all_sessions

#: What system commands need.
_PROGRAMS = ("bwrap", "git", "rsync")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Tell which workers live, how many sessions there are, and how system commands (git, rsync) are kept in.

    The last is tried out by this command itself, so run it as the user of the service.
    """
    engine = context.database()
    workers = [{"host": owner.host, "pid": owner.pid} for owner in living_owners(engine)]
    sessions = len(all_sessions(engine))
    finding = _tried(context.settings.processes.tier)
    programs = {name: version(name) for name in _PROGRAMS}
    if as_json:
        print_json(_object(workers, sessions, finding, programs))
    else:
        shown = ", ".join(f"{worker['host']} {worker['pid']}" for worker in workers)
        print_fields(
            (
                ("workers", shown or "none: the service does not run"),
                ("sessions", str(sessions)),
                ("system commands", f"{finding} (tried as uid {os.geteuid()})"),
                *programs.items(),
            )
        )


def _object(workers: list[dict[str, Any]], sessions: int, finding: Finding, programs: dict[str, str]) -> dict[str, Any]:
    tier = {"tier": finding.tier.value, "reason": finding.reason}
    return {"workers": workers, "sessions": sessions, "processes": tier, "programs": programs}


def _tried(tier: str) -> Finding:
    with tempfile.TemporaryDirectory(prefix="conchgo-") as directory:
        return find_boxes(tier, Limits(), directory)

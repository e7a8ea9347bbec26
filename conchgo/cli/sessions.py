"""`conchgo sessions`: who is connected."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import click

from conchgo.cli.context import Context
from conchgo.cli.display import print_json, print_table
from conchgo.sessions.sql import Listed, all_sessions

_COLUMNS: Final = ("username", "ip", "protocol", "since", "connection", "host", "pid")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list, with the times in UTC.")
@click.pass_obj
def sessions(context: Context, as_json: bool) -> None:
    """List the open sessions of all workers and nodes that share the database, the oldest first.

    A session is listed a second after its begin at the latest. Its connection is the `session` of the audit log.
    """
    rows = [_row(listed) for listed in all_sessions(context.database())]
    if as_json:
        print_json(rows)
    else:
        print_table(list(_COLUMNS), ([str(row[name]) for name in _COLUMNS] for row in rows))


def _row(listed: Listed) -> dict[str, str | int]:
    session, owner = listed
    since = datetime.fromtimestamp(session.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    values = (session.username, session.ip, session.protocol, since, session.connection, owner.host, owner.pid)
    return dict(zip(_COLUMNS, values, strict=True))

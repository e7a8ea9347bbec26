"""`conchgo quota`: what is used, and counting it anew."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import click

from conchgo.cli.context import Context
from conchgo.cli.display import print_json
from conchgo.errors import ConchgoError, Failure, NotBefore
from conchgo.quota.charges import folder_domain, included, user_domain
from conchgo.quota.interface import Usage
from conchgo.quota.tracking import Track
from conchgo.sessions.counting import Counting, all_domains

F = TypeVar("F", bound=Callable[..., Any])

#: Seconds between signs of life.
_BEAT: Final = 5.0

#: So many of those who are left out are named.
_NAMED: Final = 10

_json = click.option("--json", "as_json", is_flag=True, help="JSON: a list of objects with domain, size and files.")


def _chosen(command: F) -> F:
    """Whose quota."""
    command = click.argument("username", required=False)(command)
    command = click.option("--folder", metavar="NAME", help="A folder's in place of a user's.")(command)
    return click.option("--all", "everything", is_flag=True, help="Of all users and folders.")(command)


@click.group()
def quota() -> None:
    """Show what is used of quotas, and count anew."""


@quota.command()
@_chosen
@_json
@click.pass_obj
def show(obj: Context, /, username: str | None, folder: str | None, everything: bool, as_json: bool) -> None:
    """Show what is used, as the service counts it: half a second old at most."""
    usages = obj.usages()
    named = username or folder or everything
    domains = _domains(obj, username, folder, everything, Track.ALL) if named else sorted(usages)
    _print([(domain, usages.get(domain)) for domain in domains], as_json)


@quota.command()
@_chosen
@_json
@click.pass_obj
def scan(obj: Context, /, username: str | None, folder: str | None, everything: bool, as_json: bool) -> None:
    """Count what is there, while the service goes on.

    Of a user that is his home, and the folders that are included in his quota. --all leaves out those whom the service
    does not count (quota.track), and names them. Who is named is counted.

    Whoever interrupts it may go on later with the same command; the service does so too.
    """
    domains = _domains(obj, username, folder, everything, Track(obj.settings.quota.track))
    known = obj.usages()
    failed = set()
    with _counting(obj) as (counting, beat):
        for domain in _parts(obj, username, domains):
            try:
                _count(counting, domain, known.get(domain), beat)
            except ConchgoError as error:
                if not everything:
                    raise
                click.echo(f"conchgo: {domain}: {error.text}", err=True)
                failed.add(domain)
    usages = obj.usages()
    _print([(domain, usages.get(domain)) for domain in domains if domain not in failed], as_json)
    if failed:
        sys.exit(1)


def _parts(obj: Context, username: str | None, domains: Sequence[str]) -> Sequence[str]:
    """Folders come first: what is uncertain of a user is known when his folders are."""
    user = None if username is None else obj.account_store().user(username)
    return sorted({*domains, *(() if user is None else included(user))})


def _count(counting: Counting, domain: str, known: Usage | None, beat: Callable[[], None]) -> None:
    shown = sys.stderr if sys.stderr.isatty() else io.StringIO()
    with click.progressbar(length=max(1, known.files if known else 1), label=domain, file=shown) as bar:

        def progress(seen: int, _left: int) -> None:
            bar.length = max(bar.length or 1, bar.pos + seen + 1)
            bar.update(seen)
            beat()

        while True:
            try:
                counting.count(domain, progress)
                return
            except NotBefore as wait:
                beat()
                time.sleep(max(0.0, wait.at - time.monotonic()))


@contextmanager
def _counting(obj: Context) -> Iterator[tuple[Counting, Callable[[], None]]]:
    """As one of those who work on the database, and the sign that it lives, to be given now and then."""
    from conchgo.service.quotas import counting, owner

    this = owner(obj.database(), obj.settings)
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last > _BEAT:
            last = time.monotonic()
            this.beat()

    try:
        yield counting(obj.database(), this, obj.account_store(), obj.settings), beat
    finally:
        with suppress(Failure):
            this.leave()


def _domains(obj: Context, username: str | None, folder: str | None, everything: bool, track: Track) -> list[str]:
    if [username is not None, folder is not None, everything].count(True) != 1:
        raise click.UsageError("Name a user, or give --folder NAME or --all.")
    if username is not None:
        return [user_domain(username)]
    if folder is not None:
        return [folder_domain(folder)]
    domains, others = all_domains(obj.account_store(), track)
    if others:
        named = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" if len(others) > _NAMED else "")
        click.echo(
            f'conchgo: left out, for quota.track = "{track.value}" does not count them: {named}; '
            "name a user or folder to have it counted all the same",
            err=True,
        )
    return domains


def _print(rows: Sequence[tuple[str, Usage | None]], as_json: bool) -> None:
    if as_json:
        print_json(
            [{"domain": domain, "size": usage and usage.size, "files": usage and usage.files} for domain, usage in rows]
        )
        return
    width = max((len(domain) for domain, _ in rows), default=0)
    for domain, usage in rows:
        counted = "not counted yet" if usage is None else f"{usage.size:>16} bytes {usage.files:>10} files"
        click.echo(f"{domain:<{width}}  {counted}")

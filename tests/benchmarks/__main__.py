"""`python -m tests.benchmarks`: measure, and show what was found."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import click

from tests.benchmarks import goals, machine, plot
from tests.benchmarks.configurations import CONFIGURATIONS
from tests.benchmarks.kinds import GROUPS
from tests.benchmarks.places import prepared
from tests.benchmarks.plan import FULL, MIB, QUICK
from tests.benchmarks.report import Report
from tests.benchmarks.runner import run

_CHECKOUT: Final = Path(__file__).parents[2]
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_DIRECTORY: Final = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--quick", is_flag=True, help="Little of everything, once: shows that the bench works, measures nothing.")
@click.option("--only", type=click.Choice(GROUPS), multiple=True, help="Measure only this; may be repeated.")
@click.option("--server", type=click.Choice(tuple(CONFIGURATIONS)), multiple=True, help="Only this server; the same.")
@click.option("--rounds", type=click.IntRange(1), help=f"Turns of each server ({FULL.rounds}).")
@click.option("--size", type=click.IntRange(1), help=f"MiB of a bulk transfer ({FULL.size // MIB}).")
@click.option("--tmpfs", type=_DIRECTORY, default="/dev/shm", show_default=True, help="A directory on tmpfs.")
@click.option("--disk", type=_DIRECTORY, default=_CHECKOUT / "var/bench", help="One on a disk (var/bench).")
@click.option("--json", "json_file", type=_FILE, help="Write every sample there.")
@click.option("--plot", "plot_file", type=_FILE, help="Draw the ratios there, as PNG.")
@click.option("--docs", type=_FILE, help="Put the tables between the markers of this page.")
def main(
    tmpfs: Path, disk: Path, json_file: Path | None, plot_file: Path | None, docs: Path | None, **options: Any
) -> None:
    """Measure conchgo against other servers, those that are installed, in one interleaved run.

    Figures are reported, never judged: the exit code is 0 unless the bench itself failed.
    """
    # An end from outside must end the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    load, start = os.getloadavg()[0], time.monotonic()
    given = {"rounds": options["rounds"], "size": options["size"] and options["size"] * MIB}
    plan = dataclasses.replace(
        QUICK if options["quick"] else FULL, **{name: value for name, value in given.items() if value}
    )
    try:
        with prepared(plan, tmpfs, disk) as places, tempfile.TemporaryDirectory(prefix="servers-", dir=disk) as state:
            done = run(plan, places, options["only"] or GROUPS, options["server"] or tuple(CONFIGURATIONS), Path(state))
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    report = Report(done, list(goals.judge(done.results)), machine.describe(done, load, time.monotonic() - start))
    report.show()
    if json_file:
        report.write_json(json_file)
    if plot_file:
        plot.draw(report.verdicts, plot_file)
    if docs:
        report.write_docs(docs, plot_file)
    if goals.OURS in done.missing or any(name == goals.OURS for name, _ in done.failures):
        raise click.ClickException(f"{goals.OURS} could not be measured; see above")


if __name__ == "__main__":
    main()

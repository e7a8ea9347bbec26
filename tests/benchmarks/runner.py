"""One run: every server takes its turn in every round of every measurement, so that all see the same machine."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.configurations import Missing
from tests.benchmarks.figures import Results
from tests.benchmarks.kinds import KINDS, Kind
from tests.benchmarks.places import Place
from tests.benchmarks.plan import Plan
from tests.benchmarks.servers import Server, Workshop


@dataclass
class Run:
    """What a run found. `software` is how each server calls itself, `missing` why others were left out.

    `failures` are measurements that failed, by the server's name and the reason.
    """

    plan: Plan
    places: tuple[Place, ...]
    results: Results = field(default_factory=Results)
    software: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)


def run(plan: Plan, places: tuple[Place, ...], groups: Collection[str], names: Collection[str], state: Path) -> Run:
    """Measure the kinds in `groups` of the servers in `names`, of those that are installed."""
    done = Run(plan, places)
    kinds = [kind for kind in KINDS if kind.group in groups]
    concerned = {name for kind in kinds for name in kind.servers}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns, console=Console(file=sys.stderr)))
        turns = _Turns(done, Workshop(state), progress)
        turns.start(stack, [name for name in names if name in concerned])
        turns.take(kinds)
    return done


class _Turns:
    def __init__(self, run: Run, workshop: Workshop, progress: Progress) -> None:
        self._run, self._workshop, self._progress = run, workshop, progress
        self._servers: dict[tuple[str, str], Server] = {}

    def start(self, stack: ExitStack, names: Collection[str]) -> None:
        """One of each server for each place."""
        for name in names:
            for place in self._run.places:
                try:
                    server = stack.enter_context(self._workshop.running(name, place))
                except (Missing, RuntimeError) as reason:
                    self._run.missing[name] = str(reason)
                    self._progress.console.print(f"{name} is left out: {reason}", markup=False)
                    break
                self._servers[name, place.name] = server
                self._run.software[name] = server.offer.software

    def take(self, kinds: list[Kind]) -> None:
        turns = [
            (kind, server)
            for kind in kinds
            for _ in range(1 if kind.once else self._run.plan.rounds)
            for place in kind.places
            for name in kind.servers
            if (server := self._servers.get((name, place)))
        ]
        task = self._progress.add_task("", total=len(turns))
        for number, (kind, server) in enumerate(turns, 1):
            what = f"{kind.group}, {server.place.name}, {server.name}"
            self._progress.update(task, description=what)
            if not self._progress.console.is_terminal:
                self._progress.console.print(f"{number}/{len(turns)} {what}")
            try:
                self._take(kind, server)
            except (RuntimeError, OSError) as error:
                self._run.failures.append((server.name, f"{kind.group} on {server.place.name}: {error}"))
                self._progress.console.print(f"{server.name}: {kind.group}: {error}", markup=False)
            self._progress.advance(task)

    def _take(self, kind: Kind, server: Server) -> None:
        if kind.fresh:
            with self._workshop.running(server.name, server.place) as fresh:
                self._measure(kind, fresh)
        else:
            self._measure(kind, server)

    def _measure(self, kind: Kind, server: Server) -> None:
        for sample in kind.measure(server, self._run.plan):
            self._run.results.add(sample, server.place.name, server.name)

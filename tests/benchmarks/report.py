"""The figures as a table for a terminal, as JSON, and as a part of a page of the documentation."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Unit
from tests.benchmarks.goals import Verdict
from tests.benchmarks.runner import Run

_BEGIN: Final = "<!-- figures -->"
_END: Final = "<!-- /figures -->"
_STYLES: Final = {"aim": "green", "held": "", "missed": "red"}
#: Columns that the tables need; a narrower terminal folds lines, but loses nothing.
_WIDTH: Final = 150
_GOAL_COLUMNS: Final = ("what", "unit", "on", "conchgo", "against", "ratio", "rounds", "must", "aim", "")


@dataclasses.dataclass(frozen=True)
class Report:
    """A run, what was promised of it, and on what it was made."""

    run: Run
    verdicts: Sequence[Verdict]
    machine: Mapping[str, str]

    def show(self) -> None:
        """On standard output."""
        console = Console()
        console.width = max(console.width, _WIDTH)
        for what, value in self.machine.items():
            console.print(f"{what}: {value}", markup=False, highlight=False)
        _show(console, "Goals", _GOAL_COLUMNS, self._goal_rows())
        _show(console, "Medians", self._figure_columns, self._figure_rows())
        for name, reason in self.run.failures:
            console.print(f"failed: {name}: {reason}", markup=False)

    def write_json(self, path: Path) -> None:
        """Every sample with minimum, median and maximum, and the goals with their ratios."""
        results = self.run.results
        figures = [
            {
                "name": line.name,
                "unit": line.unit.value,
                "place": line.place,
                "servers": {server: _spread(values) for server, values in results.samples(line).items()},
            }
            for line in results
        ]
        goals = [
            {
                "name": verdict.goal.name,
                "unit": verdict.goal.unit.value,
                "place": verdict.line.place,
                "against": verdict.goal.against,
                "value": verdict.value,
                "must": verdict.goal.must,
                "aim": verdict.goal.aim,
                "verdict": verdict.text,
            }
            for verdict in self.verdicts
        ]
        whole = {
            "machine": self.machine,
            "plan": dataclasses.asdict(self.run.plan),
            "figures": figures,
            "goals": goals,
            "failures": self.run.failures,
        }
        path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")

    def write_docs(self, path: Path, plot: Path | None) -> None:
        """Replace what stands between the markers of the page; a plot is shown if there is one.

        Raises:
            ValueError: there are no markers.
        """
        before, begin, rest = path.read_text().partition(_BEGIN)
        _, end, after = rest.partition(_END)
        if not begin or not end:
            raise ValueError(f"{path} has no {_BEGIN} and {_END} to write the figures between")
        image = [f"![Ratios to other servers]({os.path.relpath(plot, path.parent)})"] if plot else []
        body = "\n\n".join([*image, *self._sections()])
        path.write_text(f"{before}{begin}\n\n{body}\n\n{end}{after}")

    def _sections(self) -> list[str]:
        parts = [
            "\n".join(f"- {what}: {value}" for what, value in self.machine.items()),
            "### Goals",
            _markdown(_GOAL_COLUMNS, self._goal_rows()),
            "### Medians of all servers",
            _markdown(self._figure_columns, self._figure_rows()),
        ]
        if self.run.failures:
            parts += ["Failed:", "\n".join(f"- {name}: {reason}" for name, reason in self.run.failures)]
        return parts

    def _goal_rows(self) -> Iterator[tuple[str, ...]]:
        for verdict in self.verdicts:
            goal = verdict.goal
            relative = verdict.theirs is not None
            yield (
                goal.name,
                goal.unit.value,
                verdict.line.place,
                _number(verdict.ours),
                f"{_number(verdict.theirs)} {goal.against}" if verdict.theirs is not None else "-",
                f"{verdict.value:.2f}" if relative else "-",
                f"{verdict.lowest:.2f} to {verdict.highest:.2f}" if relative else "-",
                f"{_sign(goal.unit)} {goal.must:g}",
                f"{_sign(goal.unit)} {goal.aim:g}" if goal.aim is not None else "-",
                verdict.text,
            )

    @property
    def _figure_columns(self) -> tuple[str, ...]:
        return ("what", "unit", "on", *self.run.software)

    def _figure_rows(self) -> Iterator[tuple[str, ...]]:
        results = self.run.results
        for line in results:
            medians = (results.median(line, server) for server in self.run.software)
            yield (line.name, line.unit.value, line.place, *map(_number, medians))


def _spread(values: list[float]) -> dict[str, Any]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "samples": values}


def _sign(unit: Unit) -> str:
    return "≥" if unit.more_is_better else "≤"


def _number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _show(console: Console, title: str, columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row, style=_STYLES.get(row[-1], ""))
    console.print(table)


def _markdown(columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

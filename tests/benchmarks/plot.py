"""The goals against other servers as bars, with what must be reached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.figures import Unit
from tests.benchmarks.goals import Verdict
from tests.benchmarks.places import DISK, TMPFS

_COLOURS: Final = {"aim": "#2a7f4f", "held": "#7fb98f", "missed": "#c8553d"}
_TICKS: Final = (0.25, 0.5, 1, 2, 4, 8, 16, 32)


def draw(verdicts: Sequence[Verdict], path: Path) -> None:
    """Write a PNG. A bar says how many times better conchgo is, so the longer the better, whatever the unit."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shown = [verdict for verdict in verdicts if verdict.goal.against and verdict.value]
    rows = list(dict.fromkeys(_label(verdict) for verdict in shown))
    figure, panels = pyplot.subplots(
        1, 2, sharey=True, sharex=True, figsize=(11, 1.2 + 0.2 * len(rows)), layout="constrained"
    )
    for panel, place in zip(panels, (TMPFS, DISK), strict=True):
        _panel(panel, place, [verdict for verdict in shown if verdict.line.place == place], rows)
    panels[0].set_yticks(range(len(rows)), rows, fontsize=8)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    figure.suptitle("conchgo: times better than the other server (bar), must (line), aim (dotted)", fontsize=10)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _panel(panel: Any, place: str, verdicts: Sequence[Verdict], rows: Sequence[str]) -> None:
    panel.set_title(place, fontsize=9)
    panel.set_xscale("log", base=2)
    panel.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS], fontsize=8)
    panel.minorticks_off()
    panel.axvline(1, color="black", linewidth=0.6)
    for verdict in verdicts:
        row = rows.index(_label(verdict))
        better = _times_better(verdict, verdict.value)
        panel.barh(row, better - 1, left=1, height=0.7, color=_COLOURS[verdict.text])
        panel.plot(
            [_times_better(verdict, verdict.goal.must)] * 2, [row - 0.45, row + 0.45], color="black", linewidth=1.5
        )
        if verdict.goal.aim is not None:
            aim = _times_better(verdict, verdict.goal.aim)
            panel.plot([aim] * 2, [row - 0.45, row + 0.45], color="black", linewidth=1, linestyle=":")


def _times_better(verdict: Verdict, ratio: float) -> float:
    return ratio if verdict.goal.unit.more_is_better else 1 / ratio


def _label(verdict: Verdict) -> str:
    what = f"{verdict.goal.name}: CPU" if verdict.goal.unit is Unit.CPU_PER_BYTE else verdict.goal.name
    return f"{what} / {verdict.goal.against}"

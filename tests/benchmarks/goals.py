"""What conchgo promises, and what it strives for: each line is compared with another server in the same run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.configurations import CONFIGURATIONS
from tests.benchmarks.figures import Line, Results, Unit

OURS: Final = next(iter(CONFIGURATIONS))
_SSHD: Final = "sshd"


@dataclass(frozen=True)
class Goal:
    """`must` and `aim` bound the ratio of our median to that of the server `against`, or our figure itself (None).

    They are least values where more is better, else most.
    """

    name: str
    unit: Unit
    must: float
    aim: float | None = None
    against: str | None = _SSHD

    def reached(self, bound: float | None, value: float) -> bool:
        """To two decimals: nothing finer was measured."""
        if bound is None:
            return False
        value = round(value, 2)
        return value >= bound if self.unit.more_is_better else value <= bound


@dataclass(frozen=True)
class Verdict:
    """How a goal was met on a place. `value` is what it bounds; `lowest` and `highest` are those of single rounds."""

    goal: Goal
    line: Line
    ours: float
    theirs: float | None
    value: float
    lowest: float
    highest: float

    @property
    def text(self) -> str:
        if self.goal.reached(self.goal.aim, self.value):
            return "aim"
        return "held" if self.goal.reached(self.goal.must, self.value) else "missed"


#: Must and aim.
_Bounds = tuple[float, float]


def _transfer(
    cipher: str, rates: tuple[_Bounds, _Bounds], cpu: tuple[_Bounds, _Bounds] | None = None
) -> Iterator[Goal]:
    """Of `rates` and `cpu` the first are for the download, the others for the upload."""
    for number, what in enumerate(("download", "upload")):
        name = f"{what}, {cipher}"
        yield Goal(name, Unit.RATE, *rates[number])
        if cpu:
            yield Goal(name, Unit.CPU_PER_BYTE, *cpu[number])
        yield Goal(name, Unit.RATE, 1, 1.4, "asyncssh")


def _pair(names: tuple[str, ...], unit: Unit, must: float, aim: float | None) -> Iterator[Goal]:
    return (Goal(name, unit, must, aim) for name in names)


GOALS: Final = (
    *_transfer("aes128-gcm", ((1.2, 1.5), (1.6, 1.9)), ((0.5, 0.4), (0.55, 0.45))),
    *_transfer("aes256-gcm", ((1.2, 1.5), (1.6, 1.9)), ((0.5, 0.4), (0.55, 0.45))),
    *_transfer("chacha20-poly1305", ((1.1, 1.2), (1.5, 1.9)), ((0.6, 0.55), (0.6, 0.55))),
    *_transfer("aes128-ctr+hmac-sha2-256-etm", ((1.05, 1.1), (1.3, 1.8))),
    *_pair(("download, 2 streams", "upload, 2 streams"), Unit.RATE, 1.3, 1.5),
    *_pair(("download, 4 streams", "upload, 4 streams"), Unit.RATE, 1.3, 1.5),
    *_pair(("small files down", "small files up"), Unit.FILES, 1, 1.2),
    *_pair(("stat, one by one", "stat, 100 ahead"), Unit.REQUESTS, 1, 1.2),
    *_pair(("stat beside a bulk download, p99", "stat beside a bulk download, worst"), Unit.LATENCY, 1, 0.5),
    *_pair(("stat beside a bulk upload, p99", "stat beside a bulk upload, worst"), Unit.LATENCY, 1, 0.5),
    Goal("logins, one by one", Unit.LOGINS, 5, 10),
    Goal("logins, 4 at once", Unit.LOGINS, 3, 6),
    *_pair(("download, long round trip", "upload, long round trip"), Unit.RATE, 1, None),
    Goal("memory of an idle session", Unit.KIB, 24, 12, against=None),
    Goal("flood: memory, 2nd half", Unit.MIB, 1, against=None),
    Goal("flood: CPU, 2nd half", Unit.CORES, 0.05, against=None),
    Goal("stat beside a flood, worst", Unit.LATENCY, 1),
    Goal("flood: a neighbour's stat against quiet", Unit.TIMES, 1.25, against=None),
)


def judge(results: Results) -> Iterator[Verdict]:
    """Every goal on every place where it was measured."""
    for goal in GOALS:
        for line in results:
            if (line.name, line.unit) != (goal.name, goal.unit):
                continue
            ours = results.median(line, OURS)
            theirs = results.median(line, goal.against) if goal.against else None
            if ours is None or (goal.against and not theirs):
                continue
            samples = results.samples(line)
            rounds = samples[OURS]
            if goal.against:
                rounds = [a / b for a, b in zip(rounds, samples[goal.against], strict=False) if b]
            value = ours / theirs if theirs else ours
            yield Verdict(goal, line, ours, theirs, value, min(rounds, default=value), max(rounds, default=value))

"""The bench works: everything is measured once, and nothing is said of how fast it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.figures import Line, Results, Sample, Unit
from tests.benchmarks.goals import GOALS, judge
from tests.benchmarks.kinds import GROUPS
from tests.benchmarks.places import DISK, TMPFS
from tests.checkout import checkout_environment

_CHECKOUT = Path(__file__).parents[2]
_DOWNLOAD = "download, aes128-gcm"


def _results(*samples: tuple[str, Unit, str, float]) -> Results:
    results = Results()
    for name, unit, server, value in samples:
        results.add(Sample(name, unit, value), TMPFS, server)
    return results


@pytest.mark.parametrize(("ours", "verdict"), [(119, "missed"), (120, "held"), (149, "held"), (150, "aim")])
def test_more_is_better_for_a_rate(ours: float, verdict: str) -> None:
    results = _results((_DOWNLOAD, Unit.RATE, "conchgo", ours), (_DOWNLOAD, Unit.RATE, "sshd", 100))
    assert [found.text for found in judge(results)] == [verdict]


@pytest.mark.parametrize(("ours", "verdict"), [(0.51, "missed"), (0.5, "held"), (0.4, "aim")])
def test_less_is_better_for_cpu(ours: float, verdict: str) -> None:
    results = _results((_DOWNLOAD, Unit.CPU_PER_BYTE, "conchgo", ours), (_DOWNLOAD, Unit.CPU_PER_BYTE, "sshd", 1))
    assert [found.text for found in judge(results)] == [verdict]


def test_the_ratio_is_that_of_the_medians_and_its_range_that_of_the_rounds() -> None:
    rounds = {"conchgo": (100, 300, 200), "sshd": (100, 100, 400)}
    results = _results(*((_DOWNLOAD, Unit.RATE, name, value) for name, values in rounds.items() for value in values))
    (verdict,) = judge(results)
    assert (verdict.value, verdict.lowest, verdict.highest) == (2.0, 0.5, 3.0)


def test_a_goal_of_our_own_needs_no_other_server() -> None:
    results = _results(("memory of an idle session", Unit.KIB, "conchgo", 20))
    assert [(found.text, found.theirs) for found in judge(results)] == [("held", None)]


def test_without_the_other_server_nothing_is_said() -> None:
    assert list(judge(_results((_DOWNLOAD, Unit.RATE, "conchgo", 20)))) == []


@pytest.mark.full
def test_everything_is_measured_and_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n")
    files = ["--json", str(tmp_path / "json"), "--plot", str(tmp_path / "plot.png"), "--docs", str(page)]
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--disk", str(tmp_path / "disk"), *files]
    done = subprocess.run(command, cwd=_CHECKOUT, env=checkout_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "json").read_text())
    assert [failure for failure in written["failures"] if failure[0] == "conchgo"] == []
    measured = {
        Line(figure["name"], Unit(figure["unit"]), figure["place"])
        for figure in written["figures"]
        if "conchgo" in figure["servers"]
    }
    goals = {(goal.name, goal.unit) for goal in GOALS}
    assert {(line.name, line.unit) for line in measured} >= goals
    assert {line.place for line in measured} == {TMPFS, DISK}
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "(plot.png)" in text
    assert all(name in text for name, _ in goals)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "Medians" in done.stdout
    assert list((tmp_path / "disk").iterdir()) == []


def test_every_group_has_a_name_for_the_command_line() -> None:
    assert len(set(GROUPS)) == len(GROUPS)
    assert {"bulk", "stat", "logins", "memory"} <= set(GROUPS)

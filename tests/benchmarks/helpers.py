"""Processes of the bench's own, beside servers and clients: they say something on a line, and end with their input."""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.offers import PATIENCE
from tests.checkout import checkout_environment


class Helper:
    """A module of the bench that runs, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def has_spoken(self) -> bool:
        """Whether a line is there, or the helper has ended."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def line(self) -> str:
        """The next line.

        Raises:
            RuntimeError: it ended instead; what it complained of is in the bench's own standard error.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait(PATIENCE)}")
        return line.strip()


@contextmanager
def helper(module: str, *arguments: object) -> Iterator[Helper]:
    """Run a module until the context ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=checkout_environment(),
    )
    try:
        yield Helper(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


async def until_stdin_ends() -> None:
    """For the helper's side: nothing ever comes on its input but the end."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

"""One round of the soak: many sessions in several processes, some of which are stopped or killed on the way."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SESSIONS: Final = 200
_WORKERS: Final = 8
#: Seconds after which a round hangs.
_DEADLINE: Final = 600
_KILL, _STOP_AND_KILL, _STOP_AND_GO_ON = "kill", "stop and kill", "stop and go on"
_FATES: Final = (None, None, None, _KILL, _KILL, _STOP_AND_KILL, _STOP_AND_GO_ON)


@dataclass
class Round:
    """What happened: things done, what went wrong, and how many processes were killed."""

    steps: int = 0
    killed: int = 0
    failures: list[str] = field(default_factory=list)
    running: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self, **more: int) -> None:
        async with self.changed:
            for name, count in more.items():
                setattr(self, name, getattr(self, name) + count)
            self.changed.notify_all()

    async def others_have_done(self, steps: int) -> None:
        """Or are all at their end."""
        until = self.steps + steps
        async with self.changed:
            await self.changed.wait_for(lambda: self.steps >= until or not self.running)


def run(seed: int, target: Mapping[str, Any]) -> Round:
    """`target` is what `Session` wants to know of the server."""
    return asyncio.run(asyncio.wait_for(_run(seed, target), _DEADLINE))


async def _run(seed: int, target: Mapping[str, Any]) -> Round:
    done = Round()
    fates = random.Random(seed)
    size = SESSIONS // _WORKERS
    plans = [{"seed": seed, "numbers": [at, at + size], **target} for at in range(0, SESSIONS, size)]
    await asyncio.gather(*(_work(done, plan, fates.choice(_FATES), fates.randint(1, 60)) for plan in plans))
    return done


async def _work(done: Round, plan: Mapping[str, Any], fate: str | None, after: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.soak.worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await done.tell(running=1)
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        steps = 0
        while line := await process.stdout.readline():
            if json.loads(line) != "step":
                done.failures.append(json.loads(line))
            steps += 1
            await done.tell(steps=1)
            if steps == after and fate is not None:
                await _meet(process, fate, done)
        await done.tell(running=-1)
        status = await process.wait()
        if status not in (0, -signal.SIGKILL):
            done.failures.append(f"a process of clients ended with {status}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _meet(process: asyncio.subprocess.Process, fate: str, done: Round) -> None:
    if fate != _KILL:
        # All of its clients stop reading.
        process.send_signal(signal.SIGSTOP)
        await done.tell(running=-1)
        await done.others_have_done(100)
        await done.tell(running=1)
    if fate == _STOP_AND_GO_ON:
        process.send_signal(signal.SIGCONT)
    else:
        process.kill()
        await done.tell(killed=1)

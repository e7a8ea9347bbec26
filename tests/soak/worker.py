"""A process with some sessions at once. It writes a line for each thing that was done, and one for what went wrong."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from typing import Any

from tests.soak.sessions import Session


def main() -> None:
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    numbers = range(*plan.pop("numbers"))
    asyncio.run(_all([Session(number=number, step=lambda: _say("step"), **plan) for number in numbers]))


async def _all(sessions: list[Session]) -> None:
    await asyncio.gather(*map(_one, sessions))


async def _one(session: Session) -> None:
    try:
        await session.run()
    except Exception:
        _say(f"session {session.number} failed: {traceback.format_exc()}")


def _say(line: str) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

"""Files that several processes append to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.checkout import checkout_environment

PROCESSES, BATCHES, LINES = 4, 60, 200

#: Each appends batches of lines of several lengths, some longer than a page, and moves the file away now and then.
_APPEND = """
import json, os, sys
from conchgo.events.lines import LineFile
path, number, batches, lines = sys.argv[1], *map(int, sys.argv[2:])
file = LineFile(path)
print(flush=True)
sys.stdin.read()
for batch in range(batches):
    texts = [json.dumps([number, batch, line, "x" * (37 * line)]) + "\\n" for line in range(lines)]
    file.write("".join(texts).encode())
    if number == 0 and batch % 10 == 5:
        os.rename(path, f"{path}.{batch}")
"""


def test_no_line_of_several_processes_is_torn_or_lost(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _APPEND, str(tmp_path / "log"), *map(str, (number, BATCHES, LINES))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=checkout_environment(),
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait() for process in started] == [0] * PROCESSES
    found = [tuple(json.loads(line)[:3]) for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    assert len(found) == PROCESSES * BATCHES * LINES
    assert len(set(found)) == len(found)
    for process in started:
        assert process.stdout is not None
        process.stdout.close()

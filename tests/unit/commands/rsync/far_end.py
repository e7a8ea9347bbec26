"""What `ssh host rsync --server ...` comes to, without ssh and without a box: tests give it to rsync as remote shell.

    rsync -e 'python -m tests.unit.commands.rsync.far_end CONFIGURATION MODULE' ...

Paths are those of this machine.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys

from conchgo.commands.rsync.bridge import Bridge
from conchgo.commands.rsync.grammar import Request, parse, secluded_words


def daemon_words(request: Request, module: str) -> list[bytes]:
    words = ["--server", *(["--sender"] if request.sender else [])]
    words.append(f"-{request.letters}{request.capabilities}")
    words += [f"--{name}" if value is None else f"--{name}={value}" for name, value in request.options]
    return [os.fsencode(word) for word in (*words, ".", *(f"{module}{path}" for path in request.paths))]


def main(configuration: str, module: str, host: str, program: str, *words: str) -> int:
    request, early = parse(words), b""
    if request.secluded:
        while b"\0\0" not in early:
            early += os.read(0, 1)
        more = [os.fsdecode(word) for word in early[:-2].split(b"\0")]
        request, early = parse(secluded_words(words, more)), b""
    bridge = Bridge(module.encode(), daemon_words(request, module), early)
    daemon = subprocess.Popen(
        [program, "--server", "--daemon", f"--config={configuration}", "."],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert daemon.stdin is not None
    assert daemon.stdout is not None
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(daemon.stdout, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            data = os.read(key.fd, 65536)
            if key.fd == 0:
                to_program, to_client = bridge.from_client(data) if data else bridge.client_ended()
            else:
                to_program, to_client = bridge.from_program(data)
                if not data:
                    daemon.stdin.close()
                    return daemon.wait()
            for piece in to_program:
                try:
                    _write(daemon.stdin.fileno(), bytes(piece))
                except BrokenPipeError:
                    selector.unregister(0)
            for piece in to_client:
                _write(1, bytes(piece))
            if key.fd == 0 and not data:
                selector.unregister(0)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

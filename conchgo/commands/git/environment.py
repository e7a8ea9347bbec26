"""All that git is told besides its command line: configuration that no repository can change, and nothing of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

#: Stronger than what stands in any file (git-config(1), GIT_CONFIG_COUNT).
FIXED: Final[Mapping[str, str]] = {
    # Nothing is run that a repository names. The clean config does not name anything; but its file, or one that leads
    # to another (`commondir`), may be replaced while git works. Of what can't be said here (core.alternateRefsCommand,
    # without which pushes complain) the box is the end: it executes no file of a user.
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.sshCommand": "false",
    "core.askPass": "false",
    "core.attributesFile": "/dev/null",
    "protocol.allow": "never",
    # The user of the process need not be the one of the files.
    "safe.directory": "*",
    # `conchgo git gc` does this, where it is counted.
    "gc.auto": "0",
    "receive.autogc": "false",
    # As large as what was sent: a pack stays one. Loose objects may be a thousand times as large.
    "receive.unpackLimit": "1",
    "receive.denyCurrentBranch": "refuse",
    "receive.advertisePushOptions": "false",
    "transfer.fsckObjects": "true",
    "uploadpack.allowFilter": "true",
    "pack.threads": "2",
    "pack.windowMemory": "64m",
}

_BASE: Final[Mapping[bytes, bytes]] = {
    b"PATH": b"/usr/bin",
    b"HOME": b"/nonexistent",
    b"LC_ALL": b"C",
    b"GIT_CONFIG_NOSYSTEM": b"1",
    b"GIT_CONFIG_GLOBAL": b"/dev/null",
    b"GIT_ATTR_NOSYSTEM": b"1",
    b"GIT_TERMINAL_PROMPT": b"0",
    b"GIT_ALLOW_PROTOCOL": b"none",
    b"GIT_NO_LAZY_FETCH": b"1",
}

_PROTOCOL: Final = re.compile(rb"version=[012]")


def environment(client: Mapping[bytes, bytes], owner: str, more: Mapping[str, str] | None = None) -> dict[bytes, bytes]:
    """For a git that works for `owner`, whose client has set what is in `client`; `more` is configuration too.

    Reflogs tell the owner's name.
    """
    configuration = {**FIXED, **(more or {})}
    made = {
        **_BASE,
        b"GIT_COMMITTER_NAME": owner.encode(),
        b"GIT_COMMITTER_EMAIL": owner.encode() + b"@conchgo",
        b"GIT_CONFIG_COUNT": b"%d" % len(configuration),
    }
    for number, (key, value) in enumerate(configuration.items()):
        made[b"GIT_CONFIG_KEY_%d" % number] = key.encode()
        made[b"GIT_CONFIG_VALUE_%d" % number] = value.encode()
    protocol = client.get(b"GIT_PROTOCOL", b"")
    if _PROTOCOL.fullmatch(protocol):
        made[b"GIT_PROTOCOL"] = protocol
    return made

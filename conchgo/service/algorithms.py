"""The algorithms that the configuration chooses: a set by its name, and lists in the place of the set's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from conchgo.service.errors import StartError
from conchgo.service.settings import SSHSection
from conchgo.ssh.algorithms import ALGORITHM_SETS, ALGORITHMS, AlgorithmSet

#: The key of the configuration, which is as in sshd_config, and the field of AlgorithmSet.
LISTS: Final[Mapping[str, str]] = {
    "kex_algorithms": "key_exchanges",
    "ciphers": "ciphers",
    "macs": "macs",
    "compression": "compressions",
    "host_key_algorithms": "host_signatures",
    "pubkey_accepted_algorithms": "user_signatures",
}


def algorithm_set(ssh: SSHSection) -> AlgorithmSet:
    """What the server shall offer.

    Raises:
        StartError: a list holds an unknown name, or one twice.
    """
    written = ((key, field, getattr(ssh, key)) for key, field in LISTS.items())
    lists = {field: _checked(key, field, names) for key, field, names in written if names is not None}
    return replace(ALGORITHM_SETS[ssh.algorithms], **lists)


def _checked(key: str, field: str, names: tuple[str, ...]) -> tuple[bytes, ...]:
    known = [name.decode("ascii") for name in ALGORITHMS[field]]
    for name in names:
        if name not in known:
            raise StartError(f"ssh.{key}: {name!r} is not known; known are {', '.join(known)}")
        if names.count(name) > 1:
            raise StartError(f"ssh.{key}: {name} stands there twice")
    return tuple(name.encode("ascii") for name in names)

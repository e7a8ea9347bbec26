"""After the login clients learn all host keys, and may have it proven that they are ours (OpenSSH PROTOCOL, 2.5).

So a key can be replaced: clients that know one of the server's keys take over the others, `UpdateHostKeys` in OpenSSH.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import MSG_GLOBAL_REQUEST
from twisted.conch.ssh.keys import Key

from conchgo.ssh.algorithms import HOST_SIGNATURES
from conchgo.ssh.wire import Reader

if TYPE_CHECKING:
    from conchgo.ssh.transport import ServerTransport

ANNOUNCEMENT: Final = b"hostkeys-00@openssh.com"
PROOF: Final = b"hostkeys-prove-00@openssh.com"

#: CPython makes a new one each time, 200 bytes for every session.
_NO_KEYS: Final[frozenset[bytes]] = frozenset()


class HostKeyProofs:
    """Of one connection. Each key is proven once: nobody makes the server sign without end."""

    def __init__(self, transport: ServerTransport) -> None:
        self._transport = transport
        self._proven = _NO_KEYS

    def announce(self) -> None:
        keys = b"".join(map(NS, self._transport.factory.host_keys))
        self._transport.sendPacket(MSG_GLOBAL_REQUEST, NS(ANNOUNCEMENT) + b"\0" + keys)

    def prove(self, fields: Reader) -> bytes | None:
        """A signature for each public key that is left in `fields`; None where one is unknown or was asked for before.

        Raises:
            ProtocolViolation: these are no keys.
        """
        keys = self._transport.factory.host_keys
        asked: list[bytes] = []
        while not fields.at_end:
            blob = fields.string()
            if blob not in keys or blob in asked or blob in self._proven:
                return None
            asked.append(blob)
        self._proven = self._proven.union(asked)
        head = NS(PROOF) + NS(self._transport.sessionID or b"")
        return b"".join(NS(keys[blob].sign(head + NS(blob), self._algorithm(keys[blob]))) for blob in asked)

    def _algorithm(self, key: Key) -> bytes:
        """What the key signs with: for RSA, whose keys have two, as in the key exchange, or what the client knows."""
        kind = key.sshType()
        ours = [name for name in self._transport.factory.host_signatures if HOST_SIGNATURES[name] == kind]
        preferred = (self._transport.keyAlg, *self._transport.common_host_signatures)
        return next((name for name in preferred if name in ours), ours[0])

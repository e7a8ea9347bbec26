"""What one idle SFTP session keeps in memory: counted, so that nothing large is added to each of thousands unseen."""

import gc
import sys
from types import FunctionType, ModuleType

from twisted.conch.ssh.common import NS
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import Portal
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from conchgo.accounts.model import User
from conchgo.auth.credentials import IPasswordLogin, Login
from conchgo.edge.pools import Inline
from conchgo.events.bus import Bus
from conchgo.paths import ROOT
from conchgo.sessions.attendance import Attendance
from conchgo.sessions.realm import Realm
from conchgo.sessions.registry import Registry
from conchgo.sessions.roll import MemoryRoll
from conchgo.sessions.storages import Storages
from conchgo.sessions.views import Views
from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.factory import ServerFactory
from conchgo.ssh.settings import SSHSettings
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount
from tests.ssh_client import ModernClient, channel_data, log_in, start
from tests.ssh_server import HOST_KEY

#: Bytes of Python objects; what OpenSSL keeps for the two ciphers (5 KiB) is not among them.
LIMIT = 9 * 1024


@implementer(ICredentialsChecker)
class Everybody:
    credentialInterfaces = (IPasswordLogin,)

    def requestAvatarId(self, credentials):
        return succeed(Login(User(credentials.username, "/srv/ada"), "password", credentials.ip))


def factory() -> ServerFactory:
    storage, clock, bus = MemoryStorage(), Clock(), Bus()
    realm = Realm(
        folder=lambda name: None,
        open_storages=lambda user, folders: Storages({ROOT: Mount(storage)}),
        database=Inline(),
        disk=Inline(),
        views=Views(bus),
        registry=Registry(1024),
        attendance=Attendance(MemoryRoll(), Inline(), clock),
        reactor=clock,
    )
    return ServerFactory(
        Portal(realm, [Everybody()]),
        [HOST_KEY],
        bus=bus,
        algorithms=ALGORITHM_SETS["default"],
        settings=SSHSettings(),
        clock=clock,
    )


def session(server: ServerFactory):
    """An idle one: greeted, and a path asked for."""
    client = ModernClient(b"aes128-gcm@openssh.com", b"hmac-sha2-256-etm@openssh.com")
    client, wire = log_in(server, client=client)
    channel = start(client, wire, (b"subsystem", NS(b"sftp")))
    for packet in (b"\1\0\0\0\3", b"\x10\0\0\0\1" + NS(b".")):
        client.send_channel(94, channel, NS(NS(packet)))
        wire.pump()
    assert channel_data(client)[4:5] == b"\2"
    assert b"\x68\0\0\0\1" in channel_data(client)
    return wire


def weight(root: object, others: set[int]) -> int:
    """Bytes of all objects that `root` leads to, and that are none of the others."""
    seen, pending, total = {*others}, [root], 0
    while pending:
        found = pending.pop()
        if id(found) not in seen and not isinstance(found, type | ModuleType | FunctionType):
            seen.add(id(found))
            total += sys.getsizeof(found)
            pending += gc.get_referents(found)
    return total


def test_an_idle_session_is_light() -> None:
    server = factory()
    keep = session(server)
    gc.collect()
    others = {id(found) for found in gc.get_objects()}
    wire = session(server)

    kept = weight(wire.server, others | {id(wire.server_socket)})
    assert kept < LIMIT, f"{kept} bytes"
    assert not keep.closed

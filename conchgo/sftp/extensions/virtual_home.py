"""expand-path@openssh.com and home-directory: `~` means where the session starts, and nobody else has one."""

from __future__ import annotations

from typing import Final

from conchgo.errors import NotFound
from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.rows import Row, one_name, one_string
from conchgo.sftp.server import Maybe


def _home(server: FilesystemServer, username: bytes) -> bytes:
    """Raises NotFound: for every name but the session's own, whether or not there is such a user."""
    if username not in (b"", server.filesystem.identity.username.encode()):
        raise NotFound("no such user")
    return bytes(server.filesystem.start)


def _expand(server: FilesystemServer, path: bytes) -> Maybe[bytes]:
    """OpenSSH PROTOCOL, 4.9: `~` or `~user` at the start, then as REALPATH."""
    if path.startswith(b"~"):
        username, _, rest = path[1:].partition(b"/")
        path = _home(server, username) + b"/" + rest
    return server.realpath(path)


EXPAND_PATH: Final = Row("expand-path@openssh.com", one_string, _expand, one_name, version=b"1")
#: draft-ietf-secsh-filexfer-extensions-00, section 5 (OpenSSH PROTOCOL, 4.11).
HOME_DIRECTORY: Final = Row("home-directory", one_string, _home, one_name, version=b"1")

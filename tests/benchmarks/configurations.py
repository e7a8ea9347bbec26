"""How each server is started: what a busy site would run, with every cipher it has, and logins by key only."""

from __future__ import annotations

import grp
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from tests.checkout import checkout_environment, conchgo

#: Never reached, so never in the way.
_QUOTA_SIZE: Final = 2**40
_QUOTA_FILES: Final = 10**9
_SFTPD: Final = "/usr/lib/proftpd/mod_sftp.so"


class Missing(Exception):
    """The server's program is not installed; says what installs it."""


@dataclass(frozen=True)
class Site:
    """Where a server listens, what it serves, who may log in. `state` is an empty directory of its own."""

    port: int
    home: Path
    state: Path
    host_key: Path
    user_key: Path

    @property
    def public_key(self) -> Path:
        return Path(f"{self.user_key}.pub")


@dataclass(frozen=True)
class Launch:
    """A server's command line, and the name by which its user logs in."""

    command: list[str]
    username: str
    environment: Mapping[str, str] = field(default_factory=checkout_environment)


def _conchgo(site: Site, workers: int = 1) -> Launch:
    """The real service: SQLite, audit log, log, and a user with rules for several directories, patterns and a quota."""
    config = site.state / "conchgo.toml"
    config.write_text(
        f'[ssh]\nlisten = ["127.0.0.1:{site.port}"]\n[service]\nstate_directory = "state"\nworkers = {workers}\n'
    )
    rules = {
        "/data": "list,download",
        "/uploads": "list,upload,overwrite,delete,rename,create_dirs,chmod,chtimes",
        "/teams/*/incoming": "list,upload",
        "/archive/2026": "list,download,copy",
    }
    options = [f"--directory-permissions={path}={verbs}" for path, verbs in rules.items()]
    command = conchgo("--config", str(config), "user", "add", "bench", f"--home-dir={site.home}", *options)
    command += ["--denied-patterns=/uploads::*.exe,*.scr", "--denied-patterns=/data::.*"]
    command += [f"--quota-size={_QUOTA_SIZE}", f"--quota-files={_QUOTA_FILES}"]
    command += [f"--public-key={site.public_key}", "--permissions=list"]
    subprocess.run(command, env=checkout_environment(), stdout=subprocess.DEVNULL, check=True)
    return Launch(conchgo("--config", str(config), "serve"), "bench")


def _sshd(site: Site) -> Launch:
    program = _program("sshd", "openssh-server")
    separation = Path("/run/sshd")
    if os.getuid() == 0 and not separation.exists():
        separation.mkdir(mode=0o755)
    config = site.state / "sshd_config"
    config.write_text(
        f"""ListenAddress 127.0.0.1:{site.port}
HostKey {site.host_key}
AuthorizedKeysFile {site.public_key}
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxStartups 100
Subsystem sftp internal-sftp -d {site.home}
"""
    )
    return Launch([program, "-D", "-e", "-f", str(config)], pwd.getpwuid(os.getuid()).pw_name)


def _asyncssh(site: Site) -> Launch:
    if importlib.util.find_spec("asyncssh") is None:
        raise Missing("not installed: pip install asyncssh")
    module = [sys.executable, "-m", "tests.benchmarks.asyncssh_server"]
    return Launch([*module, *map(str, (site.port, site.host_key, site.public_key))], "bench")


def _rclone(site: Site) -> Launch:
    program = _program("rclone", "rclone")
    where = ["--addr", f"127.0.0.1:{site.port}", "--config", os.devnull]
    keys = ["--key", str(site.host_key), "--authorized-keys", str(site.public_key)]
    return Launch([program, "serve", "sftp", str(site.home), *where, *keys], "bench")


def _proftpd(site: Site) -> Launch:
    program = _program("proftpd", "proftpd-core")
    if not os.path.exists(_SFTPD):
        raise Missing("not installed: apt-get install proftpd-mod-crypto")
    user = pwd.getpwuid(os.getuid())
    accounts, groups = site.state / "passwd", site.state / "group"
    accounts.write_text(f"bench:*:{user.pw_uid}:{user.pw_gid}::{site.home}:/bin/sh\n")
    groups.write_text(f"bench:*:{user.pw_gid}:\n")
    keys = site.state / "keys"
    keys.write_text(
        subprocess.run(
            ["ssh-keygen", "-e", "-f", str(site.public_key)], capture_output=True, text=True, check=True
        ).stdout
    )
    for file in (accounts, groups, keys):
        file.chmod(0o600)
    config = site.state / "proftpd.conf"
    config.write_text(
        f"""ServerType standalone
DefaultAddress 127.0.0.1
Port {site.port}
SocketBindTight on
UseIPv6 off
UseReverseDNS off
LoadModule mod_sftp.c
User {user.pw_name}
Group {grp.getgrgid(user.pw_gid).gr_name}
RootLogin on
PidFile {site.state}/pid
ScoreboardFile {site.state}/scoreboard
SystemLog {site.state}/log
TransferLog none
WtmpLog off
DelayEngine off
AuthOrder mod_auth_file.c
AuthUserFile {accounts}
AuthGroupFile {groups}
RequireValidShell off
DefaultChdir {site.home}
AllowOverwrite on
SFTPEngine on
SFTPHostKey {site.host_key}
SFTPAuthorizedUserKeys file:{keys}
SFTPAuthMethods publickey
"""
    )
    return Launch([program, "-n", "-q", "-c", str(config)], "bench")


def _program(name: str, package: str) -> str:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which(name, path=path)
    if found is None:
        raise Missing(f"not installed: apt-get install {package}")
    return found


#: conchgo with a worker for each processor.
MANY_WORKERS: Final = "conchgo-workers"

#: By name; the first is what is measured, the second what it is measured against.
CONFIGURATIONS: Final[Mapping[str, Callable[[Site], Launch]]] = {
    "conchgo": _conchgo,
    "sshd": _sshd,
    "asyncssh": _asyncssh,
    "rclone": _rclone,
    "proftpd": _proftpd,
    MANY_WORKERS: partial(_conchgo, workers=max(2, os.cpu_count() or 2)),
}

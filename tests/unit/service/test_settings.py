"""The configuration file and the environment: what is taken, and in which words the rest is refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from conchgo.service.algorithms import algorithm_set
from conchgo.service.commands import enabled_commands
from conchgo.service.errors import ConfigurationError
from conchgo.service.settings import Settings, SSHSection, load
from conchgo.ssh.algorithms import ALGORITHM_SETS

Write = Callable[[str], str]
SHIPPED = Path(__file__).parents[3] / "etc" / "conchgo.toml"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> str:
        path = tmp_path / "conchgo.toml"
        path.write_text(text)
        return str(path)

    return write


def refusal(path: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_the_shipped_file_shows_every_key_with_its_default() -> None:
    """A list of algorithms, which by default is the set's, with what "default" has; and of commands, likewise."""
    uncommented = re.sub(r"^#(?=\w+ =|    \"|\]$)", "", SHIPPED.read_text(), flags=re.MULTILINE)
    written, expected = tomllib.loads(uncommented), Settings().model_dump(mode="json")
    for key in [key for key, value in expected["ssh"].items() if value is None]:
        listed = SSHSection(**{key: written["ssh"].pop(key)})
        assert algorithm_set(listed) == ALGORITHM_SETS["default"]
        del expected["ssh"][key]
    assert enabled_commands(written["commands"].pop("enabled")) == enabled_commands(expected["commands"].pop("enabled"))
    assert written == expected


def test_the_shipped_file_changes_nothing_as_it_is(write: Write) -> None:
    assert load(write(SHIPPED.read_text())) == load(write(""))


def test_a_frozen_value() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().ssh.max_channels = 3  # type: ignore[misc]


def test_paths_start_at_the_state_directory_which_starts_at_the_file(write: Write, tmp_path: Path) -> None:
    settings = load(
        write('[service]\nstate_directory = "./state"\n[ssh]\nbanner_file = "/etc/issue.net"\n[log]\nfile = "a.log"')
    )
    state = tmp_path / "state"
    assert settings.service.state_directory == str(state)
    assert settings.ssh.host_key_directory == str(state / "host_keys")
    assert settings.ssh.banner_file == "/etc/issue.net"
    assert settings.users.base_directory == str(state / "users")
    assert settings.database.url == f"sqlite:///{state}/conchgo.db"
    assert settings.log.file == str(state / "a.log")
    assert settings.log.audit_file == str(state / "audit.log")


def test_what_is_no_path_stays(write: Write) -> None:
    settings = load(write('[database]\nurl = "postgresql://me:pass%2Fword@db/name"\n[log]\naudit_file = ""'))
    assert settings.database.url == "postgresql://me:pass%2Fword@db/name"
    assert settings.log.audit_file == ""
    assert settings.log.file == "-"
    assert settings.ssh.banner_file == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[ssh]\nportt = 1", "ssh.portt: unknown key; known are listen,"),
        ("[ssh]\nmax_chanels = 1", "ssh.max_chanels: unknown key; did you mean max_channels?"),
        ("[sshd]\nport = 1", "sshd: unknown section; did you mean ssh?"),
        ("listen = 1", "listen: unknown section; known are ssh, database,"),
        ("ssh = 3", "ssh: input should be an object"),
        ("[ssh]\nmax_channels = '3'", "ssh.max_channels: input should be a valid integer"),
        ("[ssh]\nmax_channels = true", "ssh.max_channels: input should be a valid integer"),
        ("[ssh]\nmax_channels = 0", "ssh.max_channels: input should be greater than or equal to 1"),
        ("[ssh]\nlogin_grace_time = nan", "ssh.login_grace_time: input should be "),
        ("[ssh]\nidle_timeout = 0.1", "ssh.idle_timeout: 0 (never) or at least 1 second is wanted"),
        ("[ssh]\nclient_alive_interval = -1", "ssh.client_alive_interval: input should be greater than or equal to 0"),
        ("[ssh]\nclient_alive_interval = inf", "ssh.client_alive_interval: input should be less than or equal to "),
        ("[ssh]\nclient_alive_count_max = 0", "ssh.client_alive_count_max: input should be greater than or equal to 1"),
        ("[ssh]\nlisten = []", "ssh.listen: at least one is wanted"),
        ("[ssh]\nlisten = '127.0.0.1:22'", "ssh.listen: input should be a valid array"),
        ("[ssh]\nlisten = [22]", "ssh.listen.0: input should be a valid string"),
        ("[ssh]\nlisten = ['localhost']", "ssh.listen.0: 'localhost' is neither"),
        ("[ssh]\nlisten = ['127.0.0.1:99999']", "ssh.listen.0: '127.0.0.1:99999': a port is at most 65535"),
        ("[ssh]\nlisten = ['127.0.1:22']", "ssh.listen.0: Expected 4 octets in '127.0.1'"),
        ("[ssh]\nlisten = ['[::g]:22']", "ssh.listen.0: "),
        ("[ssh]\nalgorithms = 'all'", "ssh.algorithms: input should be 'default' or 'compatible'"),
        ("[ssh]\nciphers = []", "ssh.ciphers: at least one is wanted"),
        ("[ssh]\nmacs = []", "ssh.macs: at least one is wanted"),
        ("[ssh]\nkex_algorithms = 'curve25519-sha256'", "ssh.kex_algorithms: input should be a valid array"),
        ("[ssh]\ncompression = [true]", "ssh.compression.0: input should be a valid string"),
        ('[ssh]\nbanner_file = "a\\u0000b"', "ssh.banner_file: a path has no NUL in it"),
        ("[users]\numask = 22", "users.umask: input should be a valid string"),
        ("[users]\numask = '9'", "users.umask: an octal mask in quotes is wanted"),
        ("[git]\ndefault_branch = 'a..b'", "git.default_branch: 'a..b' is no plain name of a branch"),
        ("[git]\ndefault_branch = '-x'", "git.default_branch: '-x' is no plain name of a branch"),
        ("[git]\ndefault_branch = 'x.lock'", "git.default_branch: 'x.lock' is no plain name of a branch"),
        ("[service]\ngrace_time = 2026-01-01", "service.grace_time: input should be a valid number"),
        ("[service]\ngrace_time = inf", "service.grace_time: input should be a finite number"),
        (
            "[log]\nlevel = 'loud'\nfile = 3",
            "log.level: input should be 'debug', 'info', 'warn' or 'error' (and 1 more)",
        ),
        ("[database]\nurl = 'nonsense secret'", "database.url: a URL like sqlite:///"),
        ("[database]\nurl = 'postgresql://me:my@very:secret@db/x'", "database.url: a URL like sqlite:///"),
        (
            "[database]\nurl = 'mysql://me:secret@db/x'",
            "database.url: 'mysql' is no known kind of database; a URL like",
        ),
        ("[ssh", "is not TOML: "),
    ],
)
def test_a_bad_file_is_one_line_with_file_key_and_reason(write: Write, text: str, reason: str) -> None:
    path = write(text)
    line = refusal(path)
    assert line.startswith(f"{path}: {reason}")
    assert "secret" not in line


def test_an_unreadable_file(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert refusal(str(missing)) == f"{missing}: is not there; name the file with --config or CONCHGO_CONFIG"
    assert refusal(str(tmp_path)) == f"{tmp_path}: cannot be read: Is a directory"
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# \xe9")
    assert refusal(str(latin)) == f"{latin}: is not UTF-8"


def test_every_key_comes_from_the_environment_too(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("[ssh]\nmax_channels = 3\nmax_startups = 5")
    monkeypatch.setenv("CONCHGO_SSH__MAX_CHANNELS", "4")
    monkeypatch.setenv("CONCHGO_SSH__LISTEN", "192.0.2.1:22, [2001:db8::1]:22,systemd:domain=INET:index=0")
    monkeypatch.setenv("CONCHGO_SSH__CIPHERS", "aes256-ctr, aes128-gcm@openssh.com")
    monkeypatch.setenv("CONCHGO_SERVICE__GRACE_TIME", "2.5")
    monkeypatch.setenv("CONCHGO_USERS__UMASK", "077")
    settings = load(path)
    assert settings.ssh.listen == ("192.0.2.1:22", "[2001:db8::1]:22", "systemd:domain=INET:index=0")
    assert settings.ssh.ciphers == ("aes256-ctr", "aes128-gcm@openssh.com")
    assert (settings.ssh.max_channels, settings.ssh.max_startups) == (4, 5)
    assert settings.service.grace_time == 2.5
    assert settings.users.umask == "077"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("CONCHGO_SFTPD__PORTT", "1", "unknown key"),
        ("CONCHGO_NOSECTION__X", "1", "unknown key"),
        ("CONCHGO_SSH__MAX_CHANELS", "1", "unknown key; did you mean CONCHGO_SSH__MAX_CHANNELS?"),
        ("CONCHGO_SSH__LISTEN__0", "1", "unknown key; did you mean CONCHGO_SSH__LISTEN?"),
        ("CONCHGO_SSH", '{"max_channels": 3}', "unknown key"),
        ("CONCHGO_SSH__MAX_CHANNELS", "many", "input should be a valid integer, unable to parse string as an integer"),
        ("CONCHGO_SSH__LISTEN", "192.0.2.1:22,here", "'here' is neither"),
        ("CONCHGO_DATABASE__URL", "secret", "a URL like sqlite:///"),
    ],
)
def test_a_bad_variable_is_one_line_with_its_name_and_reason(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    line = refusal(write(""))
    assert line.startswith(f"environment variable {name}: {reason}")
    assert "secret" not in line


def test_other_variables_with_the_prefix_are_not_ours(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCHGO_CONFIG", "/elsewhere")
    monkeypatch.setenv("CONCHGO_PORT_2022_TCP_ADDR", "192.0.2.1")  # as Kubernetes sets for a service named conchgo
    assert load(write("")).ssh == Settings().anchored("/").ssh


def test_the_environment_does_not_leak_into_settings_made_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCHGO_SSH__MAX_CHANNELS", "4")
    assert Settings().ssh.max_channels == 10

"""The configuration: one TOML file, every key also from the environment, nothing unknown, nothing guessed."""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from conchgo.database.engine import KINDS
from conchgo.service.errors import ConfigurationError

#: Where `conchgo` and `twistd conchgo` look when nobody names a file.
DEFAULT_PATH: Final = "/etc/conchgo/conchgo.toml"

#: Names another file.
PATH_VARIABLE: Final = "CONCHGO_CONFIG"

PREFIX: Final = "CONCHGO_"
_DELIMITER: Final = "__"

#: `198.51.100.7:22` or `[2001:db8::7]:22`.
ADDRESS: Final = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[\d.]+)):(?P<port>\d+)")

#: An endpoint string of Twisted: a name, a colon, arguments.
_ENDPOINT: Final = re.compile(r"[a-z][a-z0-9_]*:.+", re.ASCII)


def _listen_address(text: str) -> str:
    address = ADDRESS.fullmatch(text)
    if address is None:
        if not _ENDPOINT.fullmatch(text):
            raise ValueError(f'{text!r} is neither "127.0.0.1:2022", "[::1]:2022" nor an endpoint string of Twisted')
        return text
    if address["v6"] is not None:
        ipaddress.IPv6Address(address["v6"])
    else:
        ipaddress.IPv4Address(address["v4"])
    if int(address["port"]) > 65535:
        raise ValueError(f"{text!r}: a port is at most 65535")
    return text


def _octal(text: str) -> str:
    if not re.fullmatch(r"[0-7]{3,4}", text):
        raise ValueError('an octal mask in quotes is wanted, like "022"')
    return text


def _database_url(text: str) -> str:
    """The reason shows nothing of the URL: a password with a slash in it may end up anywhere."""
    wanted = "a URL like sqlite:///conchgo.db or postgresql://user:password@host/name is wanted"
    try:
        kind = make_url(text).drivername
    except (ArgumentError, ValueError):
        raise ValueError(wanted) from None
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no known kind of database; {wanted}")
    return text


def _items(value: object, info: ValidationInfo) -> object:
    """A list; from the environment (a file is checked as JSON, see `_check_file`) also one written with commas."""
    if isinstance(value, str) and info.mode == "python":
        return tuple(item.strip() for item in value.split(","))
    return tuple(value) if isinstance(value, list) else value


def _path(text: str) -> str:
    if "\0" in text:
        raise ValueError("a path has no NUL in it")
    return text


def branch_name(text: str) -> str:
    """A name that git takes, of the plain ones (git-check-ref-format(1)). Raises ValueError."""
    if not re.fullmatch(r"[A-Za-z0-9_]+(?:[-/.][A-Za-z0-9_]+)*", text) or text.endswith(".lock"):
        raise ValueError(f"{text!r} is no plain name of a branch, like main or release/1.x")
    return text


def _off_or_seconds(value: float) -> float:
    if 0 < value < 1:
        raise ValueError("0 (never) or at least 1 second is wanted")
    return value


Path = Annotated[str, AfterValidator(_path)]
Count = Annotated[int, Field(ge=1)]
Timeout = Annotated[float, Field(ge=0, le=2**31), AfterValidator(_off_or_seconds)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
#: None: what the set has.
Names = Annotated[Annotated[tuple[str, ...], Field(min_length=1)] | None, NoDecode, BeforeValidator(_items)]
Listen = Annotated[
    tuple[Annotated[str, AfterValidator(_listen_address)], ...], Field(min_length=1), NoDecode, BeforeValidator(_items)
]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class SSHSection(Section):
    """See etc/conchgo.toml for the meaning of every key, here and in the other sections."""

    listen: Listen = ("0.0.0.0:2022",)
    host_key_directory: Path = "host_keys"
    algorithms: Literal["default", "compatible"] = "default"
    kex_algorithms: Names = None
    ciphers: Names = None
    macs: Names = None
    compression: Names = None
    host_key_algorithms: Names = None
    pubkey_accepted_algorithms: Names = None
    banner_file: Path = ""
    login_grace_time: Annotated[float, Field(gt=0, le=3600)] = 120
    max_auth_tries: Count = 6
    max_startups: Count = 100
    max_startups_per_host: Count = 20
    max_channels: Count = 10
    failure_delay: Annotated[float, Field(ge=0, le=60)] = 1
    # Below 64 GiB AES stays far from its birthday bound (RFC 4344, section 3.2).
    rekey_bytes: Annotated[int, Field(ge=2**16, le=2**36)] = 2**30
    rekey_interval: Annotated[float, Field(ge=10, le=86400)] = 3600
    client_alive_interval: Timeout = 120
    client_alive_count_max: Annotated[int, Field(ge=1, le=1000)] = 3
    idle_timeout: Timeout = 900


class DatabaseSection(Section):
    url: Annotated[str, AfterValidator(_database_url)] = "sqlite:///conchgo.db"


class UsersSection(Section):
    base_directory: Path = "users"
    umask: Annotated[str, AfterValidator(_octal)] = "022"


class TransfersSection(Section):
    upload_mode: Literal["direct", "atomic", "resume"] = "direct"
    setstat_mode: Literal["apply", "ignore", "ignore_unsupported"] = "apply"


class QuotaSection(Section):
    track: Literal["off", "limited", "all"] = "limited"
    rescan_interval: Timeout = 0


class ServiceSection(Section):
    state_directory: Path = "/var/lib/conchgo"
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    grace_time: Seconds = 30


class CommandsSection(Section):
    enabled: Names = None
    strict_permissions: bool = False


class GitSection(Section):
    create_on_push: bool = False
    default_branch: Annotated[str, AfterValidator(branch_name)] = "main"


class RsyncSection(Section):
    links: Literal["permitted", "refuse"] = "permitted"


class ProcessesSection(Section):
    tier: Literal["auto", "bubblewrap", "landlock", "none"] = "auto"
    memory_limit: Annotated[int, Field(ge=2**26)] = 2**30
    process_limit: Annotated[int, Field(ge=16)] = 256
    time_limit: Timeout = 0


class LogSection(Section):
    level: Literal["debug", "info", "warn", "error"] = "info"
    file: Path = "-"
    audit_file: Path = "audit.log"


class ThreadsSection(Section):
    disk: Count = 16
    database: Count = 4
    passwords: Count = 2


class Settings(BaseSettings):
    """All sections. A value made by `load` holds absolute paths only; one made by hand holds what it was given."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter=_DELIMITER, validate_default=True
    )

    ssh: SSHSection = SSHSection()
    database: DatabaseSection = DatabaseSection()
    users: UsersSection = UsersSection()
    transfers: TransfersSection = TransfersSection()
    quota: QuotaSection = QuotaSection()
    commands: CommandsSection = CommandsSection()
    processes: ProcessesSection = ProcessesSection()
    git: GitSection = GitSection()
    rsync: RsyncSection = RsyncSection()
    service: ServiceSection = ServiceSection()
    log: LogSection = LogSection()
    threads: ThreadsSection = ThreadsSection()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: Any, *_: Any, **__: Any
    ) -> tuple[Any, ...]:
        """What is given and nothing else: `load` alone reads the environment."""
        return (init_settings,)

    def anchored(self, directory: str) -> Settings:
        """The same with every path absolute: `service.state_directory` starts at `directory`, all others start there.

        Empty stays empty, and `-` stays standard error.
        """
        state = os.path.normpath(os.path.join(directory, self.service.state_directory))

        def below(path: str) -> str:
            return path if path in ("", "-") else os.path.normpath(os.path.join(state, path))

        url = make_url(self.database.url)
        if url.get_backend_name() == "sqlite" and url.database:
            url = url.set(database=below(url.database))
        return Settings(
            ssh=self.ssh.model_copy(
                update={
                    "host_key_directory": below(self.ssh.host_key_directory),
                    "banner_file": below(self.ssh.banner_file),
                }
            ),
            database=DatabaseSection(url=url.render_as_string(hide_password=False)),
            users=self.users.model_copy(update={"base_directory": below(self.users.base_directory)}),
            service=self.service.model_copy(update={"state_directory": state}),
            transfers=self.transfers,
            quota=self.quota,
            commands=self.commands,
            processes=self.processes,
            git=self.git,
            rsync=self.rsync,
            log=self.log.model_copy(
                update={"file": below(self.log.file), "audit_file": below(self.log.audit_file)},
            ),
            threads=self.threads,
        )


def path_or_default(path: str | None) -> str:
    """The configuration file that is meant when the command line says `path`."""
    return path or os.environ.get(PATH_VARIABLE) or DEFAULT_PATH


def load(path: str) -> Settings:
    """The settings of the file at `path`, with what the environment says instead.

    Raises:
        ConfigurationError: the file cannot be read, or it or the environment holds an unknown key or a wrong value.
    """
    written = _read(path)
    _check_file(path, written)
    _check_environment()
    for section, values in EnvSettingsSource(Settings)().items():
        written[section] = {**written.get(section, {}), **values}
    try:
        settings = Settings(**written)
    except ValidationError as error:
        # The file alone was good: this is what the environment changed.
        where, reason = _described(error)
        raise ConfigurationError(f"environment variable {_variable(*where[:2])}: {reason}") from None
    return settings.anchored(os.path.dirname(os.path.abspath(path)))


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: is not there; name the file with --config or {PATH_VARIABLE}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {_one_line(str(error))}") from None


def _check_file(path: str, written: Mapping[str, Any]) -> None:
    """Strictly, as TOML knows types: a number in quotes is no number."""
    for section, values in written.items():
        if section not in Settings.model_fields:
            raise ConfigurationError(f"{path}: {_shown(section)}: unknown section{_hint(section, Settings)}")
        try:
            _model(section).model_validate_json(json.dumps(values, default=str), strict=True)
        except ValidationError as error:
            where, reason = _described(error, section)
            raise ConfigurationError(f"{path}: {'.'.join(map(_shown, where))}: {reason}") from None


def _check_environment() -> None:
    """A misspelt variable is an error like a misspelt key; variables without `__` are not ours."""
    known = {_variable(section, key) for section in Settings.model_fields for key in _model(section).model_fields}
    for name in sorted(os.environ):
        upper = name.upper()
        section, delimiter, _ = upper.removeprefix(PREFIX).partition(_DELIMITER)
        ours = upper.startswith(PREFIX) and (delimiter or section.lower() in Settings.model_fields)
        if ours and upper not in known:
            close = difflib.get_close_matches(upper, known, 1, cutoff=0.8)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigurationError(f"environment variable {_one_line(name)}: unknown key{hint}")


def _model(section: str) -> type[Section]:
    model: type[Section] = type(Settings.model_fields[section].default)
    return model


def _variable(*where: str) -> str:
    return PREFIX + _DELIMITER.join(where).upper()


def _described(error: ValidationError, *within: str) -> tuple[list[str], str]:
    """Where the first thing wrong is, and what; never the value itself, which may be secret."""
    first, *more = error.errors(include_url=False, include_input=False)
    where = [*within, *(str(part) for part in first["loc"])]
    also = f" (and {len(more)} more)" if more else ""
    return where, _one_line(_reason(first, where)) + also


def _reason(detail: ErrorDetails, where: list[str]) -> str:
    if detail["type"] == "extra_forbidden":
        return f"unknown key{_hint(where[-1], _model(where[0]))}"
    if detail["type"] == "too_short":
        return "at least one is wanted"
    if "error" in detail.get("ctx", {}):
        return str(detail["ctx"]["error"])
    return detail["msg"][:1].lower() + detail["msg"][1:]


def _hint(name: str, model: type[BaseModel]) -> str:
    close = difflib.get_close_matches(name, model.model_fields, 1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(model.model_fields)}"


def _shown(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key) else repr(key)


def _one_line(text: str) -> str:
    return " ".join(text.split())

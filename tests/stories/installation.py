"""A service of a test's own: its configuration, its state, and a user."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from conchgo.accounts.model import Folder, User
from conchgo.service.accounts import account_store
from conchgo.service.settings import load
from tests.checkout import checkout_environment, conchgo, free_port, twistd
from tests.stories.processes import Process, running

PASSWORD = "a password to look for"
RUNNERS: dict[str, Callable[[str], list[str]]] = {
    "twistd": lambda config: twistd("-n", "conchgo", "--config", config),
    "serve": lambda config: conchgo("serve", "--config", config),
}


@dataclass
class Installation:
    """A configuration, with a user `mary`."""

    directory: Path
    port: int

    @property
    def config(self) -> str:
        return str(self.directory / "conchgo.toml")

    @property
    def state(self) -> Path:
        return self.directory / "state"

    def configure(self, listen: str | None = None, **service: Any) -> None:
        values = "".join(f"{key} = {value}\n" for key, value in service.items())
        listen = listen or f"127.0.0.1:{self.port}"
        Path(self.config).write_text(
            f'[ssh]\nlisten = ["{listen}"]\nfailure_delay = 0\n[service]\nstate_directory = "state"\n{values}'
        )

    def add_user(self, name: str = "mary", **fields: Any) -> None:
        settings = load(self.config)
        store, close = account_store(settings)
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        store.add(User(name, os.path.join(settings.users.base_directory, name), password=hashed, **fields))
        close()

    def add_folder(self, name: str) -> None:
        """In a directory of that name."""
        store, close = account_store(load(self.config))
        store.add_folder(Folder(name, str(self.directory / name)))
        close()

    @contextmanager
    def running(self, command: list[str] | None = None, **options: Any) -> Iterator[Process]:
        command = command or RUNNERS["twistd"](self.config)
        with running(command, self.directory / "run", **{"env": checkout_environment(), **options}) as process:
            process.wait_for(process.errors, "listening on")
            yield process

    def sessions(self) -> list[dict[str, Any]]:
        """What `conchgo sessions` lists."""
        command = conchgo("sessions", "--config", self.config, "--json")
        listed = subprocess.run(command, env=checkout_environment(), stdout=subprocess.PIPE, check=True)
        return list(json.loads(listed.stdout))

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.state / "audit.log").read_text().splitlines()]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path, free_port())
    made.configure()
    made.add_user()
    return made

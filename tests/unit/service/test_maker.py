"""`twistd conchgo`: its options, and the plugin that tells twistd of it."""

from __future__ import annotations

import pytest
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.scripts._twistd_unix import ServerOptions

from conchgo import __version__
from conchgo.service.maker import Options, makeService


def parsed(*arguments: str) -> ServerOptions:
    options = ServerOptions()
    options.parseOptions([*arguments, "conchgo", "--config", "/a/file"])
    return options


def test_twistd_finds_the_plugin() -> None:
    (maker,) = (found for found in getPlugins(IServiceMaker) if found.tapname == "conchgo")
    assert maker.options is Options
    assert maker.makeService is makeService


def test_no_process_id_is_written_unless_asked_for() -> None:
    assert parsed("-n")["pidfile"] == ""
    assert parsed("-n", "--pidfile=/run/conchgo.pid")["pidfile"] == "/run/conchgo.pid"
    assert parsed("-n").subOptions["config"] == "/a/file"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        Options().parseOptions(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"conchgo {__version__}\n"


def test_a_missing_file_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    options = Options()
    options.parseOptions(["--config", "/no/such/conchgo.toml"])
    with pytest.raises(SystemExit) as caught:
        makeService(options)
    assert caught.value.code == 1
    line = "conchgo: /no/such/conchgo.toml: is not there; name the file with --config or CONCHGO_CONFIG\n"
    assert capfd.readouterr().err == line

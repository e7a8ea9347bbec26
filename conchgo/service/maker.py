"""`twistd conchgo`: the service as twistd wants it, and the same for `conchgo serve`."""

from __future__ import annotations

import atexit
import gc
import os
from typing import Any, Final, NoReturn

from twisted.application.service import IServiceCollection, Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

from conchgo import __version__
from conchgo.service import log
from conchgo.service.compose import compose, supervise
from conchgo.service.errors import ConfigurationError, StartError
from conchgo.service.limits import raise_file_limit
from conchgo.service.server import Server
from conchgo.service.settings import Settings, load, path_or_default
from conchgo.service.workers import Supervisor

#: Where twistd would write its process id unless told otherwise: the working directory, which may be `/`.
_TWISTDS_PIDFILE: Final = "twistd.pid"


class Options(usage.Options):
    """Command line of `twistd conchgo`."""

    synopsis = "[--config FILE]"
    longdesc = "Serves files over SSH. A process id is written only where twistd's --pidfile says."
    optParameters = [  # noqa: RUF012
        ["config", "c", None, "The configuration file (default: $CONCHGO_CONFIG, else /etc/conchgo/conchgo.toml)"]
    ]

    def opt_version(self) -> NoReturn:
        """Print version information and exit."""
        print(f"conchgo {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        if self.parent is not None and self.parent["pidfile"] == _TWISTDS_PIDFILE:
            self.parent["pidfile"] = ""


class ConchgoService(Service):
    """Puts the server together when it is started, which is after twistd has become a daemon."""

    _log = Logger()

    def __init__(self, path: str, settings: Settings, foreground: bool = True) -> None:
        self._path = path
        self._settings = settings
        self._foreground = foreground
        self._server: Server | Supervisor | None = None

    def setServiceParent(self, parent: IServiceCollection) -> None:
        """twistd asks the application for its log next."""
        super().setServiceParent(parent)
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, _observer(self._path, self._settings))

    def privilegedStartService(self) -> None:
        from twisted.internet import reactor

        log.route_python_logging()
        raise_file_limit()
        try:
            if self._settings.service.workers == 1:
                server: Server | Supervisor = compose(reactor, self._settings)
            else:
                server = supervise(reactor, self._settings, self._failed)
            server.privilegedStartService()
        except StartError as error:
            self._tell(str(error))
            if not self._foreground:
                raise  # the process that started the daemon waits for twistd to pass this on
            raise SystemExit(1)
        self._server = server

    def startService(self) -> None:
        super().startService()
        assert self._server is not None  # noqa: S101  (twistd starts a service in two steps)
        self._server.startService()
        # All that there is by now stays: to look through it for garbage takes 80 ms, in which nobody is answered.
        gc.collect()
        gc.freeze()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return succeed(None) if self._server is None else self._server.stopService()

    def _tell(self, reason: str) -> None:
        """Why there is no service: in the log, and for whoever has started it."""
        if self._settings.log.file != "-":
            self._log.critical("{reason}", reason=reason)
        if self._foreground:
            say(f"{self._path}: {reason}")

    def _failed(self, reason: str) -> None:
        """A worker can't start: end the others, and then with the status that says so. twistd knows only 0."""
        from twisted.internet import reactor

        self._tell(reason)
        atexit.register(os._exit, 1)
        reactor.stop()


def makeService(options: Options) -> Service:
    """What twistd runs."""
    path = path_or_default(options["config"])
    try:
        return ConchgoService(path, load(path), foreground=bool(options.parent and options.parent["nodaemon"]))
    except ConfigurationError as error:
        refuse(str(error))


def refuse(line: str) -> NoReturn:
    """End with one line."""
    say(line)
    raise SystemExit(1)


def say(line: str) -> None:
    """On the real standard error: twistd has turned Python's into the log."""
    os.write(2, f"conchgo: {line}\n".encode("utf-8", "backslashreplace"))


def _observer(path: str, settings: Settings) -> Any:
    try:
        os.makedirs(settings.service.state_directory, mode=0o750, exist_ok=True)
        return log.observer(settings.log.file, settings.log.level)
    except OSError as error:
        refuse(f"{path}: log.file: {error.filename}: {error.strerror}")

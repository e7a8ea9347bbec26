"""The client's scp, at the other end of the channel."""

from __future__ import annotations

from conchgo.commands.scp import messages
from conchgo.edge.console import Console
from conchgo.errors import ConchgoError
from conchgo.paths import VirtualPath


class Fatal(Exception):
    """It can't go on; `text` is for the client, None where it knows."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        super().__init__(text)


class Peer:
    """Sends and reads answers. `failed` says whether anything went wrong, on either side."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failed = False

    async def answer(self) -> bool:
        """What the client says to what was sent: whether it goes on with that. Its warnings don't end anything.

        Raises:
            Fatal: it gave up, is gone, or speaks another language.
        """
        answer = bytes(await self.console.read(1))
        if answer == messages.OK:
            return True
        if not answer:
            raise Fatal
        self.failed = True
        if answer[0] == messages.WARNING:
            try:
                await self.console.read_line()
            except EOFError:
                raise Fatal from None
            return False
        if answer[0] == messages.ERROR:
            raise Fatal
        raise Fatal("protocol error: an answer is missing")

    async def ok(self) -> None:
        await self.console.write(messages.OK)

    async def warn(self, path: VirtualPath, error: ConchgoError) -> None:
        """Something could not be done; the others can."""
        self.failed = True
        await self.console.write(messages.answer(messages.WARNING, f"{path}: {error.text}"))

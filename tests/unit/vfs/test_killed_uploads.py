"""A server that is killed at any step of an atomic upload leaves one whole file, and nothing that stays for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conchgo.storage.interface import Attributes, Create
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.uploads import temporaries
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from conchgo.vfs.uploads.storage import Uploads
from tests.unit.vfs.helpers import p

OLD, NEW = b"the old file", b"and the new one"


class Killed(BaseException):
    """Nothing more is done by the process."""


class Life:
    """Ends before the call of that number, or (`done`) right behind it."""

    def __init__(self, steps: int, done: bool) -> None:
        self.steps = steps
        self.done = done

    def do(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.steps -= 1
        if self.steps < 0 or (self.steps == 0 and not self.done):
            raise Killed
        result = work(*args, **kwargs)
        if self.steps == 0:
            raise Killed
        return result


class Mortal:
    """A storage, or an open file, that is used during a life."""

    def __init__(self, thing: Any, life: Life) -> None:
        self._thing = thing
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            result = self._life.do(found, *args, **kwargs)
            return Mortal(result, self._life) if name == "open" else result

        return call


def upload(storage: Any, mode: UploadMode, *, there: bool, ends: str) -> None:
    uploads = Uploads(storage, UploadRules(mode, max_size=100))
    file = uploads.open(
        p(b"/f"), read=False, write=True, create=Create.NEVER if there else Create.NEW, truncate=there, mode=0o644
    )
    file.pwritev([memoryview(NEW[:5])], 0)
    file.set_attributes(Attributes(mtime=5))
    file.pwritev([memoryview(NEW[5:])], 5)
    getattr(file, ends)()


def left(storage: Any) -> dict[bytes, bytes]:
    listing = storage.scan(p(b"/"))
    names = [entry.name for entry in listing]
    listing.close()
    contents = {}
    for name in names:
        file = storage.open(p(b"/" + name), read=True, write=False, create=Create.NEVER)
        contents[name] = bytes(file.pread(1000, 0))
        file.close()
    return contents


@pytest.mark.parametrize("ends", ["close", "abandon"])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("mode", [UploadMode.ATOMIC, UploadMode.RESUME])
def test_every_step(monkeypatch: pytest.MonkeyPatch, mode: UploadMode, there: bool, ends: str) -> None:
    before = {b"f": OLD} if there else {}
    outcomes = []
    for step in range(1, 100):
        for done in (False, True):
            storage = MemoryStorage()
            if there:
                file = storage.open(p(b"/f"), read=False, write=True, create=Create.NEW)
                file.append(memoryview(OLD))
                file.close()
            try:
                upload(Mortal(storage, Life(step, done)), mode, there=there, ends=ends)
            except Killed:
                killed = True
            else:
                killed = False
            with monkeypatch.context() as patch:
                patch.setattr(temporaries, "_runs", lambda *_: False)
                survivor = Uploads(storage, UploadRules(mode))
                list(survivor.scan(p(b"/")))
            assert left(storage) in (before, {b"f": NEW}), (step, done)
            outcomes.append(left(storage))
        if not killed:
            break
    assert step > 6
    whole = ends == "close" or mode is UploadMode.RESUME
    assert outcomes[-1] == ({b"f": NEW} if whole else before)
    # Once it is there it stays.
    first = next((number for number, found in enumerate(outcomes) if found != before), len(outcomes))
    assert all(found == {b"f": NEW} for found in outcomes[first:])

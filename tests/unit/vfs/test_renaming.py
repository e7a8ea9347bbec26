"""What is looked at before a rename is what is renamed and counted, whatever other sessions do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from conchgo.errors import ConchgoError, NotBefore, NotFound, PermissionDenied
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.local import LocalStorage
from conchgo.vfs.metering.metered import Metered
from tests.unit.vfs.helpers import WRITE, View, p, put
from tests.unit.vfs.test_filtered import deny


class Session:
    """What one session has of a home and a folder."""

    def __init__(self, ledger: MemoryLedger, home: LocalStorage, folder: LocalStorage) -> None:
        self.home, self.folder = (
            Metered(storage, ledger, Charge(domain, ((domain, Limits()),)))
            for storage, domain in ((home, "user:ada"), (folder, "folder:f"))
        )

    def put(self, storage: Metered, path: bytes, size: int) -> None:
        file = storage.open(p(path), read=False, write=True, create=Create.NEW)
        file.pwritev([memoryview(bytes(size))], 0)
        file.close()

    def move(self, old: bytes, new: bytes) -> None:
        self.home.rename_to(p(old), self.folder, p(new), replace=True)


class Service:
    def __init__(self, directory: Any, closing: ExitStack) -> None:
        self._directory = directory
        self._closing = closing
        self._ledger = MemoryLedger()
        for name, domain in (("home", "user:ada"), ("folder", "folder:f")):
            (directory / name).mkdir()
            self._ledger.count(domain, Usage(0, 0))

    def session(self) -> Session:
        made = [LocalStorage(bytes(self._directory / name)) for name in ("home", "folder")]
        for storage in made:
            self._closing.callback(storage.close)
        return Session(self._ledger, made[0], made[1])

    @property
    def used(self) -> tuple[Usage | None, Usage | None]:
        return self._ledger.usage("user:ada"), self._ledger.usage("folder:f")

    @property
    def found(self) -> tuple[Usage, Usage]:
        counts = []
        for name in ("home", "folder"):
            files = [path for path in (self._directory / name).rglob("*") if path.is_file() and not path.is_symlink()]
            counts.append(Usage(sum(path.stat().st_size for path in files), len(files)))
        return counts[0], counts[1]


@pytest.fixture
def service(tmp_path: Any) -> Iterator[Service]:
    with ExitStack() as closing:
        yield Service(tmp_path, closing)


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Have others do `work`, step by step in another thread, when `method` is called next, before it or after it.

    What becomes of the steps is appended to the list.
    """

    def arrange(owner: Any, method: str, *work: Callable[[], Any], after: bool = False) -> list[Any]:
        became: list[Any] = []
        original = getattr(owner, method)

        def meddle() -> None:
            monkeypatch.setattr(owner, method, original)
            for step in work:
                with ThreadPoolExecutor(1) as pool:
                    error = pool.submit(step).exception()
                became.append(None if error is None else type(error))

        def meddled(*arguments: Any, **how: Any) -> Any:
            if not after:
                meddle()
            result = original(*arguments, **how)
            if after:
                meddle()
            return result

        monkeypatch.setattr(owner, method, meddled)
        return became

    return arrange


def test_a_link_does_not_become_a_file_while_it_is_moved(service: Service, between: Any) -> None:
    one, other = service.session(), service.session()
    one.home.symlink(b"x", p(b"/name"))
    became = between(
        LocalStorage,
        "rename_to",
        lambda: other.home.remove(p(b"/name")),
        lambda: other.put(other.home, b"/other", 7),
        lambda: other.home.rename(p(b"/other"), p(b"/name"), replace=True),
    )
    one.move(b"/name", b"/name")
    assert became[:2] == [NotBefore, NotBefore]
    assert service.used == service.found == ((0, 0), (0, 0))


def test_a_link_does_not_become_a_file_while_it_is_replaced(service: Service, between: Any) -> None:
    one, other = service.session(), service.session()
    one.put(one.home, b"/new", 5)
    one.folder.symlink(b"x", p(b"/name"))
    became = between(
        LocalStorage,
        "rename_to",
        lambda: other.folder.remove(p(b"/name")),
        lambda: other.put(other.folder, b"/name", 7),
    )
    one.move(b"/new", b"/name")
    assert became == [NotBefore, NotBefore]
    assert service.used == service.found == ((0, 0), (5, 1))


def test_what_became_a_file_before_is_counted_as_one(service: Service, between: Any) -> None:
    """Between the look that says that one must be alone, and that."""
    one, other = service.session(), service.session()
    one.home.symlink(b"x", p(b"/name"))
    became = between(
        LocalStorage,
        "lstat",
        lambda: other.home.remove(p(b"/name")),
        lambda: other.put(other.home, b"/name", 7),
        after=True,
    )
    one.move(b"/name", b"/name")
    assert became == [None, None]
    assert service.used == service.found == ((0, 0), (7, 1))


def test_directories_on_the_way_stay(service: Service, between: Any) -> None:
    one, other = service.session(), service.session()
    for name, size in ((b"/d", 5), (b"/e", 7)):
        one.home.mkdir(p(name))
        one.put(one.home, name + b"/a", size)
    one.put(one.home, b"/new", 1)
    became = between(
        LocalStorage,
        "rename",
        lambda: other.home.rename(p(b"/d"), p(b"/away"), replace=False),
        lambda: other.home.rename(p(b"/e"), p(b"/d"), replace=False),
    )
    one.home.rename(p(b"/new"), p(b"/d/a"), replace=True)
    assert became[0] is NotBefore
    assert service.used == service.found == ((8, 2), (0, 0))


def test_a_name_that_appears_is_replaced_all_the_same(service: Service, between: Any) -> None:
    one, other = service.session(), service.session()
    one.put(one.home, b"/new", 5)
    became = between(LocalStorage, "rename_to", lambda: other.put(other.folder, b"/name", 7))
    one.move(b"/new", b"/name")
    assert became == [None]
    assert service.used == service.found == ((0, 0), (5, 1))


def test_nothing_is_made_in_a_directory_that_is_moved_to_another_quota(service: Service, between: Any) -> None:
    one, other = service.session(), service.session()
    one.home.mkdir(p(b"/d"))
    one.put(one.home, b"/d/a", 5)

    def write(storage: Metered) -> None:
        storage.set_attributes(p(b"/d/a"), Attributes(size=50))

    steps = [
        lambda: other.put(other.folder, b"/d/b", 7),
        lambda: other.folder.remove(p(b"/d/a")),
        lambda: other.folder.link(p(b"/d/a"), p(b"/link")),
        lambda: write(other.folder),
    ]
    became = between(LocalStorage, "rename_to", *steps, after=True)
    one.move(b"/d", b"/d")
    assert became == [NotBefore] * len(steps)
    assert service.used == service.found == ((0, 0), (5, 1))


def test_open_files_do_not_grow_while_their_directory_moves(service: Service, between: Any) -> None:
    one, other = service.session(), service.session()
    one.home.mkdir(p(b"/d"))
    one.put(one.home, b"/d/a", 5)
    file = other.home.open(p(b"/d/a"), read=False, write=True, create=Create.NEVER)

    def grow() -> None:
        file.append(memoryview(b"1234"))

    for after in False, True:
        became = between(LocalStorage, "rename_to", grow, lambda: file.set_attributes(Attributes(size=1)), after=after)
        one.move(b"/d", b"/d")
        assert became == [NotBefore, NotBefore]
        one.folder.rename_to(p(b"/d"), one.home, p(b"/d"), replace=False)
    grow()
    assert service.used == service.found == ((9, 1), (0, 0))
    one.move(b"/d", b"/d")
    with pytest.raises(ConchgoError, match="moved to another folder"):
        grow()
    file.close()
    assert service.used == service.found == ((0, 0), (9, 1))


def test_a_file_that_comes_back_is_counted_once(service: Service, between: Any) -> None:
    """It was opened where a directory takes it again."""
    one, other = service.session(), service.session()
    one.put(one.folder, b"/a", 5)
    file = other.folder.open(p(b"/a"), read=False, write=True, create=Create.NEVER)
    one.home.mkdir(p(b"/d"))
    one.folder.rename_to(p(b"/a"), one.home, p(b"/d/a"), replace=False)
    became = between(LocalStorage, "rename_to", lambda: file.append(memoryview(b"1234")), after=True)
    one.move(b"/d", b"/d")
    file.append(memoryview(b"1"))
    file.close()
    assert became == [NotBefore]
    assert service.used == service.found == ((0, 0), (6, 1))


def test_who_pays_nothing_at_home_writes_no_more_into_what_he_moved_to_a_folder(tmp_path: Any) -> None:
    ledger = MemoryLedger()
    ledger.count("folder:f", Usage(0, 0))
    folder = Charge("folder:f", (("folder:f", Limits(10)),))
    with ExitStack() as closing:
        for name in "home", "folder":
            (tmp_path / name).mkdir()
        home, shared = (LocalStorage(bytes(tmp_path / name)) for name in ("home", "folder"))
        closing.callback(home.close)
        closing.callback(shared.close)
        fs = View(home, folders={b"/f": shared}, charges={b"/f": folder}, ledger=ledger).fs
        put(fs, b"/a", bytes(8))
        file = fs.open(p(b"/a"), WRITE)
        fs.rename(p(b"/a"), p(b"/f/a"), replace=False)
        with pytest.raises(ConchgoError, match="moved to another folder"):
            file.pwritev([memoryview(bytes(20))], 8)
        file.close()
        assert ledger.usage("folder:f") == (8, 1)
        with pytest.raises(NotFound):
            fs.remove(p(b"/a"))
        fs.rename(p(b"/f/a"), p(b"/a"), replace=False)
        assert ledger.usage("folder:f") == (0, 0)


# What is judged is what moves.


@pytest.fixture
def tree(tmp_path: Any) -> Iterator[tuple[LocalStorage, LocalStorage]]:
    """One directory, as two sessions have it: a file, and a directory that would not be let through in its place."""
    storages = LocalStorage(bytes(tmp_path)), LocalStorage(bytes(tmp_path))
    for name in ("from", "to", "swap"):
        (tmp_path / name).mkdir()
    (tmp_path / "from" / "name").write_text("a file")
    (tmp_path / "swap" / "bad.exe").write_text("")
    yield storages
    for storage in storages:
        storage.close()


def swapping(other: LocalStorage) -> list[Callable[[], Any]]:
    return [
        lambda: other.remove(p(b"/from/name")),
        lambda: other.mkdir(p(b"/from/name")),
        lambda: other.rename(p(b"/swap"), p(b"/from/name"), replace=True),
    ]


PATTERNS = [deny("/to", "*.exe")]
RULES = {"/": ("*",), "/to": ("list", "rename_files", "overwrite")}


@pytest.mark.parametrize("how", [{"patterns": PATTERNS}, {"rules": RULES}], ids=["patterns", "permissions"])
def test_no_directory_takes_the_place_of_a_file(tree: Any, between: Any, how: Any) -> None:
    one, other = tree
    became = between(LocalStorage, "rename_to", *swapping(other))
    View(one, **how).fs.rename(p(b"/from/name"), p(b"/to/name"), replace=True)
    assert became[:2] == [NotBefore, NotBefore]
    assert one.lstat(p(b"/to/name")).size == 6
    with pytest.raises(PermissionDenied):
        View(one, **how).fs.rename(p(b"/swap"), p(b"/to/swap"), replace=True)


def test_nothing_comes_into_a_directory_when_it_was_looked_at(tree: Any, between: Any) -> None:
    one, other = tree
    one.mkdir(p(b"/swap/keep"))
    fs = View(one, {"/": ("*",), "/swap/keep": ("list", "upload", "rename_dirs")}).fs
    became = between(LocalStorage, "rename_to", lambda: other.symlink(b"x", p(b"/swap/keep/stays")))
    fs.rename(p(b"/swap"), p(b"/to/swap"), replace=True)
    assert became == [NotBefore]
    other.symlink(b"x", p(b"/to/swap/keep/moved"))
    one.mkdir(p(b"/swap"))


def test_where_all_is_judged_alike_nobody_is_kept_out(tree: Any, between: Any) -> None:
    one, other = tree
    became = between(LocalStorage, "rename_to", lambda: other.mkdir(p(b"/new")))
    View(one).fs.rename(p(b"/from/name"), p(b"/to/name"), replace=True)
    assert became == [None]

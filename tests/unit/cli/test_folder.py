from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import Folder, User, VirtualFolder
from conchgo.cli.context import Context
from conchgo.cli.main import main
from conchgo.quota.interface import Usage

DOCS = Folder("docs", "/srv/docs", "of all", {"filesystem": {"provider": 0}})
ALICE = User("alice", "/srv/alice", virtual_folders=(VirtualFolder("docs", "/d"),))


class Accounts(Context):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryAccountStore()
        self.used: dict[str, Usage] = {}
        self.recounted: set[str] = set()

    def account_store(self) -> MemoryAccountStore:
        return self.store

    def usages(self) -> dict[str, Usage]:
        return self.used

    def recount(self, domains: Set[str]) -> None:
        self.recounted |= domains


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


def run(accounts: Accounts, *arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["folder", *arguments], input=given, obj=accounts)


def ok(accounts: Accounts, *arguments: str, given: str | None = None) -> str:
    result = run(accounts, *arguments, given=given)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(accounts: Accounts, *arguments: str, given: str | None = None, status: int = 1) -> str:
    before = accounts.store.folders()
    result = run(accounts, *arguments, given=given)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert accounts.store.folders() == before
    return result.stderr


class TestAdd:
    def test_options_carry_the_fields(self, accounts: Accounts) -> None:
        assert ok(accounts, "add", "docs", "--mapped-path", "/srv/docs", "--description", "x") == "folder docs added\n"
        assert accounts.store.folder("docs") == Folder("docs", "/srv/docs", "x")

    def test_a_record_in_sftpgos_form(self, accounts: Accounts) -> None:
        record = {"id": 1, "name": "docs", "mapped_path": "/srv/docs", "filesystem": {"provider": 0}, "users": ["bob"]}
        ok(accounts, "add", "--json", "-", "--description", "y", given=json.dumps(record))
        found = accounts.store.folder("docs")
        assert found is not None
        assert (found.mapped_path, found.description) == ("/srv/docs", "y")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["a/b", "--mapped-path", "/srv/x"], "name: "),
            (["x", "--mapped-path", "srv"], "mapped_path: "),
            (["x", "--mapped-path", "/srv/docs/sub"], "mapped_path: "),
            (["x", "--mapped-path", "/srv"], "mapped_path: "),
            (["docs", "--mapped-path", "/srv/x"], "folder docs exists already"),
        ],
    )
    def test_what_makes_no_sense_is_refused_on_one_line(
        self, accounts: Accounts, arguments: list[str], message: str
    ) -> None:
        accounts.store.add_folder(DOCS)
        error = refused(accounts, "add", *arguments)
        assert error.startswith(f"conchgo: {message}")
        assert error.count("\n") == 1

    @pytest.mark.parametrize(
        ("record", "message"),
        [
            ("", "--json: that is no JSON"),
            ("[]", "--json: a record is one JSON object"),
            ('{"name": "other", "mapped_path": "/x"}', "name: the record has another one"),
            ('{"mapped_path": 1}', "mapped_path: must be"),
            ('{"mapped_path": "/x", "filesystem": {"secret": {"status": "Redacted"}}}', "filesystem.secret"),
        ],
    )
    def test_a_record_that_makes_no_sense(self, accounts: Accounts, record: str, message: str) -> None:
        assert message in refused(accounts, "add", "x", "--json", "-", given=record)

    def test_name_and_directory_must_be_given(self, accounts: Accounts) -> None:
        assert "NAME" in refused(accounts, "add", "--mapped-path", "/x", status=2)
        assert "--mapped-path" in refused(accounts, "add", "x", status=2)

    def test_a_folder_elsewhere_is_told(self, accounts: Accounts) -> None:
        record = {"mapped_path": "/x", "filesystem": {"provider": 1}}
        assert "filesystem" in run(accounts, "add", "x", "--json", "-", given=json.dumps(record)).stderr


class TestUpdate:
    def test_only_what_is_given_changes(self, accounts: Accounts) -> None:
        accounts.store.add_folder(DOCS)
        ok(accounts, "update", "docs", "--description", "")
        assert accounts.store.folder("docs") == Folder("docs", "/srv/docs", "", DOCS.extra)
        assert accounts.recounted == set()
        accounts.store.add(ALICE)
        ok(accounts, "update", "docs", "--mapped-path", "/srv/docs/sub")
        assert accounts.recounted == {"folder:docs"}
        assert accounts.store.folder("docs") == Folder("docs", "/srv/docs/sub", "", DOCS.extra)

    def test_a_record_replaces_the_rest(self, accounts: Accounts) -> None:
        accounts.store.add_folder(DOCS)
        ok(accounts, "update", "docs", "--json", "-", given='{"mapped_path": "/srv/new"}')
        assert accounts.store.folder("docs") == Folder("docs", "/srv/new")

    def test_it_must_fit_those_who_have_it(self, accounts: Accounts, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        accounts.store.add_folder(DOCS)
        accounts.store.add_folder(Folder("inner", "/srv/inner"))
        accounts.store.add(
            User("bob", "/b", virtual_folders=(*ALICE.virtual_folders, VirtualFolder("inner", "/d/file/i")))
        )
        error = refused(accounts, "update", "docs", "--mapped-path", str(tmp_path))
        assert error.startswith("conchgo: mapped_path: does not fit user bob: virtual_folders: number 2: virtual_path")

    def test_nothing_to_change(self, accounts: Accounts) -> None:
        assert "Nothing to change" in refused(accounts, "update", "docs", status=2)


def test_delete(accounts: Accounts) -> None:
    accounts.store.add_folder(DOCS)
    accounts.store.add(ALICE)
    assert "in use by alice" in refused(accounts, "delete", "docs")
    accounts.store.delete("alice")
    assert "its files stay" in ok(accounts, "delete", "docs")
    assert accounts.store.folders() == []
    assert accounts.recounted == {"folder:docs"}


@pytest.mark.parametrize("command", ["show", "delete", "update --description x"])
@pytest.mark.parametrize("name", ["nothing", "a\nb\x1b[31m", "\udcff"])
def test_what_is_not_there_is_named_on_one_line(accounts: Accounts, command: str, name: str) -> None:
    verb, *options = command.split()
    error = refused(accounts, verb, name, *options)
    assert "there is no folder" in error
    assert error.strip().isprintable()


class TestShowing:
    def test_a_folder_and_who_has_it(self, accounts: Accounts) -> None:
        secret = {"provider": 1, "s3config": {"access_secret": {"status": "Plain", "payload": "hunter2"}}}
        accounts.store.add_folder(Folder("docs", "/srv/[red]x\x1b", "two\nlines", {"filesystem": secret}))
        accounts.store.add(ALICE)
        for command in (["show", "docs"], ["list"], ["show", "docs", "--json"], ["list", "--json"]):
            shown = ok(accounts, *command)
            assert "alice" in shown
            assert "[red]x" in shown
            assert "\x1b" not in shown
            assert "hunter2" not in shown
        accounts.used = {"folder:docs": Usage(1234, 5)}
        assert json.loads(ok(accounts, "show", "docs", "--json"))["used_quota_size"] == 1234
        shown = ok(accounts, "show", "docs")
        assert "1234" in shown
        assert "at /d" in shown
        assert "cannot log in" in shown
        assert json.loads(ok(accounts, "list", "--json")) == [json.loads(ok(accounts, "show", "docs", "--json"))]

    def test_nothing(self, accounts: Accounts) -> None:
        assert json.loads(ok(accounts, "list", "--json")) == []
        ok(accounts, "list")

    def test_what_was_shown_can_be_given_back(self, accounts: Accounts) -> None:
        accounts.store.add_folder(DOCS)
        ok(accounts, "update", "docs", "--json", "-", given=ok(accounts, "show", "docs", "--json"))
        found = accounts.store.folder("docs")
        assert found is not None
        assert (found.mapped_path, found.description) == (DOCS.mapped_path, DOCS.description)

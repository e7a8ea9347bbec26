from __future__ import annotations

import dataclasses
import json
from collections.abc import Set
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import BandwidthLimit, FilePattern, Filters, Folder, User, VirtualFolder
from conchgo.accounts.record import to_record
from conchgo.auth.passwords import verify
from conchgo.cli.context import Context
from conchgo.cli.main import main
from conchgo.quota.interface import Usage
from tests import keys

KEY = keys.ed25519_line()
HASH = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
ALICE = User("alice", "/srv/alice", password=HASH, public_keys=(KEY,))


class Accounts(Context):
    def __init__(self, home: str | None = "/srv/homes") -> None:
        super().__init__()
        self.store = MemoryAccountStore()
        self.home = home
        self.used: dict[str, Usage] = {}
        self.recounted: set[str] = set()

    def account_store(self) -> MemoryAccountStore:
        return self.store

    def usages(self) -> dict[str, Usage]:
        return self.used

    def recount(self, domains: Set[str]) -> None:
        self.recounted |= domains

    def default_home(self, username: str) -> Any:
        return self.home and f"{self.home}/{username}"


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


def run(accounts: Accounts, *arguments: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["user", *arguments], input=given, obj=accounts)


def ok(accounts: Accounts, *arguments: str, given: str | bytes | None = None) -> str:
    result = run(accounts, *arguments, given=given)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(accounts: Accounts, *arguments: str, given: str | bytes | None = None) -> str:
    before = accounts.store.users()
    result = run(accounts, *arguments, given=given)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert accounts.store.users() == before
    return result.stderr


def misused(accounts: Accounts, *arguments: str, given: str | bytes | None = None) -> str:
    result = run(accounts, *arguments, given=given)
    assert result.exit_code == 2, result.output
    return result.stderr


def only_user(accounts: Accounts) -> User:
    (user,) = accounts.store.users()
    return user


class TestAdd:
    def test_it_asks_for_a_password_twice(self, accounts: Accounts) -> None:
        ok(accounts, "add", "alice", given="correct horse\ncorrect horse\n")
        user = only_user(accounts)
        assert user == User("alice", "/srv/homes/alice", password=user.password)
        assert user.password.startswith("$2b$12$")
        assert verify(user.password, b"correct horse")

    def test_passwords_that_differ_are_asked_again_and_no_answer_adds_nobody(self, accounts: Accounts) -> None:
        result = run(accounts, "add", "alice", given="one\ntwo\n")
        assert result.exit_code == 1
        assert not accounts.store.users()

    @pytest.mark.parametrize("content", [b"correct horse", b"correct horse\n", b"correct horse\r\nsecond line\n"])
    def test_the_password_comes_from_the_first_line_of_a_file(
        self, accounts: Accounts, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / "password").write_bytes(content)
        ok(accounts, "add", "alice", "--password-file", f"{tmp_path}/password", "--algorithm", "argon2id")
        assert only_user(accounts).password.startswith("$argon2id$")
        assert verify(only_user(accounts).password, b"correct horse")
        ok(accounts, "add", "bob", "--password-file", "-", given=content)

    @pytest.mark.parametrize("content", [b"", b"\n", b"a\0b", b"x" * 73, b"x" * 100_000])
    def test_a_password_that_could_never_verify_is_refused(self, accounts: Accounts, content: bytes) -> None:
        assert "the password" in refused(accounts, "add", "alice", "--password-file", "-", given=content)

    def test_there_is_no_option_for_the_password_itself(self, accounts: Accounts) -> None:
        assert "No such option" in misused(accounts, "add", "alice", "--password", "x")

    def test_a_user_with_a_key_is_not_asked(self, accounts: Accounts, tmp_path: Path) -> None:
        (tmp_path / "with space.pub").write_text(f"# two keys\n{KEY} me\n\n{keys.ed25519_line(2)}\n")
        ok(accounts, "add", "alice", "--public-key", f"{tmp_path}/with space.pub", "--public-key", keys.ed25519_line(3))
        user = only_user(accounts)
        assert user.public_keys == (f"{KEY} me", keys.ed25519_line(2), keys.ed25519_line(3))
        assert user.password == ""

    def test_options_carry_the_fields(self, accounts: Accounts) -> None:
        options = (
            f"--public-key|{KEY}|--home-dir|/srv/x|--status|0|--expiration-date|2030-01-01|--uid|7|--gid|8"
            "|--max-sessions|2|--quota-size|100|--quota-files|3|--email|a@b|--description|d|--additional-info|i"
            "|--permissions|list, download|--directory-permissions|/in=upload|--directory-permissions|/a=b="
            "|--start-directory|/in|--allowed-ip|10.0.0.0/8|--allowed-ip|::1|--denied-ip|10.0.0.1"
            "|--denied-login-method|password|--denied-protocol|FTP"
        )
        ok(accounts, "add", "alice", *options.split("|"))
        assert only_user(accounts) == User(
            "alice",
            "/srv/x",
            status=0,
            expiration_date=1893456000000,
            public_keys=(KEY,),
            uid=7,
            gid=8,
            permissions={"/": ("list", "download"), "/in": ("upload",), "/a=b": ()},
            quota_size=100,
            quota_files=3,
            max_sessions=2,
            email="a@b",
            description="d",
            additional_info="i",
            filters=Filters("/in", ("10.0.0.0/8", "::1"), ("10.0.0.1",), ("password",), ("FTP",)),
        )

    def test_commands_of_one_user(self, accounts: Accounts) -> None:
        ok(
            accounts,
            "add",
            "alice",
            "--public-key",
            KEY,
            "--enabled-command",
            "pwd",
            "--enabled-command",
            "conchgo-copy",
        )
        assert only_user(accounts).filters.enabled_commands == ("pwd", "conchgo-copy")
        assert '["pwd", "conchgo-copy"]' in ok(accounts, "show", "alice")
        ok(accounts, "update", "alice", "--enabled-command", "*")
        assert only_user(accounts).filters.enabled_commands == ("*",)
        reason = refused(accounts, "update", "alice", "--enabled-command", "rm")
        assert "filters.enabled_commands: 'rm' is not known; known are b2sum, cd, " in reason
        ok(accounts, "update", "alice", "--enabled-command", "")
        assert only_user(accounts).filters.enabled_commands == ()
        record = json.dumps({**to_record(only_user(accounts)), "filters": {"enabled_commands": ["rm"]}})
        refused(accounts, "update", "alice", "--json", "-", given=record)

    def test_options_carry_limits_folders_and_patterns(self, accounts: Accounts) -> None:
        for name in ("docs", "own"):
            accounts.store.add_folder(Folder(name, f"/srv/{name}"))
        options = (
            f"--public-key|{KEY}|--max-upload-file-size|10|--upload-bandwidth|1|--download-bandwidth|2"
            "|--upload-data-transfer|3|--download-data-transfer|4|--total-data-transfer|5"
            "|--bandwidth-limit|10.0.0.0/8, ::1=6:0|--bandwidth-limit|192.0.2.1=0:7"
            "|--virtual-folder|/docs=docs|--virtual-folder|/docs/own=own:0:8"
            "|--allowed-patterns|/::*.jpg, *.png|--allowed-patterns|/::*.gif|--denied-patterns|/::*"
            "|--hidden-patterns|/a::b::c"
        )
        ok(accounts, "add", "alice", *options.split("|"))
        assert only_user(accounts) == User(
            "alice",
            "/srv/homes/alice",
            public_keys=(KEY,),
            upload_bandwidth=1,
            download_bandwidth=2,
            upload_data_transfer=3,
            download_data_transfer=4,
            total_data_transfer=5,
            virtual_folders=(VirtualFolder("docs", "/docs"), VirtualFolder("own", "/docs/own", False, None, 8)),
            filters=Filters(
                max_upload_file_size=10,
                bandwidth_limits=(
                    BandwidthLimit(("10.0.0.0/8", "::1"), 6, 0),
                    BandwidthLimit(("192.0.2.1",), 0, 7),
                ),
                file_patterns=(
                    FilePattern("/", ("*.jpg", "*.png", "*.gif"), ("*",)),
                    FilePattern("/a", (), ("b::c",), 1),
                ),
            ),
        )

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--virtual-folder", "/docs"),
            ("--virtual-folder", "docs=docs"),
            ("--virtual-folder", "/docs="),
            ("--virtual-folder", "/docs=docs:1"),
            ("--virtual-folder", "/docs=docs:1:-1"),
            ("--virtual-folder", "/docs=docs:1:2:3"),
            ("--bandwidth-limit", "10.0.0.0/8"),
            ("--bandwidth-limit", "10.0.0.0/8=1"),
            ("--bandwidth-limit", "10.0.0.0/8=1:x"),
            ("--allowed-patterns", "*.jpg"),
            ("--denied-patterns", "a::*.jpg"),
            ("--quota-size", "-1"),
            ("--upload-bandwidth", "x"),
        ],
    )
    def test_a_value_that_is_none_names_its_option(self, accounts: Accounts, option: str, value: str) -> None:
        assert f"'{option}'" in misused(accounts, "add", "alice", "--public-key", KEY, option, value)
        assert accounts.store.users() == []

    @pytest.mark.parametrize(
        ("option", "value", "field"),
        [
            ("--virtual-folder", "/docs=docs", "virtual_folders: number 1: name: there is no folder docs"),
            ("--virtual-folder", "/a/../b=docs", "virtual_folders: number 1: virtual_path"),
            ("--bandwidth-limit", "x=1:2", "filters.bandwidth_limits: number 1: sources"),
            ("--denied-patterns", "/::[", "filters.file_patterns: number 1: denied_patterns"),
            ("--denied-patterns", "/a/::*", "filters.file_patterns: number 1: path"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, accounts: Accounts, option: str, value: str, field: str) -> None:
        assert f"conchgo: {field}" in refused(accounts, "add", "alice", "--public-key", KEY, option, value)

    def test_a_field_that_is_not_enforced_is_told(self, accounts: Accounts) -> None:
        record = json.dumps({**to_record(ALICE), "groups": [{"name": "x"}]})
        result = run(accounts, "add", "alice", "--json", "-", given=record)
        assert "groups" in result.stderr

    def test_a_record_in_sftpgos_form(self, accounts: Accounts, tmp_path: Path) -> None:
        record = {**to_record(ALICE), "id": 3, "groups": [{"name": "x"}]}
        (tmp_path / "alice.json").write_text(json.dumps(record))
        ok(accounts, "add", "--json", f"{tmp_path}/alice.json", "--status", "0")
        user = only_user(accounts)
        assert user == User("alice", "/srv/alice", 0, 0, HASH, (KEY,), extra={"id": 3, "groups": [{"name": "x"}]})

    def test_a_records_plain_password_is_hashed(self, accounts: Accounts) -> None:
        record = {"username": "alice", "password": "correct horse", "permissions": {"/": ["*"]}}
        ok(accounts, "add", "alice", "--json", "-", given=json.dumps(record))
        assert verify(only_user(accounts).password, b"correct horse")
        assert only_user(accounts).home_dir == "/srv/homes/alice"

    @pytest.mark.parametrize(
        ("record", "message"),
        [
            ("", "--json: that is no JSON"),
            ("{", "--json: that is no JSON"),
            ("[]", "one JSON object"),
            ('{"uid": NaN}', "--json: that is no JSON"),
            ("[" * 100_000, "--json: that is no JSON"),
            ('{"username": "bob"}', "another one than alice"),
            ('{"username": 7}', "username: must be a text"),
            ("{}", "permissions"),
            ('{"permissions": {"/": ["fly"]}}', "permissions"),
            ('{"permissions": {"/": ["*"]}, "status": "on"}', "status: must be"),
            ('{"permissions": {"/": ["*"]}, "password": "$2a$10$damaged"}', "password: "),
            ('{"permissions": {"/": ["*"]}, "home_dir": "relative"}', "home_dir: "),
        ],
    )
    def test_a_record_that_makes_no_sense(self, accounts: Accounts, record: str, message: str) -> None:
        assert message in refused(accounts, "add", "alice", "--json", "-", given=record)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["../alice"], "username: "),
            (["al ice"], "username: "),
            (["alice", "--home-dir", "relative"], "home_dir: "),
            (["alice", "--permissions", ""], "permissions: "),
            (["alice", "--permissions", "fly"], "permissions: "),
            (["alice", "--directory-permissions", "/a/../b=list"], "permissions: "),
            (["alice", "--public-key", f"no-pty {KEY}"], "public_keys: number 2: options"),
            (["alice", "--allowed-ip", "everywhere"], "allowed_ip"),
        ],
    )
    def test_values_that_make_no_sense(self, accounts: Accounts, options: list[str], message: str) -> None:
        assert message in refused(accounts, "add", "--public-key", KEY, *options)

    @pytest.mark.parametrize(
        "options",
        [
            [],
            ["alice", "--status", "2"],
            ["alice", "--uid", "-1"],
            ["alice", "--expiration-date", "tomorrow"],
            ["alice", "--directory-permissions", "list"],
            ["alice", "--directory-permissions", "sub=list"],
            ["alice", "--public-key", "/missing/key.pub"],
            ["alice", "--public-key", "/dev/null"],
            ["alice", "--denied-login-method", "telepathy"],
            ["alice", "--algorithm", "md5"],
            ["alice", "--password-file", "/missing/password"],
            ["alice", "--password-file", "-", "--json", "-"],
        ],
    )
    def test_options_that_cannot_be_read(self, accounts: Accounts, options: list[str]) -> None:
        misused(accounts, "add", "--public-key", KEY, *options)
        assert not accounts.store.users()

    def test_without_a_default_the_home_must_be_given(self) -> None:
        assert "--home-dir" in misused(Accounts(home=None), "add", "alice", "--public-key", KEY)

    def test_a_second_user_of_that_name(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        assert "alice exists already" in refused(accounts, "add", "alice", "--public-key", KEY)


class TestUpdate:
    def test_only_what_is_given_changes(self, accounts: Accounts) -> None:
        rich = User(
            "alice",
            "/srv/alice",
            password=HASH,
            public_keys=(KEY,),
            permissions={"/": ("*",), "/in": ("upload",)},
            filters=Filters(allowed_ip=("10.0.0.0/8",), extra={"x": 1}),
            extra={"y": 2},
        )
        accounts.store.add(rich)
        ok(accounts, "update", "alice", "--max-sessions", "3", "--permissions", "list")
        user = only_user(accounts)
        assert user.max_sessions == 3
        assert user.permissions == {"/": ("list",), "/in": ("upload",)}
        assert (user.filters, user.extra, user.password) == (rich.filters, rich.extra, HASH)
        ok(accounts, "update", "alice", "--directory-permissions", "/out=download", "--allowed-ip", "192.0.2.0/24")
        assert only_user(accounts).permissions == {"/": ("list",), "/out": ("download",)}
        assert only_user(accounts).filters == Filters(allowed_ip=("192.0.2.0/24",), extra={"x": 1})

    def test_an_empty_value_clears(self, accounts: Accounts) -> None:
        arguments = ["--public-key", KEY, "--directory-permissions", "/in=", "--expiration-date", "2030-01-01"]
        ok(accounts, "add", "alice", *arguments, "--allowed-ip", "::/0", "--email", "x", "--denied-protocol", "FTP")
        options = ["--directory-permissions", "--public-key", "--allowed-ip", "--email", "--denied-protocol"]
        ok(
            accounts,
            "update",
            "alice",
            "--expiration-date",
            "never",
            *[word for name in options for word in (name, "")],
        )
        assert only_user(accounts) == User("alice", "/srv/homes/alice")

    def test_each_option_replaces_its_own_part(self, accounts: Accounts) -> None:
        accounts.store.add_folder(Folder("docs", "/srv/docs"))
        both = FilePattern("/", ("a",), ("b",))
        hidden = FilePattern("/h", ("c",), ("d",), 1)
        folders = (VirtualFolder("docs", "/docs", extra={"subpath": "/x"}),)
        limits = (BandwidthLimit(("10.0.0.0/8",), 1, 2),)
        filters = Filters(file_patterns=(both, hidden), bandwidth_limits=limits, max_upload_file_size=3)
        accounts.store.add(dataclasses.replace(ALICE, virtual_folders=folders, filters=filters, quota_size=4))
        ok(accounts, "update", "alice", "--denied-patterns", "/::x", "--denied-patterns", "/n::y")
        found = only_user(accounts)
        assert found.filters.file_patterns == (FilePattern("/", ("a",), ("x",)), hidden, FilePattern("/n", (), ("y",)))
        assert (found.virtual_folders, found.filters.bandwidth_limits) == (folders, limits)
        ok(accounts, "update", "alice", "--hidden-patterns", "", "--denied-patterns", "")
        assert only_user(accounts).filters.file_patterns == (FilePattern("/", ("a",)), FilePattern("/h", ("c",), (), 1))
        ok(accounts, "update", "alice", "--allowed-patterns", "")
        assert only_user(accounts).filters.file_patterns == ()
        options = ("--virtual-folder", "", "--bandwidth-limit", "", "--max-upload-file-size", "0", "--quota-size", "0")
        ok(accounts, "update", "alice", *options)
        assert only_user(accounts) == ALICE

    def test_what_is_denied_is_hidden_or_not(self, accounts: Accounts) -> None:
        accounts.store.add(
            dataclasses.replace(ALICE, filters=Filters(file_patterns=(FilePattern("/", (), ("d",), 1),)))
        )
        message = refused(accounts, "update", "alice", "--denied-patterns", "/::x")
        assert "filters.file_patterns: /: names there are denied (--denied-patterns) or hidden" in message

    def test_a_folder_is_there_and_not_below_a_file(self, accounts: Accounts, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        accounts.store.add_folder(Folder("docs", "/srv/docs"))
        accounts.store.add(dataclasses.replace(ALICE, home_dir=str(tmp_path)))
        assert "there is no folder x" in refused(accounts, "update", "alice", "--virtual-folder", "/x=x")
        assert "virtual_path: /file" in refused(accounts, "update", "alice", "--virtual-folder", "/file/x=docs")
        ok(accounts, "update", "alice", "--virtual-folder", "/file=docs")

    @pytest.mark.parametrize(
        "record", ['{"filters": "x"}', '{"filters": {"file_patterns": [1]}}', '{"permissions": 1}']
    )
    def test_a_damaged_record_and_options(self, accounts: Accounts, record: str) -> None:
        accounts.store.add(ALICE)
        options = ("--denied-patterns", "/::x", "--permissions", "list")
        assert "must be" in refused(accounts, "update", "alice", "--json", "-", *options, given=record)

    def test_a_record_replaces_everything_but_a_password_it_does_not_give(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        record = {"home_dir": "/srv/new", "permissions": {"/": ["list"]}}
        ok(accounts, "update", "alice", "--json", "-", given=json.dumps(record))
        assert only_user(accounts) == User("alice", "/srv/new", password=HASH, permissions={"/": ("list",)})
        ok(accounts, "update", "alice", "--json", "-", given=json.dumps({**record, "password": "new horse"}))
        assert verify(only_user(accounts).password, b"new horse")

    def test_what_was_shown_can_be_given_back(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        ok(accounts, "update", "alice", "--json", "-", given=ok(accounts, "show", "alice", "--json"))
        assert only_user(accounts) == ALICE

    def test_a_damaged_stored_hash_does_not_stand_in_the_way(self, accounts: Accounts) -> None:
        accounts.store.add(User("alice", "/srv/alice", password="damaged"))
        ok(accounts, "update", "alice", "--status", "0")
        assert only_user(accounts).password == "damaged"

    def test_what_changes_a_quotas_content_has_it_counted_anew(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        ok(accounts, "update", "alice", "--quota-size", "5")
        assert accounts.recounted == set()
        ok(accounts, "update", "alice", "--home-dir", "/srv/new")
        assert accounts.recounted == {"user:alice"}

    def test_nothing_to_change(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        assert "Nothing to change" in misused(accounts, "update", "alice")

    def test_values_that_make_no_sense(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        assert "permissions: " in refused(accounts, "update", "alice", "--permissions", "")
        assert "home_dir: " in refused(accounts, "update", "alice", "--home-dir", "")


class TestPasswd:
    def test_it_asks_or_reads_a_file(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        ok(accounts, "passwd", "alice", given="new horse\nnew horse\n")
        assert verify(only_user(accounts).password, b"new horse")
        ok(accounts, "passwd", "alice", "--password-file", "-", given="newer horse\n")
        assert verify(only_user(accounts).password, b"newer horse")

    def test_it_removes(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        ok(accounts, "passwd", "alice", "--remove")
        assert only_user(accounts) == User("alice", "/srv/alice", public_keys=(KEY,))
        misused(accounts, "passwd", "alice", "--remove", "--password-file", "-")

    def test_a_bad_one_leaves_the_old_one(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        refused(accounts, "passwd", "alice", "--password-file", "-", given=b"\n")


def test_delete(accounts: Accounts) -> None:
    accounts.store.add(ALICE)
    assert "its files stay" in ok(accounts, "delete", "alice")
    assert not accounts.store.users()
    assert accounts.recounted == {"user:alice"}


@pytest.mark.parametrize("command", ["show", "delete", "passwd", "update --status 1"])
@pytest.mark.parametrize("name", ["nobody", "a\nb\x1b[31m", "\udcff"])
def test_whoever_is_not_there_is_named_on_one_line(accounts: Accounts, command: str, name: str) -> None:
    verb, *options = command.split()
    message = refused(accounts, verb, name, *options)
    assert "there is no user" in message
    assert message.strip().isprintable()


class TestShowing:
    HOSTILE = User(
        "alice",
        "/srv/[red]x\x1b[31m\nbob",
        password=HASH,
        public_keys=(f"{KEY} me\x1b", "damaged"),
        expiration_date=2**62,
        permissions={"/": ("list",), "/in\udcff": ()},
        extra={"totp": {"status": "Plain", "payload": "hunter2"}, "big": "x" * 1000},
    )

    def test_a_user_in_a_table(self, accounts: Accounts) -> None:
        accounts.store.add(self.HOSTILE)
        for command in (["show", "alice"], ["list"]):
            shown = ok(accounts, *command)
            assert "/srv/[red]x\\x1b[31m\\nbob" in shown
            assert "\x1b" not in shown
            assert "hunter2" not in shown
            assert HASH not in shown
        shown = ok(accounts, "show", "alice")
        assert "present" in shown
        assert "ssh-ed25519 SHA256:" in shown
        assert "/in\\xff" in shown
        assert "cannot log in" in shown

    def test_limits_folders_and_patterns_are_told_in_words(self, accounts: Accounts) -> None:
        user = dataclasses.replace(
            ALICE,
            virtual_folders=(VirtualFolder("docs", "/d"), VirtualFolder("own", "/o", False, 5, None)),
            filters=Filters(
                file_patterns=(FilePattern("/", ("*.jpg",), ("*",)), FilePattern("/h", (), ("x", "y"), 1)),
                bandwidth_limits=(BandwidthLimit(("10.0.0.0/8", "::1"), 6, 0),),
            ),
        )
        for folder in user.virtual_folders:
            accounts.store.add_folder(Folder(folder.name, f"/srv/{folder.name}"))
        accounts.store.add(user)
        shown = ok(accounts, "show", "alice")
        assert "docs, in the user's quota" in shown
        assert "own, at most 5 bytes and any number of files" in shown
        assert "allowed *.jpg; denied *" in shown
        assert "hidden x,y" in shown
        assert "6 KB/s up, any KB/s down" in shown
        assert json.loads(ok(accounts, "show", "alice", "--json"))["virtual_folders"] == [
            {"name": "docs", "virtual_path": "/d", "quota_size": -1, "quota_files": -1},
            {"name": "own", "virtual_path": "/o", "quota_size": 5, "quota_files": 0},
        ]

    def test_one_line_for_each_user_in_a_pipe(self, accounts: Accounts) -> None:
        accounts.store.add(ALICE)
        accounts.store.add(User("bob", "/srv/" + "b" * 500, status=0))
        lines = [line for line in ok(accounts, "list").splitlines() if "/srv/" in line]
        assert len(lines) == 2
        assert "password, publickey" in lines[0]
        assert "disabled" in lines[1]
        assert "nothing" in lines[1]

    def test_json_for_machines_holds_no_secret(self, accounts: Accounts) -> None:
        accounts.store.add(self.HOSTILE)
        shown = json.loads(ok(accounts, "show", "alice", "--json"))
        assert shown["home_dir"] == self.HOSTILE.home_dir
        assert shown["has_password"] is True
        assert "password" not in shown
        assert "hunter2" not in json.dumps(shown)
        assert json.loads(ok(accounts, "list", "--json")) == [shown]

    def test_what_is_used_of_the_quota(self, accounts: Accounts) -> None:
        """And not what another server had counted."""
        accounts.store.add(dataclasses.replace(ALICE, extra={"used_quota_size": 99, "last_quota_update": 99}))
        assert "99" not in ok(accounts, "show", "alice") + ok(accounts, "list", "--json")
        accounts.used = {"user:alice": Usage(1234, 5), "folder:alice": Usage(99, 99)}
        record = json.loads(ok(accounts, "show", "alice", "--json"))
        assert (record["used_quota_size"], record["used_quota_files"]) == (1234, 5)
        assert "1234" in ok(accounts, "show", "alice")

    def test_nobody(self, accounts: Accounts) -> None:
        assert json.loads(ok(accounts, "list", "--json")) == []
        ok(accounts, "list")

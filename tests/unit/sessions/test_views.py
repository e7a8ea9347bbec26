from __future__ import annotations

from dataclasses import replace

import pytest

from conchgo.accounts.model import FilePattern, Filters, User
from conchgo.errors import InvalidArgument, InvalidPath
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.sessions.storages import Storages
from conchgo.sessions.views import Rules, Views
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount
from conchgo.vfs.mount_table import MountTable
from conchgo.vfs.setstat import SetstatMode
from conchgo.vfs.uploads.rules import UploadMode

ALICE = User("alice", "/srv/alice", permissions={"/": ("list",)})
ORIGIN = Origin("alice", "connection-1", "192.0.2.7")


@pytest.mark.parametrize(
    ("user", "error"),
    [
        (replace(ALICE, permissions={"/": ("fly",)}), InvalidArgument),
        (replace(ALICE, filters=Filters(file_patterns=(FilePattern("here", ("*",)),))), InvalidArgument),
        (replace(ALICE, filters=Filters(start_directory="/\0")), InvalidPath),
    ],
)
def test_a_record_that_makes_no_sense_has_no_rules(user: User, error: type[Exception]) -> None:
    with pytest.raises(error):
        Rules.of(user)


def test_a_view_has_what_the_record_and_the_service_say() -> None:
    views = Views(Bus(), upload_mode=UploadMode.ATOMIC, setstat_mode=SetstatMode.IGNORE)
    filters = Filters(
        start_directory="/in",
        max_upload_file_size=7,
        file_patterns=(FilePattern("/", denied_patterns=("*.exe",), deny_policy=1),),
    )
    user = replace(ALICE, filters=filters, upload_bandwidth=5)
    storages = Storages({ROOT: Mount(MemoryStorage())}, MountTable([ROOT], [VirtualPath((b"p",))]))
    view = views.view(user, Rules.of(user), ORIGIN, storages)
    assert (view.mounts, view.table) == (storages.mounts, storages.table)
    assert view.permissions.verbs(ROOT) == {"list"}
    assert view.names.hides(VirtualPath((b"a.exe",)))
    assert view.start == VirtualPath((b"in",))
    assert (view.uploads.mode, view.uploads.max_size, view.setstat) == (UploadMode.ATOMIC, 7, SetstatMode.IGNORE)
    assert (view.identity.username, view.origin, view.bus) == ("alice", ORIGIN, views.bus)
    assert view.throttle is not None


def test_what_is_equal_is_shared_and_temporaries_are_the_services() -> None:
    views, storages = Views(Bus()), Storages({ROOT: Mount(MemoryStorage())})
    one, other = (
        views.view(user, Rules.of(user), ORIGIN, storages) for user in (ALICE, replace(ALICE, username="bob"))
    )
    assert one.permissions is other.permissions
    assert one.names is other.names
    assert one.uploads is other.uploads
    assert one.throttle is other.throttle is None
    assert one.uploads.temporaries is views.temporaries
    assert Views(Bus()).temporaries is not views.temporaries

"""Others at work where a program is: nobody waits for ever, nothing counts twice, and nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests.interop.commands import sftp
from tests.interop.git import SlowPush, attempt, commit, is_whole, new_bare, new_work, tree_of, url
from tests.interop.service import Servers, eventually
from tests.interop.trees import content
from tests.stories.test_git_limits import COMMANDS, programs, push, ssh_command, used
from tests.stories.test_quotas import on_disk


def test_uploads_and_another_push_beside_a_push_count_for_themselves(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10**8, quota_files=1000), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    first, second = new_work(local / "first", size=10_000), new_work(local / "second", size=20_000)
    slow = SlowPush(ssh_command(service, "git-receive-pack /repo.git"))
    (local / "file").write_bytes(content(100_000))
    sftp(service, f"put {local}/file /repo.git/description", f"put {local}/file /elsewhere")
    push(service, second, "main:refs/heads/second")
    assert used(service) == on_disk(service.home)
    slow.send(first, "refs/heads/first")
    slow.end()
    assert used(service) == on_disk(service.home)
    assert (tree_of(bare, "first"), tree_of(bare, "second")) == (tree_of(first), tree_of(second))
    is_whole(bare)


def test_who_needs_room_is_given_some_of_what_a_push_holds(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10**7), commands=COMMANDS)
    new_bare(service.home / "repo.git")
    slow = SlowPush(ssh_command(service, "git-receive-pack /repo.git"))
    (local / "file").write_bytes(content(100_000))
    sftp(service, f"put {local}/file /one", f"put {local}/file /two")
    slow.send(new_work(local / "work"), "refs/heads/main")
    slow.end()
    assert used(service) == on_disk(service.home)


def test_pushes_that_end_at_any_moment_leave_nothing(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10**8), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=5, size=500_000)
    push(service, work, "main")
    before = len(service.descriptors())
    chance = random.Random(4)
    for number in range(12):
        commit(work, size=500_000, seed=number + 1)
        slow = SlowPush(ssh_command(service, "git-receive-pack /repo.git"))
        slow.send(work, f"refs/heads/b{number}")
        time.sleep(chance.random() * 0.15)
        if number % 2:
            slow.process.kill()
        else:
            for child in children(service.process.pid):
                os.kill(child, signal.SIGKILL)
        slow.process.communicate(timeout=30)
    eventually(lambda: programs(service) == [], "no program is left", 20)
    eventually(lambda: used(service) == on_disk(service.home), "all is counted", 20)
    eventually(lambda: len(service.descriptors()) <= before, "no descriptor is left")
    push(service, work, "main")
    assert used(service) == on_disk(service.home)
    is_whole(bare)


def test_a_service_that_ends_takes_its_programs_along(servers: Servers, local: Path) -> None:
    service = servers.start(commands=COMMANDS, grace_time=0.2)
    new_bare(service.home / "repo.git")
    slow = SlowPush(ssh_command(service, "git-receive-pack /repo.git"))
    pids = children(service.process.pid)
    assert pids
    service.stop()
    slow.process.communicate(timeout=30)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert attempt("ls-remote", url(service, "/repo.git"), target=service).returncode != 0


def children(pid: int | None) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

from __future__ import annotations

import os
import tempfile
from unittest import TestCase

from conchgo.errors import NotBefore, QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.processes.baselines import Area, Baselines
from conchgo.processes.leases import ProgramLease
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.interface import Create
from conchgo.storage.local import LocalStorage
from conchgo.vfs.metering.metered import Metered

HOME = "user:alice"
TEAM = "folder:team"
NOTHING = Usage(0, 0)


class LeaseTests(TestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.ledger = MemoryLedger(lambda: self.now)
        self.baselines = Baselines()
        self.directories: dict[str, bytes] = {}

    def area(self, domain: str, *rows: tuple[str, Limits], used: Usage = NOTHING, top: str = "/") -> Area:
        path = os.fsencode(self.enterContext(tempfile.TemporaryDirectory()))
        self.directories[domain] = path
        storage = LocalStorage(path)
        self.addCleanup(storage.close)
        self.ledger.count(domain, used)
        return Area(storage, VirtualPath.parse(top.encode()), Charge(domain, rows))

    def home(self, size: int | None = 1000, files: int | None = None, top: str = "/") -> Area:
        return self.area(HOME, (HOME, Limits(size, files)), top=top)

    def begun(self, *areas: Area, want: int | None = None) -> ProgramLease:
        lease = ProgramLease(self.ledger, self.baselines, list(areas), want)
        lease.begin()
        return lease

    def write(self, name: str, size: int, domain: str = HOME) -> str:
        path = os.path.join(self.directories[domain], name.encode())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.truncate(size)
        return os.fsdecode(path)

    def used(self, domain: str = HOME) -> Usage | None:
        return self.ledger.usage(domain)

    def test_all_that_is_free_is_held(self) -> None:
        lease = self.begun(self.home(1000, 10))
        self.assertEqual((lease.left, lease.files_left), (1000, 10))
        with self.assertRaises(NotBefore):
            self.ledger.reserve(Charge(HOME, ((HOME, Limits(1000, 10)),)), 1, 0)
        lease.settle()
        self.now += 10
        self.ledger.reserve(Charge(HOME, ((HOME, Limits(1000, 10)),)), 1000, 10)

    def test_no_more_than_is_wanted(self) -> None:
        self.assertEqual(self.begun(self.home(), want=100).left, 100)

    def test_where_no_limit_holds_all_is_counted_all_the_same(self) -> None:
        lease = self.begun(self.home(None))
        self.assertEqual((lease.left, lease.files_left), (None, None))
        self.write("a", 50)
        lease.settle()
        self.assertEqual(self.used(), (50, 1))

    def test_the_true_change_is_counted(self) -> None:
        area = self.home()
        self.ledger.count(HOME, Usage(300, 2))
        gone, shorter = self.write("gone", 100), self.write("d/shorter", 200)
        lease = self.begun(area)
        self.assertEqual(lease.left, 700)
        os.unlink(gone)
        os.truncate(shorter, 50)
        self.write("new", 30)
        os.link(shorter, shorter + "2")
        os.symlink("new", os.path.join(self.directories[HOME], b"link"))
        lease.spent(1, 1)
        lease.settle()
        self.assertEqual(self.used(), (80, 2))

    def test_each_domain_is_told_its_own(self) -> None:
        home = self.home(1000)
        team = self.area(TEAM, (TEAM, Limits()), (HOME, Limits(1000, None, (TEAM,))), used=Usage(400, 1))
        home = Area(home.storage, home.top, Charge(HOME, ((HOME, Limits(1000, None, (TEAM,))),)))
        lease = self.begun(home, team)
        self.assertEqual(lease.left, 600)
        self.write("mine", 10)
        self.write("ours", 20, TEAM)
        lease.settle()
        self.assertEqual((self.used(HOME), self.used(TEAM)), ((10, 1), (420, 2)))

    def test_there_is_none(self) -> None:
        for usage in (Usage(1000, 0), Usage(0, 5)):
            area = self.home(1000, 5)
            self.ledger.count(HOME, usage)
            with self.assertRaises(QuotaExceeded):
                ProgramLease(self.ledger, self.baselines, [area], None).begin()

    def test_what_others_hold_is_left_to_them(self) -> None:
        area = self.home(1000)
        room = self.ledger.reserve(area.charge, 600, 0)
        lease = ProgramLease(self.ledger, self.baselines, [area], None)
        for _ in range(300):
            try:
                lease.begin()
                break
            except NotBefore as wait:
                self.now = wait.at
        self.assertEqual(lease.left, 250)
        room.release()

    def test_who_waits_is_given_a_part(self) -> None:
        area = self.home(64 * 2**20)
        lease = self.begun(area)
        lease.share(self.fail)
        with self.assertRaises(NotBefore):
            self.ledger.reserve(area.charge, 1000, 0)
        left: list[int | None] = []
        lease.share(lambda: left.append(lease.left))
        self.assertEqual(left, [60 * 2**20])
        self.assertEqual(lease.left, 60 * 2**20)
        self.now += 0.05
        self.ledger.reserve(area.charge, 1000, 0)

    def test_what_was_spent_is_not_given_away(self) -> None:
        area = self.home(1000)
        lease = self.begun(area)
        lease.spent(990, 1)
        with self.assertRaises(NotBefore):
            self.ledger.reserve(area.charge, 600, 0)
        lease.share(lambda: None)
        self.assertEqual(lease.left, 5)

    def test_what_is_held_for_a_file_that_is_being_written_is_not_given_away(self) -> None:
        area = self.home(1000, 10)
        lease = self.begun(area)
        lease.hold(990, 9)
        with self.assertRaises(NotBefore):
            self.ledger.reserve(area.charge, 600, 0)
        lease.share(lambda: None)
        self.assertEqual((lease.left, lease.files_left), (995, 9))
        lease.hold(995, 9)
        lease.share(lambda: None)
        self.assertEqual((lease.left, lease.files_left), (995, 9))

    def test_others_elsewhere_do_not_disturb(self) -> None:
        area = self.home(top="/repo")
        self.write("repo/a", 1)
        lease = self.begun(area, want=100)
        self.upload(area, "/other", 10)
        self.write("repo/b", 5)
        lease.settle()
        self.assertEqual(self.used(), (15, 2))

    def test_others_beside_count_for_themselves(self) -> None:
        area = self.home(top="/repo")
        self.write("repo/a", 1)
        self.ledger.count(HOME, Usage(1, 1))
        lease = self.begun(area, want=100)
        self.upload(area, "/repo/other", 10)
        self.write("repo/b", 5)
        self.metered(area).remove(VirtualPath.parse(b"/repo/a"))
        lease.settle()
        self.assertEqual(self.used(), (15, 2))

    def test_who_is_at_it_when_all_is_looked_at_is_a_reason_to_count_anew(self) -> None:
        for at_end in (False, True):
            area = self.home(top="/repo")
            self.write("repo/a", 1)
            lease = self.begun(area, want=100) if at_end else None
            open_change = self.ledger.change(area.charge, area.top / b"x", identity=None, before=0, files=1)
            lease = lease or self.begun(area, want=100)
            if not at_end:
                open_change.done(None, size=0, files=1)
            lease.settle()
            self.assertTrue(self.ledger.needs(HOME))
            open_change.cancel()

    def test_what_is_moved_there_is_a_reason_to_count_anew(self) -> None:
        area = self.home(top="/repo")
        self.write("repo/a", 1)
        self.write("elsewhere", 1)
        lease = self.begun(area, want=100)
        self.metered(area).rename(VirtualPath((b"elsewhere",)), area.top / b"b", replace=False)
        lease.settle()
        self.assertTrue(self.ledger.needs(HOME))

    def test_several_programs_in_one_directory_are_counted_together(self) -> None:
        area = self.home(top="/repo")
        self.write("repo/a", 1)
        self.ledger.count(HOME, Usage(1, 1))
        first = self.begun(area, want=100)
        self.write("repo/b", 10)
        second = self.begun(area, want=100)
        self.write("repo/c", 20)
        first.settle()
        self.assertEqual(self.used(), (31, 3))
        self.write("repo/d", 40)
        second.settle()
        self.assertEqual(self.used(), (71, 4))
        third = self.begun(area, want=100)
        third.settle()
        self.assertEqual(self.used(), (71, 4))

    def test_a_scan_waits_for_programs_at_work(self) -> None:
        area = self.home()
        lease = self.begun(area)
        scan = self.ledger.begin(HOME)
        with self.assertRaises(NotBefore):
            scan.settle()
        self.write("a", 5)
        lease.settle()
        scan.settle()

    def test_a_program_further_down_is_a_reason_to_count_anew(self) -> None:
        for top, other in (("/repo", "/repo/deep"), ("/repo/deep", "/repo")):
            area = self.home(top=top)
            self.write("repo/deep/a", 1)
            lease = self.begun(area, want=100)
            below = self.begun(Area(area.storage, VirtualPath.parse(other.encode()), area.charge), want=100)
            lease.settle()
            self.assertTrue(self.ledger.needs(HOME))
            self.ledger.count(HOME, NOTHING)
            below.settle()
            self.assertTrue(self.ledger.needs(HOME))

    def test_a_file_that_has_names_elsewhere_may_be_there_still(self) -> None:
        area = self.home(top="/repo")
        name = self.write("repo/a", 10)
        os.link(name, os.path.join(self.directories[HOME], b"outside"))
        self.ledger.count(HOME, Usage(10, 1))
        lease = self.begun(area)
        os.unlink(name)
        lease.settle()
        self.assertTrue(self.ledger.needs(HOME))

    def test_a_directory_that_can_not_be_read_is_counted_anew(self) -> None:
        area = self.home()
        lease = self.begun(area)
        area.storage.close()
        lease.settle()
        self.assertTrue(self.ledger.needs(HOME))

    def test_no_change_is_left_open(self) -> None:
        area = self.home(10)
        self.ledger.count(HOME, Usage(10, 0))
        lease = ProgramLease(self.ledger, self.baselines, [area], None)
        with self.assertRaises(QuotaExceeded):
            lease.begin()
        lease.settle()
        scan = self.ledger.begin(HOME)
        scan.settle()
        scan.abandon()
        self.assertEqual(self.used(), (10, 0))

    def upload(self, area: Area, path: str, size: int) -> None:
        file = self.metered(area).open(VirtualPath.parse(path.encode()), read=False, write=True, create=Create.NEW)
        file.pwritev([memoryview(bytes(size))], 0)
        file.close()

    def metered(self, area: Area) -> Metered:
        return Metered(area.storage, self.ledger, area.charge)  # type: ignore[arg-type]

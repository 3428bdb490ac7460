# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures that take the whole service down: the acting worker kills its supervisor, and with it all workers, whenever it is given one.
The service is started again each time, as systemd does.  Such a picture is set apart, everybody else's is made."""

import os
import signal

import pictures
import pytest
from acting import Stage
from fault import DELAY, KILL_BEFORE, Faults

GOOD = pictures.encoded(width=120, height=90)


class Service:
    """One that is started again whenever it was killed."""

    def __init__(self, folders):
        self.folders = folders
        self.stage = Stage(folders)
        self.failed = folders.root / "failed"
        self.deaths = 0

    def config(self, workers=2):
        return self.folders.config(f"workers = {workers};", folder=f'failed = "{self.failed}";')

    def serve(self, config, is_done, deaths_max):
        """Until that; returns the daemon that lives."""
        while True:
            daemon = self.folders.start("-c", config, program=self.stage.program, ready=False)
            done = lambda: "READY=1" in daemon.notified and is_done()  # noqa: E731
            daemon.wait(lambda: done() or daemon.returncode is not None, "all done, or the next death")
            if daemon.returncode is None:
                return daemon
            assert daemon.returncode == -signal.SIGKILL, daemon.evidence()
            assert not [name for name in self.set_apart() if "fatal" not in name], "an innocent one"
            self.deaths += 1
            assert self.deaths <= deaths_max, f"it does not end\n{daemon.evidence()}"

    def set_apart(self):
        return sorted(name.name for name in self.failed.glob("*.jpg"))

    def is_made(self, names):
        return all(os.path.exists(self.folders.thumbnail(name)) for name in names)


def assert_caught(service, daemon, fatal):
    for name in fatal:
        assert (service.failed / f"{name}.why.txt").read_text().splitlines()[0] == "crashed"
        assert not os.path.exists(service.folders.path(name))
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_end() == 0
    later = service.folders.start("-c", service.config(), program=service.stage.program)
    later.wait_status("^0/2 workers busy, 0 waiting")
    assert not later.events("failed") and service.set_apart() == fatal


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fatal", [1, 2, 3])
def test_pictures_that_kill_are_set_apart_and_all_others_made(folders, fatal, workers):
    """Each costs three deaths alone; before, one in company."""
    service = Service(folders)
    innocent = [f"good{n}.jpg" for n in range(30)]
    fatal = [f"fatal-{n}.jpg" for n in range(fatal)]
    for name in innocent[:15] + fatal + innocent[15:]:
        folders.drop(name, GOOD)
    daemon = service.serve(service.config(workers), lambda: service.is_made(innocent) and service.set_apart() == fatal, 4 * len(fatal))
    assert service.deaths >= 3 * len(fatal)
    assert_caught(service, daemon, fatal)


def test_one_that_arrives_while_it_serves(folders):
    service = Service(folders)
    innocent = [f"good{n}.jpg" for n in range(20)]
    daemon = folders.start("-c", service.config(), program=service.stage.program)
    for name in innocent[:10]:
        folders.drop(name, GOOD)
    daemon.wait(lambda: service.is_made(innocent[:10]), "the first ten")
    for name in ["fatal-.jpg", *innocent[10:]]:
        folders.drop(name, GOOD)
    assert daemon.wait_end() == -signal.SIGKILL
    daemon = service.serve(service.config(), lambda: service.is_made(innocent) and service.set_apart() == ["fatal-.jpg"], 4)
    assert_caught(service, daemon, ["fatal-.jpg"])


def test_one_in_another_folder_is_no_company_that_is_to_blame(folders):
    """Two folders, each with one in work at each death: neither was alone."""
    service = Service(folders)
    service.stage.cast("hang")
    for name in ("in1", "in2"):
        (folders.root / name).mkdir()
        (folders.root / name / "a.jpg").write_bytes(GOOD)
    groups = [
        f'{{ inbox = "{folders.root}/in{n}"; outbox = "{folders.root}/out{n}"; failed = "{folders.root}/failed{n}"; }}' for n in (1, 2)
    ]
    config = folders.root / "two.conf"
    config.write_text("workers = 2; folders = (%s);\n" % ", ".join(groups))
    daemon = folders.start("-c", config, program=service.stage.program)
    daemon.wait_busy()
    daemon.kill()
    for _ in range(2):  # as the first suspect, alone
        daemon = folders.start("-c", config, program=service.stage.program)
        daemon.wait_status("^1/2 workers busy")
        daemon.kill()
    service.stage.cast("")
    daemon = folders.start("-c", config, program=service.stage.program)
    made = [folders.root / f"out{n}" / "a.jpg.256.jpg" for n in (1, 2)]
    daemon.wait(lambda: all(path.exists() for path in made), "both")
    assert not daemon.events("failed")


def test_innocent_ones_survive_any_number_of_kills_from_outside(folders, long):
    """Each time a little is made before the next: all of them are, in the end, and none is blamed."""
    service = Service(folders)
    count = 200 if long else 40
    for n in range(count):
        folders.drop(f"good{n}.jpg", GOOD)
    kills = 0
    while len(folders.thumbnails()) < count:
        before = len(folders.thumbnails())
        daemon = folders.start("-c", service.config(), program=service.stage.program, ready=False)
        daemon.wait(lambda: len(folders.thumbnails()) > before, "another one")
        daemon.kill()
        kills += 1
        assert not service.set_apart()
    print(f"{kills} kills")
    daemon = folders.start("-c", service.config(), program=service.stage.program)
    daemon.wait_status("^0/2 workers busy, 0 waiting")
    assert not daemon.events("failed") and not service.set_apart()


def test_dying_while_a_thumbnail_goes_to_the_disk_is_not_the_pictures_fault(folders):
    """Even where that begins faster than it is noted that its worker is done with it."""
    folders.drop("good.jpg", GOOD)
    faults = Faults(folders)
    for _ in range(5):
        faults.clear()
        faults.arm("write", DELAY)
        faults.arm("fsync", KILL_BEFORE)
        daemon = folders.start("-c", folders.config("workers = 1;"), prefix=faults.prefix, ready=False)
        assert daemon.wait_end() == -signal.SIGKILL and faults.hits("fsync")
        assert not daemon.events("failed")
    assert folders.run("--once", "-c", folders.config("workers = 1;")).returncode == 0
    assert folders.thumbnails()


def test_one_that_kills_is_caught_among_kills_from_outside(folders):
    """They break its row of deaths, so it takes longer; the innocent ones get made meanwhile."""
    service = Service(folders)
    innocent = [f"good{n}.jpg" for n in range(30)]
    for name in [*innocent[:10], "fatal-.jpg", *innocent[10:]]:
        folders.drop(name, GOOD)
    for _ in range(6):
        before = len(folders.thumbnails())
        daemon = folders.start("-c", service.config(), program=service.stage.program, ready=False)
        happened = lambda: len(folders.thumbnails()) > before or service.set_apart() or daemon.returncode is not None  # noqa: E731
        daemon.wait(happened, "another one, or its death")
        daemon.kill()
    daemon = service.serve(service.config(), lambda: service.is_made(innocent) and service.set_apart() == ["fatal-.jpg"], 4)
    assert_caught(service, daemon, ["fatal-.jpg"])

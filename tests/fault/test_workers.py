# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers that lie, flood, stall and die at every moment, in the place of the real one: the supervisor stands, what they did not make is
not published, and the innocent are made."""

import os
import signal

import pictures
import pytest
from acting import Stage
from daemon import SANITIZED, children, ended, open_files, process_status, state
from watch import NeverHappened

SMALL = dict(width=120, height=90)
GOOD = pictures.encoded(**SMALL)

# What becomes of a picture with such a worker: "crashed" once it was tried twice at most, or made after all.
CRASHED = [
    "none", "more", "toomany", "huge", "small", "large", "nothing", "empty", "png", "sparse", "format", "reason", "text", "other", "zero",
    "version", "kind", "render", "request", "again", "byte", "head", "long", "fd", "fds", "manyfds", "junk", "deaf", "crash", "exit", "exitone",
    "abort", "halfway",
]  # fmt: skip
MADE = ["answered", "twice", "flood", "lost", "journal"]
OTHERWISE = {"needs": "too-large"}


class Show:
    def __init__(self, folders, part="", workers=2, seconds=60, stop_seconds=30, ready=True):
        self.folders = folders
        self.stage = Stage(folders, part)
        text = f"workers = {workers}; stop_seconds = {stop_seconds}; limits = {{ seconds = {seconds}; }};"
        self.daemon = folders.start("-c", folders.config(text), program=self.stage.program, ready=ready)

    def drop(self, *names):
        for name in names:
            self.folders.drop(name, GOOD)

    def wait_thumbnails(self, *names):
        paths = [self.folders.thumbnail(name) for name in names]
        self.daemon.wait(lambda: all(os.path.exists(path) for path in paths), f"thumbnails of {names}")

    def assert_tidy(self, workers=2):
        daemon = self.daemon
        daemon.wait(lambda: len(daemon.workers()) == workers, "all workers back")
        daemon.wait(lambda: not [pid for pid in children(daemon.pid) if state(pid) == "Z"], "no zombies")
        daemon.wait(lambda: len(open_files(daemon.pid)) <= daemon.files_at_ready + 4, "no leaked descriptors")


def test_what_lies_is_not_published_and_what_is_innocent_is_made(folders):
    show = Show(folders)
    daemon = show.daemon
    innocent = [f"good{n}.jpg" for n in range(40)]
    parts = [*CRASHED, *OTHERWISE, *MADE]
    for n, part in enumerate(parts):
        show.drop(f"{part}-.jpg", *innocent[n : n + 1])
    show.drop(*innocent[len(parts) :])
    show.wait_thumbnails(*innocent, *[f"{part}-.jpg" for part in MADE])
    for part in [*CRASHED, *OTHERWISE]:
        failed = daemon.wait_event("failed", f"{part}-.jpg")
        expected = OTHERWISE.get(part, ("crashed", "corrupt"))
        assert failed.text("REASON") in expected, failed
    assert {record.file.split(b"-.")[0].decode() for record in daemon.events("failed")} == {*CRASHED, *OTHERWISE}
    assert len(folders.thumbnails()) == len(innocent) + len(MADE), folders.thumbnails()
    for name in folders.thumbnails():
        if name != b"swap-.jpg.256.jpg":
            pictures.open_checked(os.path.join(os.fsencode(folders.outbox), name), "JPEG")
    show.assert_tidy()


def test_a_passing_reason_that_a_worker_claims_is_a_delay_at_most(folders):
    show = Show(folders, workers=1)
    show.drop("passing-.jpg", "good.jpg")
    path = folders.thumbnail("good.jpg")
    show.daemon.wait(lambda: os.path.exists(path), "the innocent one", timeout=20)
    assert not os.path.exists(folders.thumbnail("passing-.jpg"))


def test_one_that_hangs_or_stops_itself_is_killed_at_the_deadline(folders):
    show = Show(folders, seconds=1)
    show.drop("hang-.jpg", "stop-.jpg", "good.jpg")
    for name in ("hang-.jpg", "stop-.jpg"):
        assert show.daemon.wait_event("failed", name).text("REASON") == "timeout"
    show.wait_thumbnails("good.jpg")
    show.assert_tidy()


@pytest.mark.parametrize("part", ["exit", "crash", "wrong", "junk", "replies"])
def test_workers_that_never_introduce_themselves_are_started_ever_more_slowly(folders, part):
    show = Show(folders, workers=1)
    daemon = show.daemon
    show.stage.cast(part)
    os.kill(daemon.workers()[0], signal.SIGKILL)
    show.drop("a.jpg")
    lost = daemon.wait_event("worker-lost", count=6)
    times = [record.received_usec for record in lost]
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert gaps[-1] > 2 * gaps[0] and gaps[-1] > 500_000, f"not throttled: {gaps}"
    assert [r for r in daemon.events("trouble") if "worker" in r.message.lower()], "a clear word about it"
    show.stage.cast("")
    show.wait_thumbnails("a.jpg")
    show.assert_tidy(1)


def test_a_successor_that_dies_at_its_start_is_not_the_last_that_is_tried(folders):
    show = Show(folders, workers=1)
    daemon = show.daemon
    first = daemon.workers()
    show.stage.cast("exit")
    show.drop("lost-1.jpg")  # its journal is gone, so that it is to be replaced
    daemon.wait_event("worker-lost")
    show.stage.cast("")
    assert daemon.workers() == first, "it stays meanwhile"
    show.drop("lost-2.jpg")
    daemon.wait_event("worker-retired", WORKER_PID=first[0])
    show.drop("good.jpg")
    show.wait_thumbnails("lost-1.jpg", "lost-2.jpg", "good.jpg")
    show.assert_tidy(1)


def test_one_that_closes_its_conversation_while_idle_gets_no_picture(folders):
    """It is no fault of the next one."""
    show = Show(folders, workers=1)
    show.drop("silent-1.jpg")
    show.wait_thumbnails("silent-1.jpg")
    show.drop("good.jpg")
    show.wait_thumbnails("good.jpg")
    assert [r.text("FILE") if "FILE" in r else None for r in show.daemon.events("worker-lost")] == [None]
    assert not show.daemon.events("retry")
    show.assert_tidy(1)


@pytest.mark.parametrize("part", ["exit", "crash", "wrong", "junk"])
def test_at_the_start_that_is_an_end_with_a_reason(folders, part):
    show = Show(folders, part, ready=False)
    assert show.daemon.wait_end(timeout=30) not in (0, -11, -6)
    assert [r for r in show.daemon.events("trouble") if "worker" in r.message.lower()], show.daemon.evidence()


def test_one_that_does_not_leave_when_its_conversation_is_over(folders):
    """TERM ends the daemon all the same, within stop_seconds."""
    show = Show(folders, "stays", stop_seconds=1)
    show.drop("a.jpg")
    show.wait_thumbnails("a.jpg")
    workers = show.daemon.workers()
    show.daemon.signal(signal.SIGTERM)
    try:
        assert show.daemon.wait_end(timeout=20) == 0
    except NeverHappened:
        show.daemon.kill()
        raise
    show.daemon.wait(lambda: all(map(ended, workers)), "its workers gone")


def test_a_worker_program_that_is_gone_and_comes_back(folders):
    show = Show(folders, workers=1)
    os.rename(show.stage.folder / "thumbnail-worker", show.stage.folder / "elsewhere")
    os.kill(show.daemon.workers()[0], signal.SIGKILL)
    show.drop("a.jpg")
    show.daemon.wait_event("worker-lost", count=3)
    os.rename(show.stage.folder / "elsewhere", show.stage.folder / "thumbnail-worker")
    show.wait_thumbnails("a.jpg")
    show.assert_tidy(1)


def test_the_real_worker_takes_over_from_actors(folders):
    show = Show(folders)
    show.drop(*[f"junk-{n}.jpg" for n in range(5)], *[f"exit-{n}.jpg" for n in range(5)])
    show.daemon.wait_event("failed", count=10)
    show.assert_tidy()  # or an actor that is only starting now would be overlooked, and get the file
    actors, started = show.daemon.workers(), len(show.daemon.events("worker-started"))
    show.stage.use_the_real_worker()
    for pid in actors:
        os.kill(pid, signal.SIGKILL)
    show.daemon.wait_event("worker-started", count=started + len(actors))
    show.drop("real.jpg")
    show.daemon.wait_event("made", "real.jpg")
    pictures.assert_corners(pictures.open_checked(folders.thumbnail("real.jpg"), "JPEG"), tolerance=40)


def resident_kib(pid):
    return int(process_status(pid)["VmRSS"].split()[0])


def test_soak(folders, mounts, long):
    """Memory and descriptors of the supervisor do not grow with the work.  100,000 jobs with --long."""
    total, batch = (100_000, 5_000) if long else (5_000, 1_000)
    for path in (folders.inbox, folders.outbox):
        mounts(path, "-t", "tmpfs", "none")
    show = Show(folders)
    daemon, samples = show.daemon, []
    for start in range(0, total, batch):
        for n in range(start, start + batch):
            hidden = folders.inbox / f".{n}"
            hidden.write_bytes(GOOD)
            os.rename(hidden, folders.inbox / (f"lost-{n}.jpg" if n % 500 == 0 else f"{n}.jpg"))
        daemon.wait(lambda: len(os.listdir(folders.outbox)) >= batch + 1, f"{start + batch} made", timeout=300)
        for root in (folders.inbox, folders.outbox):
            for name in os.listdir(root):
                if not name.startswith("."):
                    os.unlink(root / name)
        daemon.wait_status("^0/2 workers busy, 0 waiting")
        samples.append((resident_kib(daemon.pid), len(open_files(daemon.pid))))
        assert not [pid for pid in children(daemon.pid) if state(pid) == "Z"]
    print(f"{total} jobs, {len(daemon.events('worker-retired'))} workers retired; KiB and descriptors: {samples}")
    assert daemon.events("worker-retired")
    settled = samples[len(samples) // 4]
    if not SANITIZED:
        assert samples[-1][0] <= settled[0] + 512, samples
    assert max(files for _, files in samples) <= daemon.files_at_ready + 6, samples
